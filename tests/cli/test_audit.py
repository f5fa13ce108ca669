"""``molweight audit`` and ``--remove_overlap``."""

import json
from pathlib import Path

import pytest

from molweight.cli import main
from molweight.cli._data_options import load_corpus, load_table, split_table
from molweight.cli._fit import parser
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


def test_overlaps_are_taken_out_of_a_corpus_of_ones_own(tmp_path: Path) -> None:
    lines = [f"{'C' * n},{n}.5,{'test' if n > 8 else 'train'}" for n in range(1, 11)]
    (tmp_path / "mine.csv").write_text("\n".join(["smiles,y,role", *lines]))
    (tmp_path / "corpus.smi").write_text("\n".join(["C" * n for n in range(1, 21)]))
    arguments = [str(tmp_path / "mine.csv"), "--split_column", "role", "--corpus", str(tmp_path / "corpus.smi")]
    for roles, expected in (("", 20), ("test", 18), ("test,train,meta,select", 10)):
        options = parser().parse_args([*arguments, "--remove_overlap", roles, "--quiet"])
        data = load_table(options)
        assert len(load_corpus(options, data, split_table(options, data))) == expected
    with pytest.raises(ConfigError, match="--remove_overlap: 'tset' is no role; did you mean 'test'"):
        load_corpus(parser().parse_args([*arguments, "--remove_overlap", "tset"]))
