"""``python -m molweight`` is ``molweight``."""

import sys

from molweight.cli import main

if __name__ == "__main__":
    sys.exit(main())
