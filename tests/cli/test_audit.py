"""``molweight audit`` and ``--remove_overlap``."""

import csv
import json
import shlex
from pathlib import Path

import pytest

from molweight.cli import main
from molweight.cli._data_options import load_corpus, load_table, split_table
from molweight.cli._options._audit import parser as audit_parser
from molweight.cli._options._fit import parser
from molweight.cli._parser import as_names
from molweight.errors import ConfigError


def test_audit_prints_text_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "--data", "freesolv", "--quiet"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("freesolv: 642 molecules, 0 rows without a molecule\n")
    assert "corpus" not in text
    assert main(["audit", "--data", "freesolv", "--corpus", "zinc", "--corpus_size", "50", "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["overlap"]["size"] == 50
    assert found["sizes"] == {"train": 472, "meta": 64, "select": 41, "test": 65}


@pytest.mark.parametrize(
    ("on_error", "said", "counts"),
    [
        ("skip", "4 rows without a molecule, 1 row left out because a label cannot be read", (4, 1, 0)),
        ("nan", "4 rows without a molecule, 1 label treated as missing", (4, 0, 1)),
    ],
)
def test_rows_without_a_molecule_and_labels_are_counted_apart(
    on_error: str, said: str, counts: tuple[int, int, int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    molecules = 30 + counts[2]
    good = [f"{'C' * n},{n}.5" for n in range(1, 31)]
    (tmp_path / "mine.csv").write_text("\n".join(["smiles,y", *good, "CCO,10?", "C1CC,1", "C(C,2", "FAIL,3", ",4?"]))
    command = [
        "audit",
        str(tmp_path / "mine.csv"),
        "--split=random",
        f"--on_error={on_error}",
        "--targets=y",
        "--quiet",
    ]
    assert main(command) == 0
    text = capsys.readouterr().out
    assert f"\nmine: {molecules} molecules, {said}\n" in text
    assert "\nunusable    row 32, column 'smiles': 'CCO' column 'y': '10?' is not a number" in text
    assert "\n            row 33, column 'smiles': 'C1CC' ring 1 is not closed\n" in text
    options = parser().parse_args(command[1:])
    assert f"{molecules} molecules, 1 targets (regression), {said}>" in repr(load_table(options))
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["rejected"], found["left_out"], found["unread"]) == counts
    assert [item["row"] for item in found["rejects"] if item["kind"] == "molecule"] == [
        33,
        34,
        35,
        36,
    ]  # as in an editor


def test_what_cannot_be_used_is_listed_up_to_twenty(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    lines = [f"{'C' * n},{n}.5" for n in range(1, 31)]
    (tmp_path / "mine.csv").write_text("\n".join(["smiles,y", *lines, *["C1CC,1.5"] * 23]))
    assert main(["audit", str(tmp_path / "mine.csv"), "--split=random", "--quiet"]) == 0
    text = capsys.readouterr().out
    assert text.count("'C1CC' ring 1 is not closed\n") == 20
    assert "            and 3 more; --json prints all of them\n" in text
    assert caplog.text.count("ring 1 is not closed") == 3
    assert "; and 20 more" in caplog.text


def test_overlaps_are_taken_out_of_a_corpus_of_ones_own(tmp_path: Path) -> None:
    lines = [f"{'C' * n},{n}.5,{'test' if n > 8 else 'train'}" for n in range(1, 11)]
    (tmp_path / "mine.csv").write_text("\n".join(["smiles,y,role", *lines]))
    (tmp_path / "corpus.smi").write_text("\n".join(["C" * n for n in range(1, 20)] + [f"{'C' * 9}[2H]"]))
    arguments = [str(tmp_path / "mine.csv"), "--split_column", "role", "--corpus", str(tmp_path / "corpus.smi")]
    for roles, expected in (("", 20), ("test", 17), ("test,train,meta,select", 9)):
        options = parser().parse_args([*arguments, "--remove_overlap", roles, "--quiet"])
        data = load_table(options)
        assert len(load_corpus(options, data, split_table(options, data))) == expected
    with pytest.raises(ConfigError, match="remove_overlap='tset' is not a role; did you mean 'test'"):
        load_corpus(parser().parse_args([*arguments, "--remove_overlap", "tset"]))


def test_the_proposed_command_is_what_was_audited(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{'C' * (1 + n // 2)},{-n},1.{n},{1 + n % 2}" for n in range(40)]
    (tmp_path / "my.csv").write_text("\n".join(["smiles,-logS,price,w", *rows]))
    options = ["--duplicates", "median", "--standardize", "salts", "--sample_weight", "w", "--decimal", "."]
    assert main(["audit", str(tmp_path / "my.csv"), *options, "--targets=-logS", "--quiet"]) == 0
    text = capsys.readouterr().out
    assert "w" in next(line for line in text.splitlines() if "weights of the rows" in line)
    command = next(line for line in text.splitlines() if line.startswith("next")).split()[2:]
    assert command[0] == "fit"
    for given in ("--duplicates median", "--standardize salts", "--sample_weight w", "--decimal .", "--targets=-logS"):
        assert given in " ".join(command)
    parsed = parser().parse_args(command[1:])
    assert load_table(parsed).target_names == ["-logS"]


def test_a_molecule_in_two_roles_of_the_tables_own_split_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [f"{'C' * (1 + n)},{n}.5,{'test' if n > 24 else 'train'}" for n in range(50)]
    (tmp_path / "my.csv").write_text("\n".join(["smiles,y,split", *rows, "CCC,3.5,test"]))
    assert main(["audit", str(tmp_path / "my.csv"), "--quiet"]) == 0
    assert "1 of 26 test molecules also occur in other roles" in caplog.text
    assert "--duplicates drop" in caplog.text


def proposed(shown: str) -> list[str]:
    """The words of the command in the last line of an audit, after ``molweight fit``."""
    words = shlex.split(next(line for line in shown.splitlines() if line.startswith("next")).removeprefix("next"))
    assert words[:2] == ["molweight", "fit"]
    return words[2:]


def test_a_proposal_can_be_pasted_where_names_hold_commas(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["Ki, human (nM)", "-logS", "[x] y [z]", 'the "best"']
    with (tmp_path / "my.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["smiles", *names])
        table.writerows([[f"C{'C' * n}", 1.5 * 10 ** (n % 5), -n / 7, n / 3.3, n / 5.5] for n in range(40)])
    for asked in ([], ["--targets", as_names(names)]):
        assert main(["audit", str(tmp_path / "my.csv"), *asked, "--quiet"]) == 0
        typed = proposed(capsys.readouterr().out)
        assert load_table(parser().parse_args(typed)).target_names == [f"p({names[0]})", *names[1:]]


def test_an_audit_with_a_test_file_and_without_stereochemistry(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{'C' * n}C1CC1,{n}.5" for n in range(1, 31)]
    (tmp_path / "my.csv").write_text("\n".join(["smiles,y", *rows, "N[C@@H](C)C(=O)O,1.5", "N[C@H](C)C(=O)O,7.5"]))
    (tmp_path / "new.csv").write_text("smiles,y\nCC1CC1,1.5\nOC1CC1,2.5")
    command = [str(tmp_path / "my.csv"), "--test", str(tmp_path / "new.csv"), "--stereo", "ignore", "--quiet"]
    assert main(["audit", *command]) == 0
    text = capsys.readouterr().out
    assert "            test: 2 molecules\n" in text
    assert "test in train: 1 of 2 molecules" in text
    assert "1 molecules differ from others only in stereochemistry" in text
    options = parser().parse_args(proposed(text))
    assert (options.test, options.stereo, options.split) == (str(tmp_path / "new.csv"), "ignore", "auto")


def test_a_split_that_was_asked_for_is_not_exchanged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    command = ["audit", str(tmp_path / "my.csv"), "--quiet"]
    (tmp_path / "my.csv").write_text("\n".join(["smiles,y", *(f"{'C' * n},{n}.5" for n in range(1, 51))]))
    assert main([*command, "--split", "scaffold"]) == 2
    assert "Use --split random" in capsys.readouterr().err
    assert main(command) == 0
    assert "Auditing with --split random instead." in caplog.text
    assert proposed(capsys.readouterr().out)[1:] == ["--targets", "y", "--split", "random"]
    assert main([*command, "--split", "random", "--seed", "3", "--protocol", "paper"]) == 0
    given = ["--protocol", "paper", "--seed", "3", "--targets", "y", "--split", "random"]
    assert proposed(capsys.readouterr().out)[1:] == given


def test_rows_of_repeated_molecules_are_said_and_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{'C' * n},{n}.5" for n in range(3, 31)]
    (tmp_path / "my.csv").write_text("\n".join(["smiles,y", *rows, "OCC,1.5", "CCO,7.5"]))
    assert main(["audit", str(tmp_path / "my.csv"), "--split", "random", "--duplicates", "drop", "--quiet"]) == 0
    text = capsys.readouterr().out
    assert "0 rows without a molecule, 2 rows left out because the molecule occurs in several\n" in text
    assert "row 30, column 'smiles': 'OCC' the molecule occurs in 2 rows (30, 31), all of which are dropped" in text


@pytest.mark.parametrize("text", ['"a', '"a" b'])
def test_a_list_of_names_with_an_open_quote_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "my.csv", "--targets", text]) == 2
    assert f"--targets '{text}' must be names separated by commas, with closed quotes" in capsys.readouterr().err


@pytest.mark.parametrize("split", ["random", "scaffold", "auto"])
def test_a_seed_that_no_generator_takes_is_refused(
    split: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Found by fuzzing: NumPy refused a negative one, in a traceback, and drew another seed for null."""
    (tmp_path / "mine.yaml").write_text("seed: null\n")
    audit = ["audit", "--data=freesolv", f"--split={split}", "--quiet"]
    for given, shown in (("--seed=-1", "-1"), (f"--config={tmp_path / 'mine.yaml'}", "null")):
        assert main([*audit, given]) == 2
        assert capsys.readouterr().err == f"molweight: --seed {shown} must be a whole number, at least 0.\n"


def test_the_proposal_repeats_every_option_that_fit_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also those that only other audits need; options with their defaults, and those of the output, are left out."""
    rows = [f"{'C' * n}O,{n}.5" for n in range(1, 46)]
    (tmp_path / "my.csv").write_text("\n".join(["smiles,y", *rows]))
    (tmp_path / "more.smi").write_text("\n".join("N" + "C" * n for n in range(1, 20)))
    asked = [
        *("--split=random", f"--corpus={tmp_path / 'more.smi'}", "--corpus_size=null", "--near_held_out"),
        *("--remove_overlap=test,meta", "--header=true", "--max_rows=1000", "--seed=3", "--duplicates=mean"),
    ]
    assert main(["audit", str(tmp_path / "my.csv"), *asked, "--quiet"]) == 0
    typed = proposed(capsys.readouterr().out)
    known = {action.dest for action in audit_parser()._actions} - {"quiet", "targets"}
    expected, found = audit_parser().parse_args([str(tmp_path / "my.csv"), *asked]), parser().parse_args(typed)
    assert {name: found[name] for name in known if name in found} == {
        name: expected[name] for name in known if name in found
    }
    assert "--duplicates" not in typed
    assert "--quiet" not in typed
    (tmp_path / "my.yaml").write_text("remove_overlap: [test]\nsplit: random\n")
    assert main(["audit", str(tmp_path / "my.csv"), f"--config={tmp_path / 'my.yaml'}", "--quiet"]) == 0
    given = ["--remove_overlap", "test", "--targets", "y", "--split", "random"]
    assert proposed(capsys.readouterr().out)[1:] == given


def test_a_split_that_was_asked_for_is_proposed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without it, fit would use the column of roles."""
    rows = [f"C1{'C' * n}C1,{n}.5,{'test' if n > 24 else 'train'}" for n in range(1, 41)]
    (tmp_path / "my.csv").write_text("\n".join(["smiles,y,split", *rows]))
    assert main(["audit", str(tmp_path / "my.csv"), "--split=scaffold", "--quiet"]) == 0
    assert proposed(capsys.readouterr().out)[-2:] == ["--split", "scaffold"]
    assert main(["audit", str(tmp_path / "my.csv"), "--quiet"]) == 0
    assert proposed(capsys.readouterr().out)[-2:] == ["--split", "column"]
