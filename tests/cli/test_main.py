"""The command line: results, files, and errors of one paragraph."""

import io
import json
import logging
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from molweight import load
from molweight.cli import main
from molweight.cli._main import _COMMANDS as COMMANDS
from molweight.cli._main import _parser
from molweight.cli._options._fit import parser as fit_parser
from molweight.cli._options._table import _COMMON
from molweight.cli._plugins import add_plugin_option
from molweight.errors import Message, mention
from molweight.objectives._base import _OBJECTIVES
from molweight.options import Job
from molweight.options.internal import list_options, option_names

OPTIONS = {
    "encoder_options.layers": 2,
    "encoder_options.width": 16,
    "corpus_size": 128,
    "pretrain_steps": 2,
    "steps": 4,
    "hypergradient_interval": 2,
    "batch_size": 32,
    "epochs": 2,
    "members": 1,
    "device": "cpu",
}
SMALL = [f"--{name}={value}" for name, value in OPTIONS.items()]
FREESOLV = ["fit", "--data", "freesolv"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("runs")
    assert main([*FREESOLV, "--runs", str(runs), *SMALL]) == 0
    return runs / "freesolv"


def _fails(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    message = captured.err.strip().splitlines()[-1]
    assert message.startswith("molweight: ")
    assert "Traceback" not in captured.err
    return message


def test_a_program_that_calls_the_command_keeps_its_logging(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "my.csv").write_text("smiles,y\n" + "".join(f"{'C' * n}O,{n}.5\n" for n in range(1, 30)))
    root, own, written = logging.getLogger(), logging.getLogger("molweight"), io.StringIO()
    handler, formatter = logging.StreamHandler(written), logging.Formatter("%(levelname)s %(message)s")
    handler.setFormatter(formatter)
    root.addHandler(handler)
    try:
        before = (root.level, own.level, list(root.handlers))
        assert main(["audit", str(tmp_path / "my.csv"), "--split=random"]) == 0
        assert (root.level, own.level, root.handlers, handler.formatter) == (*before, formatter)
        own.warning("%s", Message(mention("duplicates", "mean")))
    finally:
        root.removeHandler(handler)
    assert written.getvalue().splitlines()[-1] == "WARNING duplicates='mean'"
    assert "random" in capsys.readouterr().out


def test_a_command_leaves_no_handler(tmp_path: Path) -> None:
    code = "import logging; from molweight.cli import main; main(['list']); print(logging.getLogger().handlers)"
    out = subprocess.check_output([sys.executable, "-c", code], cwd=tmp_path, text=True)
    assert out.splitlines()[-1] == "[]"


def test_python_m_is_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "molweight"]
    assert subprocess.check_output([*command, "--version"], cwd=tmp_path, text=True).split()[0] == "molweight"
    refused = subprocess.run([*command, "fti"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "did you mean 'fit'" in refused.stderr


def test_fit_writes_the_run(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "audit.json",
        "calibration.safetensors",
        "config.yaml",
        "history.csv",
        "manifest.json",
        "metrics.json",
        "model.safetensors",
        "pretraining.safetensors",
        "report.html",
        "test.safetensors",
        "test_predictions.csv",
        "weights.json",
        "weights.png",
    ]
    metrics = json.loads((folder / "metrics.json").read_text())
    assert [row["method"] for row in metrics["methods"]] == ["mean", "descriptor_trees", "tapweight"]
    assert metrics["sizes"] == {"train": 472, "meta": 64, "select": 41, "test": 65}
    assert (folder / "weights.png").read_bytes().startswith(b"\x89PNG")
    assert len(pd.read_csv(folder / "history.csv")) == 4
    audit = json.loads((folder / "audit.json").read_text())
    card = (folder / "README.md").read_text()
    assert card.count("## Audit of the data") == 1
    assert "freesolv" in card.split("## Audit of the data")[1]
    assert (audit["table"], audit["sizes"], audit["overlap"]["size"]) == ("freesolv", metrics["sizes"], 128)


def test_saved_run_can_be_loaded(folder: Path) -> None:
    assert load(folder, device="cpu").predict(["CCO"]).shape == (1, 1)


def test_saved_config_reproduces_the_run(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = ["fit", "--config", str(folder / "config.yaml"), "--runs", str(tmp_path), "--name", "again", "--quiet"]
    assert main(config) == 0
    first, again = (json.loads((place / "metrics.json").read_text()) for place in (folder, tmp_path / "again"))
    for one, two in zip(first["methods"], again["methods"], strict=True):
        assert one["test"] == two["test"]
        assert one["weights"] == two["weights"]
    output = capsys.readouterr()
    assert "TapWeight" in output.out
    assert output.err == ""


def test_own_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["name,smiles,active", "bad,C1CC,1", *(f"m{n},{'C' * n}{'O' * (n % 2)},{n % 2}" for n in range(1, 41))]
    (tmp_path / "mine.csv").write_text("\n".join(lines))
    arguments = ["fit", str(tmp_path / "mine.csv"), "--runs", str(tmp_path), "--split", "random", *SMALL]
    assert main([*arguments, "--objectives", "attribute_masking,graphcl", "--baselines", ""]) == 0
    rejects = pd.read_csv(tmp_path / "mine" / "rejects.csv")
    assert rejects[["row", "smiles"]].to_numpy().tolist() == [[2, "C1CC"]]
    output = capsys.readouterr()
    assert "test roc_auc" in output.out
    assert f"mine: 1 rejected row written to {tmp_path / 'mine' / 'rejects.csv'}" in output.err
    assert yaml.safe_load((tmp_path / "mine" / "config.yaml").read_text())["objectives"] == [
        "attribute_masking",
        "graphcl",
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["fot"], "unknown command 'fot'; did you mean 'fit'?"),
        (["fit"], "name one table"),
        (["fit", "--data", "freesolve"], "unknown dataset 'freesolve'; did you mean 'freesolv'"),
        (
            ["fit", "--data", "freesolv", "--objectives", "graphlc"],
            "unknown objective 'graphlc'; did you mean 'graphcl'",
        ),
        (
            ["fit", "--data", "freesolv", "--objctives", "graphcl"],
            "unknown option --objctives; did you mean 'objectives'",
        ),
        ([*FREESOLV, "--targets", "a", "--targets=b"], "--targets is given twice"),
        ([*FREESOLV, "--epoc", "5"], "unknown option --epoc; did you mean 'epochs'?"),
        ([*FREESOLV, "--steps", "many"], "steps"),
        (
            ["fit", "--data", "freesolv", "--encoder_options.layer", "3"],
            "has no option 'layer'; did you mean 'layers'?",
        ),
        ([*FREESOLV, "--weighting", "equl"], "unknown weighting 'equl'; did you mean 'equal'?"),
        ([*FREESOLV, "--split", "scafold"], "did you mean 'scaffold'"),
        ([*FREESOLV, "--corpus", "zink"], "did you mean 'zinc'"),
        ([*FREESOLV, "--baselines", "scrach"], "did you mean 'scratch'?"),
        (["fit", "nowhere.csv"], "nowhere.csv"),
        (["fit", "--config", "nowhere.yaml"], "nowhere.yaml"),
        (["list", "objectivs"], "did you mean 'objectives'"),
        (["evaluate", "run", "table.csv", "--config=--", "--config", "x"], "the options cannot be read"),
        (["fit", "--plugin", "no_such_module", "--data", "freesolv"], "--plugin 'no_such_module' cannot be imported"),
    ],
)
def test_error_is_one_paragraph(arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    small = SMALL if arguments[0] == "fit" and "--config" not in arguments else []
    assert expected in _fails([*arguments, *small], capsys)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "empty"),
        ("name,value\na,1\nb,2\n", "smiles"),
        ("smiles,y\nCCO,high\nC,1\n", "high"),
        ("smiles,y\n" + "CCO,1\n" * 30, "needs both classes"),
    ],
)
def test_unusable_table_is_one_paragraph(
    content: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "table.csv"
    path.write_text(content)
    message = _fails(["fit", str(path), "--targets", "y", *SMALL], capsys)
    assert str(path) in message
    assert expected in message.lower()


def test_unwritable_places_are_one_paragraph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert "Free up disk space or choose another path" in _fails([*FREESOLV, "--runs", str(blocked), *SMALL], capsys)
    monkeypatch.setenv("MOLWEIGHT_CACHE", str(blocked))
    assert "Free up disk space or choose another path" in _fails([*FREESOLV, *SMALL], capsys)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--batch_size", "0"], "--batch_size 0 must be at least 1"),
        (["--proximal_strength", "0"], "--proximal_strength 0.0 removes the term that links the finetuned encoder"),
        (["--init", "nowhere"], "init"),
        (["--encoder_options.layers", "0"], "--encoder_options.layers 0 must be at least 1"),
        (
            ["--objective_options", '{"graphcl": {"strenght": 0.1}}'],
            "has no option 'strenght'; did you mean 'strength'?",
        ),
        (["--objective_options", '{"graph_mae": {}}'], "'graph_mae', which is not among"),
    ],
)
def test_options_are_refused_before_the_table_is_read_in_the_words_of_the_command_line(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert expected in _fails(["fit", "there_is_no_such_table.csv", *arguments], capsys)


def test_a_table_without_labels_is_refused_before_the_split_and_the_corpus(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bare.csv"
    path.write_text("smiles,name\n" + "".join(f"{'C' * n},m{n}\n" for n in range(1, 5)))
    message = _fails(["fit", str(path), "--split", "random", "--corpus", "zink", *SMALL], capsys)
    assert f"{path}: no column looks like labels (text, identifiers" in message


def test_a_table_of_one_class_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "hits.csv"
    for word, arguments in (
        ("active", []),
        ("active", ["--task", "classification"]),
        ("1", ["--task", "classification"]),
    ):
        path.write_text("smiles,y\n" + "".join(f"{'C' * n}O,{word}\n" for n in range(1, 13)))
        message = _fails(["fit", str(path), *arguments, *SMALL], capsys)
        assert f"{path}, column 'y': all 12 labels are '{word}', but a classifier needs both classes" in message
        assert "--targets" in message


def test_remedies_of_the_split_are_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "few.csv"
    path.write_text("smiles,y\nC,0.5\nCC,1.5\nCCC,0.5\n")
    message = _fails(["fit", str(path), *SMALL], capsys)
    assert "Use --split random, --protocol paper" in message


def test_findings_are_printed_at_the_end_and_saved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Conjugate gradients with one iteration cannot converge: every solve is reported."""
    options = ["--solver", "cg", "--solver_options.iterations", "1", "--solver_options.tolerance", "0", "--quiet"]
    assert main([*FREESOLV, "--runs", str(tmp_path), "--baselines", "equal", *options, *SMALL]) == 0
    output = capsys.readouterr()
    end = output.out.split("found during pretraining:\n")[1]
    for level in ("finetune", "pretrain"):
        assert f"  TapWeight: level '{level}': 100% of 2 solves ended with " in end
        assert f"level '{level}'" not in output.err  # a truncated solve is nothing to warn of
    methods = json.loads((tmp_path / "freesolv" / "metrics.json").read_text())["methods"]
    assert [(method["method"], sorted({f["name"] for f in method["findings"]})) for method in methods] == [
        ("equal", []),
        ("tapweight", ["finetune", "pretrain"]),
    ]
    history = pd.read_csv(tmp_path / "freesolv" / "history.csv")
    assert history["findings"].notna().sum() == 1
    assert ": finetune" in history["findings"].iloc[-1]


def test_list_shows_what_can_be_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    text = capsys.readouterr().out
    for name in ("graphcl", "gin", "tapweight", "cg", "freesolv"):
        assert name in text
    for kind in ("objectives", "encoders", "weightings", "solvers", "datasets"):
        assert main(["list", kind]) == 0
    listed = capsys.readouterr().out
    assert "You et al." in listed
    assert "schnet" in listed


def test_list_of_objectives_shows_what_to_choose_by(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "objectives"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["objective", "family", "cost", "needs", "paper"]
    rows = {line.split()[0]: line for line in lines[1 : lines.index("")]}
    assert "motif" in rows["functional_groups"]
    assert "GROVER" in rows["functional_groups"]
    assert rows["functional_groups"].count("functional_groups") == 2  # its name, and the column it needs
    assert "1.0 x" in rows["attribute_masking"]
    assert "2.0 x" in rows["molclr"]
    assert "combine with another objective" in rows["masked_consistency"]
    assert "combine with another objective" not in rows["graphcl"]


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert main(["--version"]) == 0
    with pytest.raises(SystemExit) as stopped:
        main(["fit", "--help"])
    assert stopped.value.code == 0
    assert "--weighting" in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_readable(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    shown = capsys.readouterr().out
    assert shown.startswith("usage: molweight")
    found = [mark for mark in ("<function", " at 0x", ":class:", ":data:", ":meth:", "`") if mark in shown]
    assert found == []


def test_help_begins_with_an_example_and_keeps_rare_options_for_help_all(capsys: pytest.CaptureFixture[str]) -> None:
    shown = []
    for option in ("--help", "--help_all"):
        with pytest.raises(SystemExit) as stopped:
            main(["fit", option])
        assert stopped.value.code == 0
        shown.append(capsys.readouterr().out)
    short, full = shown
    assert short.index("molweight fit my.csv") < short.index("\noptions:")
    titles = ("Table:", "Split:", "Run and output:", "Finetuning:")
    assert [title for title in titles if f"\n{title}" not in short] == []
    assert "--proximal_strength" not in short
    listed = [set(re.findall(r"^  --(\w+)", text, flags=re.MULTILINE)) for text in shown]
    assert listed[0] < listed[1]
    assert short.rstrip().endswith(f"{len(listed[1] - listed[0])} more options: --help_all")
    known = {action.dest for action in fit_parser()._actions}
    assert set(_COMMON) <= known
    assert "  --test TEST" in short[short.index("\nSplit:") : short.index("\nCorpus:")]
    assert [name for name in option_names(Job) if f"--{name}" not in full] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command_has_a_short_usage_an_example_and_its_own_options(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = []
    for option in ("--help", "--help_all"):
        with pytest.raises(SystemExit) as stopped:
            main([command, option])
        assert stopped.value.code == 0
        shown.append(capsys.readouterr().out)
    short, full = shown
    usage, blank, *_ = short.splitlines()
    assert usage.startswith(f"usage: molweight {command} ")
    assert usage.endswith(" [options]")
    assert blank == ""
    assert 0 < short.index(f"\n  molweight {command} ") < short.index("\noptions:")
    assert "customizes" not in full
    listed = [set(re.findall(r"^  (?:-h, )?--(\w+)", text, flags=re.MULTILINE)) for text in shown]
    assert ("--help_all" in short) == (len(listed[1]) > 20)
    assert ("more options: --help_all" in short) == (listed[0] - {"help_all"} < listed[1] - {"help_all"})
    example = re.search(r"^  (molweight .*?)(  |$)", short, flags=re.MULTILINE)
    assert example is not None
    made = _parser(command)
    add_plugin_option(made)
    made.parse_args(shlex.split(example[1])[2:])  # it is accepted


def test_rare_options_of_predict_are_those_of_reading_and_of_plug_ins(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["predict", "--help"])
    shown = capsys.readouterr().out
    assert [name for name in ("--encoding", "--sheet", "--plugin", "--print_config") if name in shown] == []
    assert [name for name in ("--interval", "--top", "--output", "--uncertainty") if name not in shown] == []
    assert "(type: int | auto | all, default: auto)" in " ".join(shown.split())


def test_help_names_sizes_of_presets_only_if_there_are_presets(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["audit", "--help_all"])
    assert "--preset" not in capsys.readouterr().out


@pytest.mark.parametrize("option", [item.name for item in list_options(Job)])
def test_every_list_of_a_job_is_written_with_commas(option: str) -> None:
    parsed = fit_parser().parse_args(["my.csv", f"--{option}", "one,two"])
    assert parsed[option] == ["one", "two"]


def test_help_names_the_type_of_lists(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["fit", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "label columns: a,b,c; p(X): -log10 of molar X; detected by default (type: list a,b,c, default: [])" in shown
    assert "Name of the encoder; see molweight list encoders." in shown


def test_plugin_registers_an_objective(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "atoms_plugin.py").write_text(
        "import torch\n"
        "from molweight.objectives import Objective, register\n"
        "@register('atoms_by_plugin')\n"
        "class Atoms(Objective):\n"
        "    family, paper = 'property', 'this test'\n"
        "    def __init__(self, width):\n"
        "        super().__init__(width)\n"
        "        self.head = torch.nn.Linear(width, 1)\n"
        "    def draw(self, batch, generator):\n"
        "        return batch\n"
        "    def loss(self, encoder, views):\n"
        "        sizes = views.ptr.diff().float().log()\n"
        "        return (self.head(encoder(views).graphs).squeeze(1) - sizes).square().mean()\n"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["list", "objectives", "--plugin", "atoms_plugin"]) == 0
    assert "atoms_by_plugin" in capsys.readouterr().out
    fit = ["fit", "--data", "freesolv", "--objectives", "atoms_by_plugin,graphcl", "--plugin=atoms_plugin", *SMALL]
    assert main([*fit, "--baselines", ""]) == 0
    assert "atoms_by_plugin" in capsys.readouterr().out
    config = yaml.safe_load((tmp_path / "runs" / "freesolv" / "config.yaml").read_text())
    assert config["plugin"] == ["atoms_plugin"]
    monkeypatch.delitem(_OBJECTIVES._items, "atoms_by_plugin")  # as in a process that has not imported the plugin
    (tmp_path / "new.smi").write_text("CCO\n")
    predict = ["predict", "runs/freesolv", "new.smi"]
    assert main(predict) == 0  # a finished run predicts without the objectives it was pretrained with
    assert capsys.readouterr().out.startswith("row,smiles,")


def test_plugins_of_a_config_file_are_imported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.yaml").write_text("data: freesolv\nplugin: [no_such_module]\n")
    message = _fails(["fit", "--config", str(tmp_path / "config.yaml"), "--trust"], capsys)
    assert "--plugin 'no_such_module' cannot be imported" in message


def test_a_plugin_with_a_syntax_error_is_one_paragraph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "torn_plugin.py").write_text("class Torn:\n")
    monkeypatch.chdir(tmp_path)
    assert "'torn_plugin' cannot be imported" in _fails(["list", "--plugin", "torn_plugin"], capsys)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("epochs: null", "--epochs null must be a whole number"),
        ("gamma: .nan", "--proximal_strength nan must be a finite number"),
        ("encoder_options: {width: wide}", "encoder 'gin': --encoder_options.width wide must be a whole number"),
        (
            "solver: cg\nsolver_options: {iterations: 1.5}",
            "--solver_options.iterations 1.5 must be a whole number",
        ),
        (
            "weighting_options: {lr: fast}",
            "--weighting_options.lr fast must be a finite number or null",
        ),
    ],
)
def test_values_of_another_kind_are_refused(
    line: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.yaml").write_text(f"data: freesolv\nencoder: gin\n{line}\n")
    assert expected in _fails(["fit", "--config", str(tmp_path / "config.yaml")], capsys)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--steps", "1e400"], "--steps 1e400 must be a whole number."),
        (["--proximal_strength", "x"], "--proximal_strength x must be a number."),
        (["--track_encoder", "maybe"], "--track_encoder maybe must be true or false."),
        (["--objective_options", "3"], "--objective_options 3 must be a mapping, e.g."),
        (["--config", "nowhere.yaml"], "--config nowhere.yaml cannot be read. Check the path."),
        (["--objective_options.graphcl.strenth", "0.3"], "has no option 'strenth'; did you mean 'strength'?"),
    ],
)
def test_values_of_another_kind_are_refused_without_names_of_classes(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    message = _fails(["fit", "--data", "freesolv", *arguments], capsys)
    assert expected in message
    assert "<class" not in message


def test_a_file_of_options_is_named_with_what_is_wrong_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("data: free\0solv\n")
    assert f"{path}, character 11: is not valid YAML: special characters are not allowed (0x0)." in _fails(
        ["fit", "--config", str(path)], capsys
    )
    path.write_text("stepz: 3\n")
    assert f"{path}: there is no option 'stepz'; did you mean 'steps'?" in _fails(
        ["fit", "--config", str(path)], capsys
    )
    path.write_text("data: freesolv\nsteps: x\n")
    assert "--steps x must be a whole number." in _fails(["fit", "--config", str(path)], capsys)
    path.write_text("steps: [3\n x: :")
    assert f"{path}, line 2: is not valid YAML" in _fails(["fit", f"--config={path}"], capsys)


def test_options_of_one_objective_are_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["fit", "--objective_options.graphcl.strength", "0.3", "--print_config"])
    assert yaml.safe_load(capsys.readouterr().out)["objective_options"] == {"graphcl": {"strength": 0.3}}


def test_more_than_fits_into_memory_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    huge = ["--encoder_options.width", "999999999", "--encoder_options.layers", "1", "--init", "pretrain"]
    assert "must be at most 65536" in _fails(["fit", "--data", "freesolv", *SMALL, *huge], capsys)
    limited = (
        "import resource, sys\n"
        "from molweight.cli import main\n"
        "import torch\n"
        "resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    huge[1] = "65536"  # one layer takes 32 GiB
    command = [sys.executable, "-c", limited, "fit", "--data", "freesolv", *SMALL, *huge, "--runs", str(tmp_path)]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 2, refused.stderr
    assert "not enough memory" in refused.stderr.splitlines()[-1]
