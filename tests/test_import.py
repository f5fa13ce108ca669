"""Importing molweight is quick, and needs no chemistry."""

import subprocess
import sys
from pathlib import Path

CHEMISTRY = ("ogb", "rdkit")


def _python(code: str, cwd: Path) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_takes_less_than_two_seconds_of_processor_time(tmp_path: Path) -> None:
    # Processor time, because other tests run at the same time; the benchmark measures wall time.
    code = "import time, molweight; print(time.process_time())"
    assert min(float(_python(code, tmp_path)) for _ in range(3)) < 2.0


def test_import_loads_nothing_that_is_needed_on_demand_only(tmp_path: Path) -> None:
    code = f"import sys, molweight; print(sorted({{*{CHEMISTRY}, 'matplotlib'}} & set(sys.modules)))"
    assert _python(code, tmp_path) == "[]\n"


def test_the_public_names_load_no_chemistry(tmp_path: Path) -> None:
    code = f"""
import sys, molweight, molweight.cli
public = [getattr(molweight, name) for name in molweight.__all__]
print(len(public) > 5, sorted(set({CHEMISTRY}) & set(sys.modules)))
"""
    assert _python(code, tmp_path) == "True []\n"


def test_only_modules_named_for_it_need_chemistry(tmp_path: Path) -> None:
    # `_rdkit_*.py` import RDKit at their top, and are themselves imported by the functions that need them.
    code = f"""
import importlib, pkgutil, sys
sys.modules.update(dict.fromkeys({CHEMISTRY}))
import molweight
modules = pkgutil.walk_packages(molweight.__path__, "molweight.")
names = [name for _, name, _ in modules if not name.endswith("__main__") and "._rdkit_" not in name]
for name in names:
    importlib.import_module(name)
print({{"molweight.graphs", "molweight.objectives", "molweight.cli"}} <= set(names))
"""
    assert _python(code, tmp_path) == "True\n"
