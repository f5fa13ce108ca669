"""``python -m molweight.cli``."""

import sys

from molweight.cli._main import main

sys.exit(main())
