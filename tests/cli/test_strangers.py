"""Code of other people runs only when asked for, and its errors are reported in one paragraph."""

import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
import yaml
from joblib.externals.loky.process_executor import BrokenProcessPool

from molweight.cli import main
from molweight.cli._main import _enough_memory
from molweight.errors import ConfigError

SMALL = [
    *("--preset=small", "--corpus_size=32", "--batch_size=16", "--pretrain_steps=1", "--steps=1", "--epochs=1"),
    *("--encoder_options.layers=1", "--encoder_options.width=8", "--baselines=", "--device=cpu", "--quiet"),
]
OBJECTIVE = """
import pathlib
pathlib.Path({ran!r}).write_text("ran")
import torch
from molweight.objectives import Objective, register
@register('{name}')
class Sizes(Objective):
    family, paper = 'property', 'this test'
    def __init__(self, width):
        super().__init__(width)
        self.head = torch.nn.Linear(width, 1)
    def draw(self, batch, generator):
        {draw}
        return batch
    def loss(self, encoder, views):
        sizes = views.ptr.diff().float().log()
        {loss}
        return (self.head(encoder(views).graphs).squeeze(1) - sizes).square().mean()
"""


def _fresh_process(commands: list[list[str]], here: Path) -> subprocess.CompletedProcess[str]:
    """Run commands in a process that has imported no plug-in."""
    code = f"import sys; from molweight.cli import main; sys.exit(max(main(command) for command in {commands!r}))"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=False)


COMPUTED = """
import numpy as np, torch
from molweight import features
from molweight.graphs import TargetSpec
from molweight.objectives import Objective, register

def lengths(smiles):
    return np.array([[len(text)] for text in smiles], dtype=np.float32)

SPEC = TargetSpec("{name}", 1, 1, "float32", lengths)
features.register("{name}")(features.FeatureSet(SPEC, ("length",), "length"))

@register("{name}")
class Length(Objective):
    family, paper, targets = "property", "this test", (SPEC,)
    def __init__(self, width):
        super().__init__(width)
        self.head = torch.nn.Linear(width, 1)
    def draw(self, batch, generator):
        return batch
    def loss(self, encoder, views):
        return (self.head(encoder(views).graphs) - views.columns["{name}"] / 100).square().mean()
"""


@pytest.mark.usefixtures("two_cores")
def test_worker_processes_know_the_plugins(tmp_path: Path) -> None:
    name = f"p{uuid4().hex}"
    (tmp_path / f"{name}.py").write_text(COMPUTED.format(name=name))
    rows = [f"{'C' * (1 + n % 9)}{'O' * (n // 9)}N,{n % 7}.5" for n in range(36)]
    (tmp_path / "my.csv").write_text("\n".join(["smiles,y", *rows]))
    encoder = ["--encoder_options.layers=1", "--encoder_options.width=8", "--device=cpu", "--quiet"]
    own = [*encoder, f"--plugin={name}"]
    fit = ["finetune", "my.csv", "--runs=.", "--name=run", "--init=scratch", "--members=2", "--partners=linear"]
    sizes = ["--epochs=1", "--split=random", f"--features={name}"]
    predict = ["predict", "run", "my.csv", "--quiet", f"--plugin={name}", "--chunk_size=2", "--output=out.csv"]
    steps = ["--corpus_size=600", "--pretrain_steps=1", "--batch_size=16", f"--objectives={name},attribute_masking"]
    commands = [[*fit, *sizes, *own], predict, ["pretrain", "--output=made", *steps, *own]]
    code = f"import sys; sys.path.remove(''); from molweight.cli import main; sys.exit(max(map(main, {commands!r})))"
    environment = {**os.environ, "MOLWEIGHT_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 37


def test_a_failure_to_send_work_is_no_lack_of_memory() -> None:
    reason = "A task has failed to un-serialize. Please ensure that the arguments of the function are all picklable."
    expected = r"failed: A task has failed to un-serialize\. Set LOKY_MAX_CPU_COUNT=1"
    with pytest.raises(ConfigError, match=expected), _enough_memory():
        raise BrokenProcessPool(reason)


def _plugin(here: Path, name: str, draw: str = "pass", loss: str = "pass") -> Path:
    ran = here / f"{name}.ran"
    (here / f"{name}.py").write_text(OBJECTIVE.format(ran=str(ran), name=name, draw=draw, loss=loss))
    return ran


def _table(here: Path) -> None:
    rows = [f"{'C' * (1 + n % 9)}{'O' * (n % 3)}N,{n % 7}.5" for n in range(40)]
    (here / "my.csv").write_text("\n".join(["smiles,y", *rows]))


def _refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1, message
    return message


@pytest.mark.usefixtures("registries")
def test_a_file_of_options_imports_nothing_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = _plugin(tmp_path, "named_by_a_file")
    (tmp_path / "options.yaml").write_text("plugin: [named_by_a_file]\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "named_by_a_file", raising=False)
    message = _refused(["audit", "my.csv", "--config", "options.yaml"], capsys)
    assert "would import the module named_by_a_file" in message
    assert "--plugin named_by_a_file" in message
    assert "--trust" in message
    assert not ran.exists()
    (tmp_path / "options.yaml").write_text("plugin: [named_by_a_file]\ntrust: true\n")
    assert "only on the command line" in _refused(["audit", "my.csv", "--config", "options.yaml"], capsys)
    assert not ran.exists()


@pytest.mark.usefixtures("registries")
@pytest.mark.parametrize("vouched", [["--plugin", "another_file"], ["--trust"]])
def test_a_file_of_options_imports_what_is_vouched_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vouched: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    ran = _plugin(tmp_path, "another_file")
    (tmp_path / "options.yaml").write_text("plugin: [another_file]\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "another_file", raising=False)
    _refused(["audit", "nowhere.csv", "--config", "options.yaml", *vouched], capsys)  # imported before the table
    assert ran.exists()


def test_an_interrupted_run_of_a_stranger_imports_nothing_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = _plugin(tmp_path, "named_by_a_run")
    state = tmp_path / "runs" / "theirs" / "state"
    state.mkdir(parents=True)
    (state / "config.yaml").write_text(yaml.safe_dump({"data": "freesolv", "plugin": ["named_by_a_run"]}))
    monkeypatch.chdir(tmp_path)
    message = _refused(["fit", "--resume", "runs/theirs"], capsys)
    assert "state/config.yaml would import the module named_by_a_run" in message
    assert not ran.exists()


def test_a_study_of_a_stranger_imports_nothing_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = _plugin(tmp_path, "named_by_a_study")
    study = {"tables": ["esol"], "methods": ["equal"], "seeds": [0], "plugins": ["named_by_a_study"]}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    monkeypatch.chdir(tmp_path)
    assert "would import the module named_by_a_study" in _refused(["benchmark", "study.yaml"], capsys)
    assert not ran.exists()


@pytest.mark.usefixtures("registries")
def test_a_finished_run_needs_no_plugin_of_its_objectives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _table(tmp_path)
    ran = _plugin(tmp_path, "mine")
    monkeypatch.chdir(tmp_path)
    fit = ["fit", "my.csv", "--objectives=mine,attribute_masking", "--plugin=mine", "--split=random", *SMALL]
    assert main(fit) == 0
    assert ran.exists()
    ran.unlink()
    (tmp_path / "mine.py").unlink()
    commands = [
        ["predict", "runs/my", "my.csv", "--output=o.csv"],
        ["embed", "runs/my", "my.csv", "--output=o.npz"],
        ["explain", "runs/my", "my.csv", "--limit=2", "--pairs=1"],
        ["evaluate", "runs/my", "my.csv"],
        ["report", "runs/my", "--output=r.html"],
    ]
    done = _fresh_process(commands, tmp_path)
    assert done.returncode == 0, done.stderr
    assert not ran.exists()


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import sys\nsys.exit(0)\n", "it called sys.exit(0) ("),
        ("\n\n1 / 0\n", "ZeroDivisionError: division by zero ("),
        ("def f(:\n", "SyntaxError"),
        ("import no_such_module_here\n", "ModuleNotFoundError: No module named 'no_such_module_here' ("),
        ("raise KeyError('x')\n", "KeyError: 'x' ("),
        ("raise BaseException('x')\n", "BaseException: x ("),
        ("raise GeneratorExit\n", "GeneratorExit ("),
        ("raise BaseExceptionGroup('x', [KeyboardInterrupt()])\n", "BaseExceptionGroup: x (1 sub-exception) ("),
        ("raise MemoryError\n", "MemoryError ("),
        ("raise RuntimeError('out of memory')\n", "RuntimeError: out of memory ("),
        ("f = lambda: f(); f()\n", "RecursionError: maximum recursion depth exceeded ("),
        ("raise type('E', (Exception,), {'__str__': lambda self: 1 / 0})\n", "E: <exception str() failed> ("),
        ("from molweight.errors import DataError; raise DataError('mine.')\n", "cannot be imported: mine ("),
    ],
)
def test_a_plugin_that_fails_is_one_paragraph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: str, expected: str
) -> None:
    (tmp_path / "torn.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    message = _refused(["list", "--plugin=torn"], capsys)
    assert "--plugin 'torn' cannot be imported" in message
    assert expected in message
    assert f"torn.py, line {code.count(chr(10)) if 'sys' in code or '1 / 0' in code else 1}" in message


@pytest.mark.parametrize("named", ["", "torn,,torn", ",", "torn,", ".", "../torn", "torn.py", "--quiet", "a b"])
def test_what_is_no_name_of_a_module_is_said(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And nothing is imported before."""
    ran = _plugin(tmp_path, "torn")
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"plugin": named.split(",")}))
    monkeypatch.chdir(tmp_path)
    for arguments in (["list", f"--plugin={named}"], ["audit", "my.csv", "--trust", "--config=mine.yaml"]):
        assert "is not the name of a module. Write it as in Python" in _refused(arguments, capsys)
    assert "--plugin '' is not the name of a module" in _refused(["list", "--plugin"], capsys)
    assert not ran.exists()


def test_ctrl_c_while_a_plugin_is_imported_is_ctrl_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "slow.py").write_text("raise KeyboardInterrupt\n")
    monkeypatch.chdir(tmp_path)
    assert main(["list", "--plugin=slow"]) == 130
    assert capsys.readouterr().err == "\nmolweight: interrupted.\n"


@pytest.mark.usefixtures("registries")
@pytest.mark.parametrize(
    "case",
    [
        ("batch.nothing", "pass", "draw: AttributeError: 'GraphBatch' object has no attribute 'nothing'"),
        ("pass", "1 / 0", "loss: ZeroDivisionError: division by zero"),
        ("pass", "torch.zeros(2) @ torch.zeros(3)", "loss: RuntimeError"),
        ("raise SystemExit(0)", "pass", "draw: it called sys.exit(0)"),
        ("pass", "return (self.head(encoder(views).graphs) * torch.rand(())).sum()", "two evaluations differ"),
        ("pass", "return 1.0", "its loss must be a single number as a tensor, got float"),
        ("pass", "return encoder(views).graphs", "its loss must be a single number as a tensor, got a tensor of shape"),
    ],
)
def test_an_objective_that_fails_is_one_paragraph(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    case: tuple[str, str, str],
) -> None:
    draw, loss, expected = case
    name = f"failing_{uuid4().hex}"
    _plugin(tmp_path, name, draw, loss)
    _table(tmp_path)
    monkeypatch.chdir(tmp_path)
    message = _refused(["fit", "my.csv", f"--objectives={name}", f"--plugin={name}", "--split=random", *SMALL], capsys)
    assert f"objective '{name}'" in message
    assert expected in message
    if "Error" in expected or "sys.exit" in expected:
        assert f"{name}.py, line {13 if draw != 'pass' else 17}" in message


WEIGHTING = """
import torch
from molweight.mlo import weightings
@weightings.register('outside')
class Outside(weightings.Weighting):
    @property
    def weights(self):
        return torch.tensor({values})
"""


FAILING = """
import torch
from molweight.mlo import weightings
@weightings.register('{name}')
class Failing(weightings.Weighting):
    needs = weightings.Needs.LOSSES
    def __init__(self, names):
        super().__init__(names)
        {made}
    @property
    def weights(self):
        {weights}
        return torch.full(({count},), 0.5)
    def update(self, signals):
        {update}
"""


@pytest.mark.usefixtures("registries")
@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"update": "{}['x']"}, "update: KeyError: 'x' (FILE, line 15)"),
        ({"weights": "return 1 / 0"}, "weights: ZeroDivisionError: division by zero (FILE, line 12)"),
        ({"made": "{}['x']"}, "__init__: KeyError: 'x' (FILE, line 9)"),
        ({"count": "1"}, "must be a tensor of shape (2,), one number per objective, got a tensor of shape (1,)"),
        ({"weights": "return [0.5, 0.5]"}, "must be a tensor of shape (2,), one number per objective, got list"),
    ],
)
def test_a_weighting_that_fails_is_one_paragraph(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    parts: dict[str, str],
    expected: str,
) -> None:
    name = f"failing_{uuid4().hex}"
    given = {"made": "pass", "weights": "pass", "update": "pass", "count": "2", **parts}
    (tmp_path / f"{name}.py").write_text(FAILING.format(name=name, **given))
    _table(tmp_path)
    monkeypatch.chdir(tmp_path)
    fit = ["fit", "my.csv", "--objectives=attribute_masking,edge_prediction", f"--weighting={name}", *SMALL]
    message = " ".join(_refused([*fit, f"--plugin={name}", "--split=random"], capsys).split())
    assert "weighting" in message
    assert expected.replace("FILE", str(tmp_path / f"{name}.py")) in message


@pytest.mark.usefixtures("registries")
@pytest.mark.parametrize(
    "values", ["[3.0, -1.0]", "[1.5, -0.5]", "[0.5, 0.4]", "[float('nan'), 1.0]", "[float('inf'), 0.0]"]
)
def test_weights_outside_the_simplex_are_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    values: str,
) -> None:
    monkeypatch.delitem(sys.modules, "outside_simplex", raising=False)
    (tmp_path / "outside_simplex.py").write_text(WEIGHTING.format(values=values))
    _table(tmp_path)
    monkeypatch.chdir(tmp_path)
    fit = ["fit", "my.csv", "--objectives=attribute_masking,edge_prediction", "--weighting=outside", *SMALL]
    message = _refused([*fit, "--plugin=outside_simplex", "--split=random"], capsys)
    assert "weighting 'outside'" in message
    assert "finite and not negative" in message
