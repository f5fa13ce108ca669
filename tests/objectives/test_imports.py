"""Chemistry is imported where it is computed, not before."""

import subprocess
import sys


def test_rdkit_is_not_imported() -> None:
    code = "import molweight.objectives, molweight.encoders, sys; sys.exit('rdkit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
