"""The table that the command line's options name."""

import json
import logging
import re
from pathlib import Path

import numpy as np
import pytest

from molweight import datasets
from molweight.cli import main
from molweight.cli._data_options import load_corpus, load_table, split_table, split_with_test
from molweight.cli._options._fit import parser
from molweight.cli._options._table import add_corpus_options
from molweight.cli._parser import Parser
from molweight.errors import ConfigError, DataError, MolweightError, OptionError
from molweight.graphs import MoleculeDataset


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOLWEIGHT_CACHE", str(tmp_path / "cache"))


def table(*arguments: object) -> MoleculeDataset:
    return load_table(parser().parse_args([str(argument) for argument in arguments]))


def test_what_to_do_with_what_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("smiles,y\nCCO,0.5\nC1CC,1.5\nCCN,low\n[Na+].CC(=O)[O-],2.5\n")
    assert table(path, "--targets", "y").rows.tolist() == [0, 3]
    kept = table(path, "--targets", "y", "--on_error", "nan", "--standardize", "salts,charges")
    assert list(kept.smiles) == ["CCO", "CCN", "CC(=O)O"]
    assert np.isnan(kept.targets[:, 0]).tolist() == [False, True, False]
    with pytest.raises(MolweightError, match=r"row 4, column 'y': 'low' is not a number"):
        table(path, "--targets", "y", "--on_error", "raise")
    with pytest.raises(ConfigError, match="standardize='salt' is unknown; did you mean 'salts'"):
        table(path, "--standardize", "salt")


def test_the_format_is_that_of_the_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "mine.smi"
    path.write_text("CCO\t0.5\nCCN\t1.5\n")
    with caplog.at_level(logging.INFO, logger="molweight.datasets"):
        assert table(path).targets.ravel().tolist() == [0.5, 1.5]
    assert "task: regression (inferred: labels are not all 0 or 1)" in caplog.text


def test_the_task_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("smiles,active,pIC50\nCCO,1,5.5\nCCN,0,4.5\nCCC,1,6.5\n")
    assert table(path, "--task", "classification").target_names == ["active"]
    asked = table(path, "--targets", "active", "--task", "regression")
    assert (asked.task, asked.metric) == ("regression", "rmse")
    with pytest.raises(MolweightError, match="task='clasification'"):
        table(path, "--targets", "active", "--task", "clasification")


def test_some_of_the_labels_of_a_published_table() -> None:
    assert table("--data", "clintox", "--targets", "CT_TOX").target_names == ["CT_TOX"]
    with pytest.raises(MolweightError, match="CT_TOKS"):
        table("--data", "clintox", "--targets", "CT_TOKS")


@pytest.mark.parametrize("option", ["--smiles=smiles", "--task=regression", "--on_error=nan", "--standardize=salts"])
def test_what_a_published_table_would_ignore_is_refused(option: str) -> None:
    with pytest.raises(
        OptionError, match="applies to your own table only; data='freesolv' is read as published"
    ) as refused:
        table("--data", "freesolv", option)
    assert refused.value.option == option.removeprefix("--").partition("=")[0]


DRUGS = ("CC(=O)Oc1ccccc1C(=O)O", "CC(C)Cc1ccc(cc1)C(C)C(=O)O", "Cn1cnc2c1c(=O)n(C)c(=O)n2C", "CC(=O)Nc1ccc(O)cc1")


def rows(*columns: object, count: int = 40) -> str:
    """A table of chains and drugs with some columns, each a function of the row."""
    molecules = [*DRUGS, *("C" * size + "O" for size in range(1, count - 3))]
    lines = [",".join([text, *(str(column(place)) for column in columns)]) for place, text in enumerate(molecules)]  # type: ignore[operator]  # functions
    return "\n".join(lines) + "\n"


def test_how_a_table_is_read_can_be_said(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(
        ("smiles,wirkung_ä,w\n" + rows(lambda n: ("aktiv", "kein")[n % 2], lambda n: 1 + n % 2)).encode("cp1252")
    )
    data = table(path, "--targets", "wirkung_ä", "--encoding", "cp1252", "--positive", "aktiv", "--sample_weight", "w")
    assert data.targets.ravel().tolist()[:2] == [1, 0]
    assert data.columns["label_weight"].ravel().tolist()[:2] == [1, 2]
    path.write_text("smiles;y\n" + rows(lambda n: f"1,{100 + n}").replace(",1,", ";1,"))
    with pytest.raises(MolweightError, match="decimal=','"):
        table(path)
    assert table(path, "--decimal", ",").targets[0, 0] == pytest.approx(1.1)
    assert table(path, "--decimal", ".").targets[0, 0] == 1100
    with pytest.raises(MolweightError, match=r"larger than 0\.0001 MB"):
        table(path, "--max_mb", "0.0001")
    with pytest.raises(ConfigError, match="positive='active' applies to your own table only"):
        table("--data", "esol", "--positive", "active")


def test_a_column_of_roles_is_the_split_unless_another_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "mine.csv"
    roles = ("train", "train", "train", "val", "test")
    path.write_text("smiles,y,split\n" + rows(lambda n: n / 7, lambda n: roles[n % 5]))
    options = parser().parse_args([str(path), "--protocol", "paper"])
    data = load_table(options)
    with caplog.at_level(logging.WARNING):
        splits = split_table(options, data)
    assert (splits.name, splits.test.tolist()) == ("given", list(range(4, 40, 5)))
    assert options.split == "column"
    assert "the test set has only 8 molecules; a verdict on the model needs at least 20" in caplog.text
    options = parser().parse_args([str(path), "--split", "random"])
    assert split_table(options, load_table(options)).name == "random"
    path.write_text("smiles,y,split\n" + rows(lambda n: n / 7, lambda n: "test" if n == 1 else roles[n % 4]))
    options = parser().parse_args([str(path), "--protocol", "paper"])
    assert split_table(options, load_table(options)).test.tolist() == [1]
    assert "the test set has only 1 molecule; a verdict" in caplog.text


def test_the_same_molecule_in_train_and_test_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("smiles,y\n" + 3 * rows(lambda n: n / 7))
    options = parser().parse_args([str(path), "--split", "random", "--duplicates", "keep"])
    with caplog.at_level(logging.WARNING):
        split_table(options, load_table(options))
    assert "of 12 test molecules also occur in other roles, so their labels are known in training" in caplog.text
    caplog.clear()
    options = parser().parse_args([str(path), "--split", "random"])
    with caplog.at_level(logging.WARNING):
        split_table(options, load_table(options))
    assert "also occur in other roles" not in caplog.text
    assert "40 molecules occur more than once, in 120 of 120 rows, and their labels are averaged" in caplog.text


def test_enantiomers_in_train_and_test_are_said_if_stereochemistry_is_ignored(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, test = tmp_path / "mine.csv", tmp_path / "test.csv"
    centres = ["[C@H]", "[C@@H]"]
    hands = [[f"N{centre}({'C' * n})C(=O)O,{n + 0.5}" for n in range(1, 31)] for centre in centres]
    path.write_text("\n".join(["smiles,y", *hands[0]]))
    test.write_text("\n".join(["smiles,y", *hands[1]]))
    for stereo, said in (("use", False), ("ignore", True)):
        caplog.clear()
        options = parser().parse_args([str(path), "--test", str(test), "--stereo", stereo])
        split_with_test(options, load_table(options))
        assert ("30 of 30 test molecules are also in the training table" in caplog.text) == said
    (tmp_path / "both.csv").write_text("\n".join(["smiles,y", *hands[0], *hands[1]]))
    options = parser().parse_args([str(tmp_path / "both.csv"), "--split", "random", "--stereo", "ignore"])
    split_table(options, load_table(options))
    assert "test molecules also occur in other roles, so their labels are known in training" in caplog.text


def test_the_same_molecule_in_train_and_test_of_a_split_file_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("smiles,y\n" + rows(lambda n: n / 7) + "OC,5\n")
    (tmp_path / "split.json").write_text(
        json.dumps({"train": list(range(20)), "valid": [20, 21], "test": [*range(22, 41)]})
    )
    options = parser().parse_args([str(path), "--split_file", str(tmp_path / "split.json"), "--duplicates", "keep"])
    split_table(options, load_table(options))
    assert "1 of 19 test molecules also occur in other roles" in caplog.text
    assert "the test set has only 19 molecules" in caplog.text
    merged = parser().parse_args([str(path), "--split_file", str(tmp_path / "split.json")])
    with pytest.raises(
        DataError, match=r"rows \d+ and 40 .* hold the same molecule, but have the roles 'train' and 'test'"
    ):
        split_table(merged, load_table(merged))
    at = load_table(merged).merged_rows[40]
    lists = {"train": [row for row in range(20) if row != at], "valid": [20, 21], "test": [*range(22, 41)]}
    (tmp_path / "split.json").write_text(json.dumps(lists))
    assert split_table(merged, load_table(merged)).sizes["test"] == 19, "its first row has the role of its last"


def test_audit_shows_columns_and_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("id,smiles,IC50 (nM),year\n" + "\n".join(
        f"{n},{line}" for n, line in enumerate(rows(lambda n: 1.5 * 10 ** (n % 6), lambda n: 1990 + 7 * n % 13).split())
    ))  # fmt: skip
    assert main(["audit", str(path), "--quiet"]) == 0
    shown = capsys.readouterr().out
    assert "columns     id         identifier" in shown
    assert "IC50 (nM)  numbers     40 numbers from 1.5 to 1.5e+05 nM" in shown
    assert "year       doubtful    looks like" in shown
    command = next(line for line in shown.splitlines() if line.startswith("next")).removeprefix("next").strip()
    assert command.startswith(f"molweight fit {path} --targets 'p(IC50 (nM))'")
    scaled = table(path, "--targets", "p(IC50 (nM))")
    assert scaled.targets[:2].ravel().tolist() == pytest.approx([8.8239, 7.8239], abs=1e-4)


def test_audit_of_a_table_that_cannot_be_used_yet_still_shows_its_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("smiles,logS,toxic\n" + rows(lambda n: n / 7, lambda n: n % 2))
    assert main(["audit", str(path), "--quiet"]) == 2
    shown = capsys.readouterr()
    assert "toxic" in shown.out
    assert "Name the label columns: --targets a,b" in shown.err


def test_messages_of_the_library_name_options(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("smiles,y\n" + rows(lambda n: ("active", "inactive")[n % 2]))
    assert main(["audit", str(path), "--quiet"]) == 0
    assert "'active' is class 1 and 'inactive' class 0; --positive inactive swaps them" in caplog.text


def test_the_own_molecules_join_the_corpus() -> None:
    data = datasets.load("freesolv")
    splits = datasets.split(data)
    made = Parser()
    add_corpus_options(made)
    options = made.parse_args(["--corpus", "own+zinc", "--corpus_size", "30"])
    corpus = load_corpus(options, data, splits)
    assert (corpus.name, len(corpus), corpus.task) == ("own+zinc", len(splits.train) + 30, None)
    assert list(corpus.smiles)[: len(splits.train)] == [data.smiles[int(place)] for place in splits.train]
    options.corpus = "own"
    assert load_corpus(options, data, splits).name == "own"
    with pytest.raises(ConfigError, match="this command has no table"):
        load_corpus(options)


def test_auto_is_the_task_and_what_is_like_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = datasets.load("freesolv")
    splits = datasets.split(data)
    large = tmp_path / "corpora" / "large.smi"
    large.parent.mkdir()
    large.write_text("CCCCCCCCCCCCl\nCCCCCCCCCCCCBr\nCCCCCCCCCCCCOC(C)=O\n")
    monkeypatch.setenv("MOLWEIGHT_DATA", str(tmp_path))
    made = Parser()
    add_corpus_options(made)
    options = made.parse_args(["--corpus", "auto", "--corpus_size", "2"])
    corpus = load_corpus(options, data, splits)
    assert corpus.name == "own+near"
    assert len(corpus) == len(splits.train) + 2
    assert set(list(corpus.smiles)[-2:]) < set(large.read_text().split())


def test_neighbours_join_the_corpus(tmp_path: Path) -> None:
    path = tmp_path / "large.smi"
    path.write_text("CCCCCCCCCCCCl\nCCCCCCCCCCCCBr\nCCCCCCCCCCCCOC(C)=O\nCCO\n")
    data = datasets.load("freesolv")
    splits = datasets.split(data)
    made = Parser()
    add_corpus_options(made)
    options = made.parse_args(["--corpus", f"own+near:{path}+zinc", "--corpus_size", "30"])
    corpus = load_corpus(options, data, splits)
    near = list(corpus.smiles)[len(splits.train) : -30]
    assert corpus.name == "own+near+zinc"
    assert set(near) < set(path.read_text().split())
    assert not set(near) & set(data.smiles)
    options.corpus = "near"
    with pytest.raises(ConfigError, match="corpus='near' needs the train molecules of a table"):
        load_corpus(options)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("1,0.5", [1, 0.5]), ("y=0.5", [0.5, 1]), ("p(Ki (nM))=2,y=3", [3, 2]), ('"p(Ki (nM))=2"', [1, 2])],
)
def test_weights_of_targets_may_be_named(typed: str, expected: list[float], tmp_path: Path) -> None:
    path = tmp_path / "my.csv"
    path.write_text("smiles,y,Ki (nM)\n" + "".join(f"{'C' * n}O,{n}.5,{n}\n" for n in range(1, 30)))
    data = table(path, "--targets", "y,p(Ki (nM))", "--target_weights", typed)
    assert data.columns["label_weight"][0].tolist() == expected


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("y=x", "must be numbers in the order of the targets (1,0.5) or targets with a number each (a=1,b=0.5)"),
        ("y=1,2", "names only some targets. Name all of them: a=1,b=0.5."),
        ("z=1", "names 'z', which is not a target. Targets: y, w."),
        ("1", "must be one number >= 0 for each of the 2 targets (y, w), in this order"),
    ],
)
def test_weights_that_cannot_be_used_say_how_to_write_them(typed: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "my.csv"
    path.write_text("smiles,y,w\n" + "".join(f"{'C' * n}O,{n}.5,{n}.25\n" for n in range(1, 30)))
    with pytest.raises(ConfigError, match=re.escape(message)):
        table(path, "--targets", "y,w", "--target_weights", typed)
