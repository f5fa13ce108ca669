"""Another package, installed, with an objective, an encoder, a weighting and a table by entry points."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PYPROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "molweight-elsewhere"
version = "1"

[project.entry-points]
"molweight.objectives" = { heteroatoms = "molweight_elsewhere:Heteroatoms" }
"molweight.encoders" = { bonds_only = "molweight_elsewhere.more:BondsOnly" }
"molweight.weightings" = { first_only = "molweight_elsewhere.more:FirstOnly" }
"molweight.datasets" = { chains = "molweight_elsewhere.more" }

[tool.setuptools]
packages = ["molweight_elsewhere"]
"""
MORE = '''
from torch import nn
from molweight import datasets, encoders
from molweight.mlo.weightings import Fixed

class Layer(nn.Linear):
    def __init__(self, width):
        super().__init__(width, width)
    def forward(self, nodes, topology):
        source, target = topology.edge_index
        return super().forward(nodes.index_add(0, target, nodes[source]))

class BondsOnly(encoders.MessagePassingEncoder):
    """Adds up bonded atoms."""
    def __init__(self, **options):
        super().__init__(Layer, **options)

class FirstOnly(Fixed):
    """All weight on the first objective."""
    def __init__(self, names):
        super().__init__(names, weights=[1.0] + [0.0] * (len(names) - 1))

@datasets.register("chains")
def chains():
    """Length of some chains."""
    lengths = [n for n in range(1, 61)]
    return datasets.from_smiles(["C" * n + "O" for n in lengths], [float(n) for n in lengths], name="chains")
'''
COMMANDS = """
import sys
from molweight.cli import main
options = sys.argv[1:]
for kind in ("objectives", "encoders", "weightings", "datasets"):
    assert main(["list", kind]) == 0
sys.exit(main(["fit", *options]))
"""
FIT = {
    "data": "chains",
    "split": "random",
    "objectives": "heteroatoms,graphcl",
    "encoder": "bonds_only",
    "encoder_options.layers": 2,
    "encoder_options.width": 8,
    "weighting": "first_only",
    "baselines": "",
    "members": 1,
    "corpus_size": 64,
    "pretrain_steps": 1,
    "steps": 2,
    "batch_size": 16,
    "epochs": 1,
    "device": "cpu",
}


def example(root: Path) -> str:
    """The objective of the README, without the lines that use it."""
    section = (root / "README.md").read_text(encoding="utf-8").partition("## Your own objective")[2]
    code = re.search(r"```python\n(.*?)```", section, flags=re.DOTALL)
    assert code is not None
    return code[1].partition("\n\n\nrun = ")[0] + "\n"


@pytest.fixture(scope="module")
def elsewhere(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the package is installed."""
    source, installed = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    package = source / "molweight_elsewhere"
    package.mkdir()
    (source / "pyproject.toml").write_text(PYPROJECT)
    (package / "__init__.py").write_text(example(root))
    (package / "more.py").write_text(MORE)
    offline = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check")
    pip = (sys.executable, "-m", "pip", "install", *offline, "--target", installed, source)
    done = subprocess.run(pip, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return installed


def test_the_example_is_a_dozen_statements(root: Path) -> None:
    (objective,) = (node for node in ast.parse(example(root)).body if not isinstance(node, ast.Import | ast.ImportFrom))
    assert ast.unparse(objective).startswith("@register('heteroatoms')\nclass Heteroatoms(Objective)")
    assert sum(isinstance(node, ast.stmt) for node in ast.walk(objective)) <= 11


def test_a_package_offers_names_by_entry_points(elsewhere: Path, tmp_path: Path) -> None:
    path = os.pathsep.join([str(elsewhere), *filter(None, [os.environ.get("PYTHONPATH")])])
    options = [f"--{name}={value}" for name, value in FIT.items()]
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS, *options, "--runs", str(tmp_path), "--quiet"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for line in (
        r"heteroatoms +property +1\.0 x +- +this page",
        r"bonds_only +Adds up bonded atoms\.",
        r"first_only +All weight on the first objective\.",
        r"chains +Length of some chains\.",
    ):
        assert re.search(f"^{line}$", done.stdout, flags=re.MULTILINE), done.stdout
    methods = json.loads((tmp_path / "chains" / "metrics.json").read_text())["methods"]
    (method,) = [row for row in methods if row["method"] == "first_only"]
    assert method["weights"] == {"heteroatoms": 1.0, "graphcl": 0.0}
