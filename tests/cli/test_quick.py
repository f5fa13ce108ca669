"""What a typo costs: the program's own names are printed without importing PyTorch or RDKit."""

import subprocess
import sys

import pytest

CODE = """
import sys
from molweight.cli import main
status = main(sys.argv[1:])
heavy = {"torch", "rdkit", "pandas", "sklearn", "torch_geometric"} & sys.modules.keys()
print(status, sorted(heavy))
"""


@pytest.mark.parametrize(("argument", "status"), [("--version", 0), ("--help", 0), ("fot", 2)])
def test_nothing_heavy_is_imported(argument: str, status: int) -> None:
    done = subprocess.run([sys.executable, "-c", CODE, argument], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == f"{status} []"
