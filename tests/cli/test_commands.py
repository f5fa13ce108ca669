"""pretrain, fit from a checkpoint, finetune, predict, embed, evaluate; what is printed, saved and resumed."""

import gzip
import json
import os
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
import yaml

from molweight import Job, datasets, fit, load
from molweight._owned_files import own
from molweight.cli import _fit, _molecules, main
from molweight.errors import DataError
from molweight.runs import read_checkpoint
from molweight.runs.internal import extend_manifest, featurised
from molweight.storage import read_tensors, write_tensors
from molweight.training import Session, TensorBoard

TINY = [
    "--corpus_size=48",
    "--pretrain_steps=2",
    "--batch_size=16",
    "--objectives=attribute_masking,graphcl",
    "--device=cpu",
    "--quiet",
]
ENCODER = ["--encoder_options.layers=1", "--encoder_options.width=8"]
FIT = ["--steps=2", "--epochs=2", "--members=1", "--split=random"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table, a checkpoint made of a corpus, and a run that started from it."""
    folder = tmp_path_factory.mktemp("place")
    rows = [f"{'C' * (1 + n % 9)}{'O' * (n % 3)}N,{n % 7}.5" for n in range(40)]
    (folder / "my.csv").write_text("\n".join(["smiles,y", *rows]))
    assert main(["pretrain", "--output", str(folder / "general"), *TINY, *ENCODER]) == 0
    fit = ["fit", str(folder / "my.csv"), "--runs", str(folder), "--init", str(folder / "general"), *TINY, *FIT]
    assert main([*fit, "--name=run", "--baselines=", "--tensorboard"]) == 0
    return folder


def test_a_checkpoint_has_a_card_and_its_encoder_is_taken_over(place: Path) -> None:
    assert {path.name for path in (place / "general").iterdir()} == {
        "README.md",
        "checkpoint.safetensors",
        "config.yaml",
    }
    about = json.loads((place / "run" / "weights.json").read_text())
    assert about["options"]["encoder_options"] == {"layers": 1, "width": 8}
    assert not (place / "run" / "state").exists()
    assert len(list((place / "run" / "tensorboard").rglob("events*"))) == 2  # adaptive, finetune


def test_the_saved_configuration_reproduces_the_run(place: Path) -> None:
    config = place / "run" / "config.yaml"
    assert main(["fit", "--config", str(config), "--name=again"]) == 0
    smiles = ["CCO", "CCN"]
    assert np.array_equal(load(place / "run").predict(smiles), load(place / "again").predict(smiles))


@pytest.mark.parametrize("preset", ["small", "full"])
@pytest.mark.parametrize(
    ("asked", "init"),
    [
        ([], "gin_zinc"),
        (["--encoder=gcn"], "pretrain"),
        (["--encoder_options.dropout=0.1"], "gin_zinc"),
        (["--encoder_options.dropout=0.1", "--encoder_options.layers=2"], "pretrain"),
        (["--pretrain_steps=500"], "pretrain"),
        (["--init=x"], "x"),
    ],
)
def test_a_run_starts_from_the_shipped_checkpoint_unless_an_encoder_is_asked_for(
    capsys: pytest.CaptureFixture[str], preset: str, asked: list[str], init: str
) -> None:
    with pytest.raises(SystemExit):
        main(["fit", "my.csv", f"--preset={preset}", *asked, "--print_config"])
    assert yaml.safe_load(capsys.readouterr().out)["init"] == init


def test_pretraining_with_the_default_encoder_pretrains_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--preset=full", "--corpus_size=4", "--batch_size=2", "--objectives=attribute_masking"]
    with pytest.raises(SystemExit):
        main(["pretrain", *sizes, "--print_config"])
    init = yaml.safe_load(capsys.readouterr().out)["init"]
    # The same start, with fewer steps: a number of steps alone would ask for an encoder of its own.
    few = [f"--init={init}", "--pretrain_steps=2"]
    assert main(["pretrain", "--output", str(tmp_path), *sizes, *few, "--device=cpu", "--quiet"]) == 0
    checkpoint = read_checkpoint(str(tmp_path))
    assert checkpoint.build(checkpoint.featuriser).width == 300


def test_pretraining_learns_the_table_of_the_alias(tmp_path: Path) -> None:
    asked = [word.replace("graphcl", "assay_labels:sider") for word in (*TINY, *ENCODER)]
    assert main(["pretrain", "--output", str(tmp_path), *asked]) == 0
    checkpoint = read_checkpoint(str(tmp_path))
    assert checkpoint.objectives["assay_labels:sider"] == {"table": "sider", "labels": 27}
    assert [(item.learner, item.table) for item in checkpoint.labels()] == [("assay_labels:sider", "sider")]
    heads = [tensor for name, tensor in checkpoint.state.items() if "assay_labels" in name]
    assert 27 in {len(tensor) for tensor in heads}


def test_every_option_stands_in_the_printed_configuration(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["fit", str(place / "my.csv"), "--preset=small", "--print_config"])
    printed = yaml.safe_load(capsys.readouterr().out)
    assert (printed["init"], printed["encoder_options"]) == ("gin_zinc", {})
    assert {"steps", "split", "corpus", "plugin", "preset", "solver", "json", "tensorboard"} <= printed.keys()


def test_predictions_are_row_aligned_whatever_the_chunks(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    smiles = ["CCO", "no molecule", "CCN", "", "c1ccccc1", "C1CC", "CCC"]
    with gzip.open(place / "new.csv.gz", "wt") as stream:
        stream.write("\n".join(["id,smiles", *(f"{n},{text}" for n, text in enumerate(smiles))]))
    output, rejects = place / "out.csv", place / "rejects.csv"
    arguments = ["predict", str(place / "run"), str(place / "new.csv.gz"), "--quiet", "--device=cpu"]
    assert main([*arguments, "--chunk_size=2", "--output", str(output), "--rejects", str(rejects)]) == 0
    found = pd.read_csv(output, keep_default_na=False)
    assert found["smiles"].tolist() == smiles
    assert found["row"].tolist() == list(range(2, 9))  # as in an editor: the header is row 1
    assert [row for row, text in enumerate(found["y"]) if text == ""] == [1, 3, 5]
    expected = load(place / "run").predict(["CCO", "CCN", "c1ccccc1", "CCC"])[:, 0]
    assert found["y"][[0, 2, 4, 6]].astype(float).to_numpy() == pytest.approx(expected, rel=1e-5)
    table = pd.read_csv(rejects)
    assert table["row"].tolist() == [3, 5, 7]
    assert table["reason"].tolist() == ["non-ring atom 0 marked aromatic", "empty SMILES", "ring 1 is not closed"]
    assert main([*arguments, "--chunk_size=2"]) == 0
    assert capsys.readouterr().out.splitlines() == output.read_text().splitlines()


@pytest.mark.parametrize("ending", ["csv", "tsv", "csv.gz", "xlsx", "parquet", "smi"])
def test_predictions_keep_the_columns_of_the_input(ending: str, place: Path, tmp_path: Path) -> None:
    table = pd.DataFrame({"smiles": ["CCO", "C1CC", "CCC"], "id": ["7", "8 b", "9"], "y": ["0.5", "", "1,5"]})
    path = tmp_path / f"theirs.{ending}"
    if ending == "parquet":
        table.to_parquet(path)
    elif ending == "xlsx":
        table.to_excel(path, index=False)
    else:
        table.to_csv(path, index=False, sep="," if "csv" in ending else "\t")
    predict = ["predict", str(place / "run"), str(path), "--quiet", f"--output={tmp_path / 'out.csv'}"]
    assert main(predict) == 0
    found = pd.read_csv(tmp_path / "out.csv", keep_default_na=False, dtype=str)
    assert found.columns.tolist() == ["row", "smiles", "id", "y", "y.predicted", "similarity", "in_domain"]
    assert found[table.columns].to_numpy().tolist() == table.to_numpy().tolist()
    assert [text == "" for text in found["y.predicted"]] == [False, True, False]
    assert main([*predict, "--columns=id"]) == 0
    assert pd.read_csv(tmp_path / "out.csv").columns.tolist()[:4] == ["row", "smiles", "id", "y"]
    assert main([*predict, "--columns=", "--domain=false"]) == 0
    assert pd.read_csv(tmp_path / "out.csv").columns.tolist() == ["row", "smiles", "y"]
    assert main([*predict, "--columns=ID"]) == 2


def test_no_two_columns_of_an_output_have_the_same_name(tmp_path: Path) -> None:
    smiles = [f"{'C' * (1 + n % 9)}{'O' * (n // 9)}N" for n in range(36)]
    names = ["row", "y", "y.deviation", "similarity"]
    table = pd.DataFrame({name: np.arange(36.0) % (5 + place) for place, name in enumerate(names)})
    table.insert(0, "smiles", smiles)
    table.to_csv(tmp_path / "my.csv", index=False)
    fit = ["finetune", str(tmp_path / "my.csv"), f"--targets={','.join(names)}", "--init=scratch", "--name=run"]
    sizes = ["--epochs=1", "--split=random", "--members=1", "--device=cpu", "--quiet", f"--runs={tmp_path}"]
    assert main([*fit, *sizes, *ENCODER]) == 0
    predict = ["predict", str(tmp_path / "run"), "--uncertainty", f"--output={tmp_path / 'out.csv'}", "--quiet"]
    for given in ("CCO", str(tmp_path / "my.csv")):
        assert main([*predict, given]) == 0
        header = (tmp_path / "out.csv").read_text().splitlines()[0].split(",")
        assert len(set(header)) == len(header)
        assert [name.removesuffix(".predicted") for name in header[-10:-6]] == names
        assert {"similarity.predicted", "in_domain", "y.deviation.predicted"} <= set(header)


def test_predictions_come_with_ranges_deviations_and_domain(place: Path, tmp_path: Path) -> None:
    predict = ["predict", str(place / "run"), "CCO", "XX", "CCCO", "--quiet", f"--output={tmp_path / 'out.csv'}"]
    assert main([*predict, "--interval=0.3", "--uncertainty"]) == 0
    found = pd.read_csv(tmp_path / "out.csv")
    made = ["y", "y.deviation", "y.lower", "y.upper", "similarity", "in_domain"]
    assert found.columns.tolist() == ["row", "smiles", *made]
    assert found[made].isna().all(axis=1).tolist() == [False, True, False]
    known = found.dropna()
    assert (known["y.deviation"] > 0).all()
    run = load(place / "run")
    np.testing.assert_allclose(known["y.deviation"], run.uncertainty(["CCO", "CCCO"]).deviation[:, 0], rtol=1e-5)
    np.testing.assert_allclose(known["similarity"], run.domain(["CCO", "CCCO"]).similarity, rtol=1e-5)
    assert main([*predict, "--interval=1.5"]) == 2
    assert main([*predict, "--interval=0.5", f"--ensemble={place / 'run'}"]) == 2


def test_one_reject_is_said_in_the_singular_and_a_missing_input_with_what_may_be_given(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(place / "run"), "CCO", "C1CC"]) == 0
    assert "1 row has no valid molecule and is left blank; for the reasons, use --rejects" in capsys.readouterr().err
    assert main(["predict", str(place / "run")]) == 2
    assert "molweight: name a file or SMILES to predict. See 'molweight predict --help'" in capsys.readouterr().err
    assert main(["embed"]) == 2
    assert "name the folder of a run and a file or SMILES to embed. See" in capsys.readouterr().err


def test_rejects_of_a_prediction_are_said_once(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "theirs.smi").write_text("CCO a\nC1CC b\nCC c\n?? d\n")
    assert main(["predict", str(place / "run"), str(tmp_path / "theirs.smi"), "--chunk_size=1"]) == 0
    said = capsys.readouterr().err
    assert said.count("have no valid molecule") == 1
    assert "2 rows have no valid molecule and are left blank; for the reasons, use --rejects FILE" in said


def test_a_list_of_smiles_is_embedded(place: Path) -> None:
    (place / "new.smi").write_text("CCO first\nC1CC second\nCCN\n")
    arguments = ["embed", str(place / "run"), str(place / "new.smi"), "--quiet", "--device=cpu", "--chunk_size=2"]
    assert main([*arguments, "--output", str(place / "v.npz")]) == 0
    vectors = np.load(place / "v.npz")["vectors"]
    assert np.isnan(vectors).all(axis=1).tolist() == [False, True, False]
    assert main([*arguments, "--output", str(place / "v.csv")]) == 0
    table = pd.read_csv(place / "v.csv").iloc[:, 2:].to_numpy()
    assert table[0] == pytest.approx(vectors[0], rel=1e-5)


def test_evaluation_is_that_of_the_predictions(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["evaluate", str(place / "run"), str(place / "my.csv"), "--json", "--quiet", "--device=cpu"]
    assert main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    table = pd.read_csv(place / "my.csv")
    predicted = load(place / "run").predict(table["smiles"].tolist())[:, 0]
    assert found["value"] == pytest.approx(np.sqrt(((table["y"] - predicted) ** 2).mean()), rel=1e-4)


def test_evaluation_reads_tables_as_fit_does(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate = ["evaluate", str(place / "run"), "--json", "--quiet", "--device=cpu"]
    table = pd.read_csv(place / "my.csv")
    with pd.ExcelWriter(tmp_path / "theirs.xlsx") as book:
        pd.DataFrame({"note": ["nothing"]}).to_excel(book, sheet_name="about", index=False)
        table.to_excel(book, sheet_name="assay", index=False)
    text = "é|smiles|y\n" + "".join(f"a|{row.smiles}|{row.y:.1f}\n".replace(".", ",") for row in table.itertuples())
    (tmp_path / "theirs.csv").write_text(text, encoding="cp1252")
    found = []
    for arguments in (
        [str(place / "my.csv")],
        [str(tmp_path / "theirs.xlsx"), "--sheet=assay"],
        [str(tmp_path / "theirs.csv"), "--encoding=cp1252", "--delimiter=|", "--decimal=,"],
    ):
        assert main([*evaluate, *arguments]) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert [item["value"] for item in found] == pytest.approx([found[0]["value"]] * 3)
    assert [item["seen"] for item in found] == [found[0]["seen"]] * 3
    assert found[0]["seen"] > 0
    assert main(["evaluate", str(place / "run"), str(place / "my.csv"), "--quiet"]) == 0
    assert f"{found[0]['seen']} of 40 molecules were used to train or select the model" in capsys.readouterr().out


def test_evaluation_says_what_the_top_of_a_list_and_bounds_are_worth(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{'C' * (1 + n % 40)}{'O' * (n // 40)}N,{int(n % 20 == 0)}" for n in range(80)]
    (tmp_path / "rare.csv").write_text("\n".join(["smiles,active", *rows]))
    fit = ["finetune", str(tmp_path / "rare.csv"), "--init=scratch", f"--runs={tmp_path}", "--name=rare", "--quiet"]
    assert main([*fit, "--split=random", "--epochs=1", "--members=1", "--device=cpu", *ENCODER]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path / "rare"), str(tmp_path / "rare.csv"), "--quiet"]) == 0
    said = capsys.readouterr().out
    assert "active: 5.0 % positive; average precision 0." in said
    assert "of the top 8 positive" in said
    assert main(["evaluate", str(tmp_path / "rare"), str(tmp_path / "rare.csv"), "--quiet", "--json"]) == 0
    ranking = json.loads(capsys.readouterr().out)["ranking"]["active"]
    assert ranking["base_rate"] == 0.05
    assert 0 <= ranking["bedroc"] <= 1
    assert "ranking" in json.loads((tmp_path / "rare" / "metrics.json").read_text())


def test_finetune_starts_from_a_run(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["finetune", str(place / "my.csv"), "--split=random", "--epochs=1", "--quiet", "--json"]
    assert main([*arguments, "--runs", str(place), "--name=tuned", "--start", str(place / "run"), "--device=cpu"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [method["weights"] for method in found["methods"]] == [{}]
    assert load(place / "tuned").options["encoder_options"] == {"layers": 1, "width": 8}
    assert main(arguments) == 2
    assert "name a checkpoint to start from" in capsys.readouterr().err


def test_interrupted_fit_says_how_to_go_on(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []

    def interrupt(self: TensorBoard, stage: str, step: int, values: Mapping[str, float]) -> None:
        told.append(step)
        if len(told) == 1:  # a second one would not wait for the state
            os.kill(os.getpid(), signal.SIGINT)

    fit = ["fit", str(place / "my.csv"), "--runs", str(place), "--name=stopped", "--baselines=", *TINY, *ENCODER, *FIT]
    with monkeypatch.context() as patch:
        patch.setattr(TensorBoard, "log", interrupt)  # the moment; everything else is as it is
        assert main([*fit, "--tensorboard"]) == 130
    assert f"Resume with: molweight fit --resume {place / 'stopped'}" in capsys.readouterr().err
    assert list((place / "stopped" / "state").rglob("*.safetensors"))
    assert main([*fit, "--epochs=3", "--tensorboard"]) == 2
    assert "options.epochs was 2 and is now 3" in capsys.readouterr().err
    assert main(["predict", str(place / "stopped"), str(place / "my.csv")]) == 2
    assert "holds an interrupted run. Resume it first: --resume" in capsys.readouterr().err
    assert main(["fit", str(place / "my.csv"), "--resume", str(place / "stopped"), "--seed=7"]) == 2
    assert "so the argument TABLE and --seed would have no effect. Leave them out, or" in capsys.readouterr().err
    assert main(["fit", "--resume", str(place / "stopped"), "--quiet"]) == 0
    assert (place / "stopped" / "metrics.json").exists()
    assert main(["fit", "--resume", str(place / "stopped")]) == 2
    assert "there is no interrupted run" in capsys.readouterr().err


def test_a_run_that_never_began_is_gone_on_with_by_the_newest_options(place: Path) -> None:
    """A fit that ended before its first state leaves its options; those of the next one take their place."""
    state = place / "early" / "state"
    own(state, "config.yaml")
    (state / "config.yaml").write_text("table: gone.csv\n")
    tiny = [option for option in TINY if not option.startswith("--objectives")]
    fit = ["fit", str(place / "my.csv"), "--runs", str(place), "--name=early", "--baselines=", *tiny, *ENCODER, *FIT]
    assert main([*fit, "--init=nowhere"]) == 2
    assert main([*fit, "--objectives=attribute_masking"]) == 0
    kept = yaml.safe_load((place / "early" / "config.yaml").read_text())
    assert kept["objectives"] == ["attribute_masking"]
    assert not state.exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["predict", "nowhere", "my.csv"], "nowhere/model.safetensors does not exist"),
        (["predict", "{place}/general", "my.csv"], "does not exist"),
        (["predict", "{place}/run", "nowhere.csv"], "nowhere.csv"),
        (["predict", "{place}/run", "{place}/my.csv", "--chunk_size=0"], "--chunk_size 0 must be at least 1"),
        (
            ["embed", "{place}/run", "{place}/my.csv", "--output=v.xyz"],
            "v.xyz is not a file of vectors. Choose a name in .npz",
        ),
        (["evaluate", "{place}/run", "{place}/my.csv", "--metric=rms"], "rms"),
        (["fit", "{place}/my.csv", "--preset=smal"], "did you mean 'small'"),
        (["fit", "{place}/my.csv", "--init=nowhere"], "--init nowhere is not a known checkpoint"),
        (["fit", "{place}/my.csv", "--init={place}/general", "--encoder=gcn"], "but 'gcn' with {} was requested"),
    ],
)
def test_error_is_one_paragraph(
    arguments: list[str], expected: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([argument.format(place=place) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert expected in captured.err.splitlines()[-1]
    assert captured.out == ""


def test_checkpoints_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "checkpoints"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("gin_zinc "))
    assert line.split(maxsplit=2)[1:] == [
        "gin", "{'layers': 3, 'width': 128}: attribute_masking, graphcl, functional_groups, descriptors"
    ]  # fmt: skip


def test_a_small_preset_makes_pretraining_small(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["pretrain", "--preset=small", "--print_config"])
    printed = yaml.safe_load(capsys.readouterr().out)
    assert (printed["init"], printed["encoder_options"]) == ("pretrain", {"layers": 3, "width": 64})
    assert (printed["pretrain_steps"], printed["batch_size"]) == (200, 64)


@pytest.mark.parametrize(
    "case",
    [
        ("predict", "my.csv", "is read by the command"),
        ("predict", "./run/../my.csv", "is read by the command"),
        ("embed", "run/model.safetensors", "is a file of a run or checkpoint"),
        ("explain", "run/manifest.json", "is a file of a run or checkpoint"),
        ("report", "run/config.yaml", "is a file of a run or checkpoint"),
        ("predict", "general/checkpoint.safetensors", "is a file of a run or checkpoint"),
    ],
)
def test_an_output_replaces_nothing_that_is_needed(
    case: tuple[str, str, str], place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command, output, said = case
    monkeypatch.chdir(place)
    before = Path(output).read_bytes()
    table = [] if command == "report" else ["my.csv"]
    assert main([command, "run", *table, "--output", output]) == 2
    assert f"molweight: --output {output} {said}" in " ".join(capsys.readouterr().err.split())
    assert Path(output).read_bytes() == before


@pytest.mark.parametrize(
    "case",
    [
        (["predict", "run", "in.csv", "--rejects=in.csv"], "--rejects in.csv is read by the command"),
        (["predict", "run", "in.csv", "--rejects=link.csv"], "--rejects link.csv is read by the command"),
        (["predict", "run", "in.csv", "--output=hard.csv"], "--output hard.csv is read by the command"),
        (
            ["predict", "run", "in.csv", "--config=my.yaml", "--rejects=my.yaml"],
            "--rejects my.yaml is read by the command",
        ),
        (["predict", "run", "in.csv", "--output=o.csv", "--rejects=./sub/../o.csv"], "o.csv is also the path of --"),
        (
            ["embed", "run", "in.csv", "--output=o.csv", "--rejects=o.csv"],
            "--output o.csv is also the path of --rejects",
        ),
        (["explain", "run", "in.csv", "--atoms=in.csv"], "--atoms in.csv is read by the command"),
        (
            ["explain", "run", "in.csv", "--output=o.html", "--atoms=o.html"],
            "--output o.html is also the path of --atoms",
        ),
        (["explain", "run", "in.csv", "--output=run/report.html"], "report.html is a file of a run or checkpoint"),
        (["predict", "run", "in.csv", "--rejects=run/test.safetensors"], "is a file of a run or checkpoint"),
        (["predict", "run", "in.csv", "--output=begun/state/generic.safetensors"], "is a file of a run or checkpoint"),
        (["predict", "run", "in.csv", "--output=sub"], "--output sub is a folder"),
        (["predict", "run", "in.csv", "--config=nul.yaml"], "--output 'o\\x00' holds a NUL character"),
    ],
)
def test_no_output_replaces_a_file_that_is_needed(
    case: tuple[list[str], str],
    place: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Neither through a link nor by another spelling, and before anything is computed."""
    arguments, said = case
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").symlink_to(place / "run")
    (tmp_path / "sub").mkdir()
    (tmp_path / "in.csv").write_text("smiles\nCCO\nC1CC\n")
    (tmp_path / "link.csv").symlink_to("in.csv")
    (tmp_path / "hard.csv").hardlink_to("in.csv")
    (tmp_path / "my.yaml").write_text("quiet: true\n")
    (tmp_path / "nul.yaml").write_text('output: "o\\0"\n')
    Session(tmp_path / "begun" / "state").stage("generic").write({"step": 1})
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert said in message
    assert message.count("\n") == 1
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_long_smiles_is_no_path(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["predict", str(place / "run"), "C" * 300, "--output", str(tmp_path / "out.csv"), "--quiet"]
    assert main(arguments) == 0
    assert (tmp_path / "out.csv").read_text().count("\n") == 2
    assert main([*arguments[:-2], str(tmp_path / f"{'x' * 5000}.csv")]) == 2
    assert "xxx...: File name too long" in capsys.readouterr().err


def test_an_output_of_before_is_replaced(place: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    for _ in range(2):
        assert main(["predict", str(place / "run"), "CCO", "--output", str(output)]) == 0
    assert main(["report", str(place / "run"), "--output", str(place / "run" / "report.html")]) == 0


def _of_earlier_version(run: Path, copy: Path) -> Path:
    """A copy of a run as versions wrote it whose description had no steps of standardisation; without its manifest."""
    shutil.copytree(run, copy)
    (copy / "manifest.json").unlink()
    tensors, about = read_tensors(copy / "model.safetensors")
    del about["data"]["standardize"]
    write_tensors(copy / "model.safetensors", tensors, about)
    return copy


@pytest.fixture(scope="module")
def salts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose training molecules were standardised, next to its table."""
    folder = tmp_path_factory.mktemp("salts")
    rows = [f"{'C' * (1 + n % 9)}{'O' * (n // 9)}N{'.Cl' if n % 2 else ''},{n % 7}.5" for n in range(36)]
    (folder / "salts.csv").write_text("\n".join(["smiles,y", *rows]))
    fit = ["finetune", str(folder / "salts.csv"), "--init=scratch", f"--runs={folder}", "--name=run", *ENCODER]
    sizes = ["--epochs=1", "--split=random", "--members=1", "--device=cpu", "--quiet"]
    assert main([*fit, *sizes, "--standardize=salts"]) == 0
    return folder / "run"


def test_the_standard_form_is_part_of_the_model(
    salts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def predicted(run: Path) -> list[str]:
        assert main(["predict", str(run), "CCCCN", "CCCCN.Cl", "--device=cpu", "--domain=false"]) == 0
        return [line.split(",")[-1] for line in capsys.readouterr().out.splitlines()[1:]]

    (tmp_path / "alone").mkdir()
    shutil.copy(salts / "model.safetensors", tmp_path / "alone")
    shutil.copytree(salts, tmp_path / "listed")
    (tmp_path / "listed" / "config.yaml").unlink()
    load(salts).save(tmp_path / "again")
    old = _of_earlier_version(salts, tmp_path / "old")
    for run in (salts, tmp_path / "alone", tmp_path / "listed", tmp_path / "again", old):
        plain, salt = predicted(run)
        assert plain == salt


def test_a_run_in_python_records_the_standard_form_of_its_table(
    salts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    size = {"layers": 1, "width": 8}
    job = Job(encoder_options=size, init="scratch", weighting="none", epochs=1, members=1, device="cpu")
    tables: dict[str, list[Literal["salts"]]] = {"salts": ["salts"], "none": []}
    for name, steps in tables.items():
        data = datasets.from_csv(salts.parent / "salts.csv", standardize=steps, cache=False)
        run = fit(job, data.subset(range(len(data))), datasets.split(data, "random"))
        assert run.trained_on["standardize"] == steps
        run.save(tmp_path / name)
        capsys.readouterr()
        assert main(["predict", str(tmp_path / name), "CCCCN", "CCCCN.Cl", "--device=cpu", "--domain=false"]) == 0
        printed = capsys.readouterr()
        first, second = [line.split(",")[-1] for line in printed.out.splitlines()[1:]]
        assert (first == second) == (name == "salts")
        assert "does not record" not in printed.err
        python = load(tmp_path / name).predict(datasets.standardize(["CCCCN.Cl"], steps) if steps else ["CCCCN.Cl"])
        assert float(second) == pytest.approx(float(python[0, 0]), rel=1e-4)


def test_a_run_that_has_lost_its_standard_form_is_refused(
    salts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = _of_earlier_version(salts, tmp_path / "old")
    predict = ["predict", str(old), "CCCCN.Cl", "--device=cpu", "--domain=false"]
    extend_manifest(old, ["config.yaml", "model.safetensors"])
    (old / "config.yaml").unlink()
    assert main(predict) == 2
    message = capsys.readouterr().err
    assert "config.yaml is missing, and only it states the standard form" in message
    assert "--standardize salts" in message
    assert main([*predict, "--standardize=salts"]) == 0
    (old / "manifest.json").unlink()
    capsys.readouterr()
    assert main(predict) == 0
    assert "does not record a standard form of its molecules: they are left unchanged" in capsys.readouterr().err


def test_a_fit_that_ends_after_its_model_was_saved_has_its_options(
    salts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*_: Any) -> None:
        raise KeyboardInterrupt

    (tmp_path / "salts.csv").write_bytes((salts.parent / "salts.csv").read_bytes())
    fit = ["finetune", str(tmp_path / "salts.csv"), "--init=scratch", f"--runs={tmp_path}", "--standardize=salts"]
    command = [*fit, *ENCODER, "--epochs=1", "--split=random", "--members=1", "--device=cpu", "--quiet"]
    with monkeypatch.context() as patched:
        patched.setattr(_fit, "_write_audit", end)
        assert main(command) == 130
    options = yaml.safe_load((tmp_path / "salts" / "config.yaml").read_text())
    assert options["standardize"] == ["salts"]
    assert load(tmp_path / "salts").trained_on["standardize"] == ["salts"]
    assert main([*fit[:1], f"--resume={tmp_path / 'salts'}", "--quiet"]) == 0
    assert yaml.safe_load((tmp_path / "salts" / "config.yaml").read_text()) == {**options, "name": "salts"}
    assert not (tmp_path / "salts" / "state").exists()


@pytest.mark.parametrize("steps", ["salts", [1], {"salts": True}])
def test_steps_that_are_no_texts_are_refused(steps: Any, salts: Path, tmp_path: Path) -> None:
    old = _of_earlier_version(salts, tmp_path / "old")
    tensors, about = read_tensors(old / "model.safetensors")
    about["data"]["standardize"] = steps
    write_tensors(old / "model.safetensors", tensors, about)
    with pytest.raises(DataError, match="steps of standardisation are no texts"):
        load(old)


def test_new_molecules_are_standardised_as_those_of_the_run(salts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(salts)
    capsys.readouterr()

    def predicted(*options: str) -> list[str]:
        assert main(["predict", run, "CCCCN", "CCCCN.Cl", "--device=cpu", "--domain=false", *options]) == 0
        return [line.split(",")[-1] for line in capsys.readouterr().out.splitlines()[1:]]

    plain, salt = predicted()
    assert plain == salt
    assert predicted("--top=2", "--quiet") == [plain, plain]
    plain, salt = predicted("--standardize=[]", "--quiet")
    assert plain != salt
    evaluate = ["evaluate", run, str(salts.parent / "salts.csv"), "--json", "--quiet", "--device=cpu"]
    assert main(evaluate) == 0
    standard = json.loads(capsys.readouterr().out)["seen"]
    assert main([*evaluate, "--standardize=[]"]) == 0
    assert standard > json.loads(capsys.readouterr().out)["seen"]
    assert main(["predict", run, "CCCCN.Cl", "--device=cpu"]) == 0
    assert "molecules are standardised as in training: salts" in capsys.readouterr().err


def test_smiles_are_explained_as_they_are_predicted(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    explain = ["explain", str(place / "run"), "CCO", "C1CC", "CCCN", "--device=cpu", "--pairs=1"]
    assert main([*explain, f"--output={tmp_path / 'e.html'}", f"--atoms={tmp_path / 'a.csv'}"]) == 0
    captured = capsys.readouterr()
    assert "2 of 3 rows drawn" in captured.out
    assert "row 2 has no valid molecule" in captured.err
    assert pd.read_csv(tmp_path / "a.csv")["smiles"].unique().tolist() == ["CCO", "CCCN"]
    assert main(["explain", str(place / "run"), "nowhere.csv", "--device=cpu"]) == 2
    assert "nowhere.csv: there is no such file" in capsys.readouterr().err
    (tmp_path / "in.csv").write_text("smiles\nCCO\n")
    assert main(["explain", str(place / "run"), str(tmp_path / "in.csv"), "CCO", "--device=cpu"]) == 2
    assert "only one file can be read at a time" in capsys.readouterr().err


def test_predict_refuses_bytes_that_it_would_lose(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.csv").write_bytes("smiles,name\nCCO,\u00c4thanol\n".encode("cp1252"))
    predict = ["predict", str(place / "run"), str(tmp_path / "in.csv"), "--device=cpu"]
    assert main([*predict, f"--output={tmp_path / 'out.csv'}"]) == 2
    assert "in.csv, row 2: byte 0xc4 is not utf-8 text. Save the file as UTF-8, or name its" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()
    assert main([*predict, "--encoding=cp1252", f"--output={tmp_path / 'out.csv'}"]) == 0
    assert pd.read_csv(tmp_path / "out.csv")["name"].tolist() == ["\u00c4thanol"]


def test_a_spreadsheet_is_explained(place: Path, tmp_path: Path) -> None:
    pd.DataFrame({"id": ["a", "b"], "smiles": ["CCO", "CCN"]}).to_excel(tmp_path / "new.xlsx", index=False)
    explain = ["explain", str(place / "run"), str(tmp_path / "new.xlsx"), "--quiet", "--device=cpu", "--pairs=1"]
    assert main([*explain, f"--output={tmp_path / 'e.html'}", f"--atoms={tmp_path / 'a.csv'}"]) == 0
    assert pd.read_csv(tmp_path / "a.csv")["row"].unique().tolist() == [2, 3]


@pytest.mark.parametrize("name", ["p.xlsx", "p.sdf", "p.tsv", "p.csv.zip"])
def test_csv_is_not_written_under_the_name_of_another_format(
    name: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(place / "run"), "CCO", f"--output={tmp_path / name}", "--quiet"]) == 2
    assert "is written as CSV. Choose a name in .csv or .csv.gz." in capsys.readouterr().err
    assert not (tmp_path / name).exists()


def test_vectors_need_no_features_of_the_model(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    original = featurised

    def watched(parts: Any, featuriser: Any, features: list[str]) -> Any:
        asked.append(features)
        return original(parts, featuriser, features)

    monkeypatch.setattr(_molecules, "featurised", watched)
    assert main(["embed", str(place / "run"), "CCO", "--quiet", "--device=cpu"]) == 0
    assert main(["predict", str(place / "run"), "CCO", "--quiet", "--device=cpu"]) == 0
    assert asked[0] == []
    assert asked[1] != []


@pytest.mark.parametrize("init", ["scratch", "gin_zinc", "{place}/general"])
def test_pretraining_starts_from_nothing_else_than_random_parameters(
    init: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Earlier, another start was accepted and had no effect."""
    start = init.format(place=place)
    assert main(["pretrain", "--output", str(tmp_path / "new"), "--init", start, *TINY, *ENCODER]) == 2
    message = capsys.readouterr().err
    assert f"--init {start} cannot be used here: this command pretrains an encoder from random" in message
    assert not (tmp_path / "new").exists()


def test_a_checkpoint_records_that_stereochemistry_was_ignored(place: Path, tmp_path: Path) -> None:
    folder = str(tmp_path / "flat")
    assert main(["pretrain", "--output", folder, "--stereo=ignore", *TINY, *ENCODER]) == 0
    assert read_checkpoint(folder).featuriser.stereo == "ignore"
    assert read_checkpoint(str(place / "general")).featuriser.stereo == "use"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"standardize: [salts", "config.yaml, line 1: is not valid YAML: "),
        (b"seed: 1\nseed: \x00", "config.yaml, character 15: is not valid YAML: special characters"),
        (b"\xff\xfe", "config.yaml: is not UTF-8 text"),
        (b"seed: 1\nseed: 2\n", "config.yaml, line 2: 'seed' appears twice"),
    ],
)
def test_a_damaged_file_of_options_in_a_run_is_one_paragraph(
    content: bytes, expected: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = _of_earlier_version(place / "run", tmp_path / "run")
    (run / "config.yaml").write_bytes(content)
    for command in ("predict", "embed", "evaluate", "explain"):
        assert main([command, str(run), str(place / "my.csv"), "--quiet"]) == 2
        message = capsys.readouterr().err
        assert message.startswith("molweight: ")
        assert message.count("\n") == 1
        assert expected in message
        assert message.endswith(" Restore it, or fit again.\n")
