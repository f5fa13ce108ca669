"""Files of each format, data frames, what happens to what cannot be used, standard forms."""

import gzip
import io
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.Chem import rdDepictor

from molweight.datasets import audit, from_csv, from_file, from_frame, from_smiles, standardize
from molweight.datasets._read_rows import read_rows
from molweight.datasets._read_sdf import parse_sdf
from molweight.datasets._read_smi import parse_smi
from molweight.datasets._standardize import StandardStep
from molweight.datasets.internal import row_aligned
from molweight.errors import ConfigError, DataError
from molweight.graphs import MoleculeDataset
from molweight.graphs.internal import explain

Write = Callable[..., Path]


def read(path: Path, *args: Any, **options: Any) -> MoleculeDataset:
    return from_file(path, *args, cache=False, n_jobs=1, **options)


def sdf(*records: tuple[str, dict[str, str]]) -> str:
    """An SD file as RDKit writes it."""
    text = io.StringIO()
    with Chem.SDWriter(text) as writer:
        for smiles, values in records:
            molecule = Chem.MolFromSmiles(smiles)
            for name, value in values.items():
                molecule.SetProp(name, value)
            writer.write(molecule)
    return text.getvalue()


THREE = sdf(
    ("CCO", {"_Name": "ethanol", "logS": "0.5", "active": "1"}),
    ("C[C@H](N)C(=O)O", {"logS": "-1.25", "active": "0"}),
    ("c1ccccc1", {"active": "1"}),
)


def broken(text: str) -> str:
    """The second mol block with fluorine where carbon has several bonds."""
    first, second, *rest = text.split("$$$$\n")
    return "$$$$\n".join([first, second.replace(" C   0", " F   0", 2), *rest])


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ["mine.sdf", "mine.SDF.gz"])
def test_an_sd_file(name: str, end: str, write: Write) -> None:
    content = THREE.replace("\n", end).encode()
    data = read(write(gzip.compress(content) if name.endswith("gz") else content, name), targets=["logS"])
    assert list(data.smiles) == ["CCO", "C[C@H](N)C(=O)O", "c1ccccc1"]
    assert data.targets.ravel().tolist() == pytest.approx([0.5, -1.25, math.nan], nan_ok=True)
    assert (data.name, data.task) == ("mine", "regression")


def test_values_of_an_sd_file_are_those_rdkit_reads() -> None:
    values = {"a b": "1.5", "note": "two\nlines", "x<y>": "", "smiles": "not one"}
    text = sdf(("CCO", values), ("CCN", {"late": "7"}))
    table = parse_sdf(text, "mine.sdf")
    supplier = Chem.SDMolSupplier()
    supplier.SetData(text)
    for place, molecule in enumerate(supplier):
        for name in ("a b", "note", "smiles", "late"):
            expected = molecule.GetProp(name) if molecule.HasProp(name) else ""
            assert table.cells(name)[place] == expected.replace("\n", " ")


def test_a_record_that_cannot_be_read_keeps_its_row(write: Write) -> None:
    data = read(write(broken(THREE), "mine.sdf"), targets=["active"], task="regression")
    assert data.rows.tolist() == [0, 2]
    assert data.targets.ravel().tolist() == [1, 1]
    assert [(item.row, item.smiles) for item in data.rejects] == [(1, "")]
    assert "valence" in data.rejects[0].reason


def test_a_truncated_sd_file_keeps_its_last_row(write: Write) -> None:
    cut = THREE[: THREE.rindex("M  END")]
    data = read(write(cut, "mine.sdf"), targets=["logS"])
    assert data.rows.tolist() == [0, 1]
    assert "no line 'M  END'" in data.rejects[0].reason


def test_messages_about_sd_files_count_records(write: Write) -> None:
    path = write(THREE.replace("-1.25", "high"), "mine.sdf")
    with pytest.raises(DataError, match=r"mine\.sdf, record 2, column 'logS': 'high' is not a number"):
        read(path, targets=["logS"], on_error="raise")
    with pytest.raises(DataError, match=r"mine\.sdf: there is no column 'logs'; did you mean 'logS'"):
        read(path, targets=["logs"])
    with pytest.raises(DataError, match="holds no record"):
        read(write("\n$$$$\n  \n$$$$\n", "mine.sdf"))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_parquet(pack: Callable[[bytes], bytes], write: Write, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"id": [7, 3, 9], "smiles": ["CCO", None, "CCN"], "y": [0.1, 0.2, np.nan], "z": [True, False, None]}
    )
    frame.to_parquet(tmp_path / "plain.parquet")
    data = read(write(pack((tmp_path / "plain.parquet").read_bytes()), "mine.parquet"), targets=["y"])
    assert list(data.smiles) == ["CCO", "CCN"]
    assert data.targets.ravel().tolist() == pytest.approx([0.1, math.nan], nan_ok=True)
    assert [(item.row, item.reason) for item in data.rejects] == [(1, "empty SMILES")]
    with pytest.raises(DataError, match=r"cannot be read as Parquet .*Write it again"):
        read(write(b"PAR1 and nothing more", "mine.parquet"))


def test_files_of_smiles(write: Write) -> None:
    text = "CCO ethyl alcohol\n\nC1CC\tx\nCC |$;_R1$| a radical\r\n  CCN\n"
    data = read(write(text, "mine.smi"))
    assert list(data.smiles) == ["CCO", "CC |$;_R1$|", "CCN"]
    assert (data.rows.tolist(), data.rejects[0].row) == ([0, 2, 3], 1)
    assert data.targets.shape == (3, 0)


def test_files_of_smiles_with_headers_and_values(write: Write) -> None:
    data = read(
        write("SMILES Name y\nCCO\ta b\t0.5\nCCN\tc\t1.5\n".replace(" N", "\tN").replace("e y", "e\ty"), "m.smi")
    )
    assert (data.target_names, data.targets.ravel().tolist()) == (["y"], [0.5, 1.5])
    data = read(write("CCO 0.5\nCCN 1.5\n", "m.smi"))
    assert (data.target_names, data.targets.ravel().tolist()) == (["name"], [0.5, 1.5])
    data = read(write("smiles,y\nCCO,0.5\nCCN,1.5\n", "m.smi"))
    assert data.target_names == ["y"]
    with pytest.raises(DataError, match="only a header in row 1"):
        read(write("smiles name\n", "m.smi"))


def test_an_extension_in_a_list_keeps_the_cells_after_it(write: Write) -> None:
    rows = ["CCN\tm1\t0.5", "C[C@H](N)O |&1:1|\tm2\t1.5", "CC |$;_R1$| m 3\t2.5", "CCCO |w:1.0|\t\t3.5", "CCO |w:1.0|"]
    path = write("\n".join(["smiles\tname\ty", *rows]), "m.smi")
    data = read(path, targets="y")
    assert np.nan_to_num(data.targets.ravel(), nan=-1).tolist() == [0.5, 1.5, 2.5, 3.5, -1]
    assert data.smiles[1] == "C[C@H](N)O |&1:1|"
    found = read_rows(write("\n".join([*rows[:2], rows[3]]), "new.smi"))
    assert [cells[1:] for _, cells in found.rows] == [["m1", "0.5"], ["m2", "1.5"], ["", "3.5"]]


@pytest.mark.parametrize("name", ["m.smi", "m.txt", "m.csv"])
def test_a_header_separated_by_blanks_names_as_many_cells(name: str, write: Write) -> None:
    path = write("smiles id activity\nCCO m1 0.5\nCCN m2 1.5\nCCF m3 2.5\n", name)
    data = read(path)
    assert (data.target_names, data.targets.ravel().tolist()) == (["activity"], [0.5, 1.5, 2.5])
    found = read_rows(path)
    assert found.columns == ["smiles", "id", "activity"]
    assert next(cells for _, cells in found.rows) == ["CCO", "m1", "0.5"]


def test_blanks_in_the_last_cell_of_a_list_belong_to_it(write: Write) -> None:
    path = write("smiles y name\nCCO 0.5 ethyl alcohol\nCC |$;_R1$| 1.5 a radical\n", "m.smi")
    assert read(path).targets.ravel().tolist() == [0.5, 1.5]
    assert [cells[2] for _, cells in read_rows(path).rows] == ["ethyl alcohol", "a radical"]
    path = write("smiles name y\nCCO ethyl alcohol 0.5\nCCN amine 1.5\nCCF x 2.5\n", "m.smi")
    with pytest.raises(DataError, match=r"row 2, column 'y': 'alcohol 0\.5' is not a number"):
        read(path, targets="y", on_error="raise")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Zs", "Cc"]), min_size=1), min_size=1))
def test_no_line_of_smiles_is_lost(lines: list[str]) -> None:
    lines = ["C", *(line for line in lines if line.strip())]
    table = parse_smi("\n".join(lines), "mine.smi")
    assert len(table.frame) == len(lines)
    assert [text.split()[0] for text in table.cells("smiles")] == [line.split()[0] for line in lines]


def test_the_format_can_be_named(write: Write) -> None:
    assert len(read(write(THREE, "mine.txt"), targets=[], file_format="sdf")) == 3
    with pytest.raises(ConfigError, match="file_format='xlsx' is unknown"):
        read(write(THREE, "mine.txt"), file_format="xlsx")


def test_frames() -> None:
    frame = pd.DataFrame(
        {"SMILES": ["c1ccccc1", "CCO", "C1CC", None], "Y": [1, 0, 1, 0], "w": pd.NA}, index=[9, 9, 8, 8]
    )
    data = from_frame(frame, cache=False)
    assert (list(data.smiles), data.target_names, data.task) == (["c1ccccc1", "CCO"], ["Y"], "classification")
    assert [item.row for item in data.rejects] == [2, 3]
    with pytest.raises(DataError, match=r"frame, row \(from 0\) 1, column 'Y': 'x' is not a number"):
        from_frame(frame.assign(Y=["1", "x", "0", "0"]), targets="Y", on_error="raise", cache=False)
    with pytest.raises(DataError, match="there are no rows"):
        from_frame(frame[:0])
    with pytest.raises(DataError, match="got list, not a pandas DataFrame"):
        from_frame(["CCO"])  # type: ignore[arg-type]  # what a user may type


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(width=32, allow_nan=False, allow_infinity=False)), min_size=1))
def test_numbers_of_frames_come_back_exactly(values: list[float | None]) -> None:
    frame = pd.DataFrame({"s": ["C"] * len(values) + ["N"], "y": [*values, 0.5]})
    found = from_frame(frame, "s", "y", task="regression", duplicates="keep", cache=False).targets.ravel()
    expected = np.array([*values, 0.5], dtype=np.float32)
    assert np.array_equal(found, expected, equal_nan=True)


def test_true_and_false_are_classes(write: Write) -> None:
    data = read(write("smiles,active\nCCO,True\nCCN,FALSE\nCCC,\n"))
    assert data.task == "classification"
    assert data.targets.ravel().tolist() == pytest.approx([1, 0, math.nan], nan_ok=True)


MESSY = "smiles,y,z\nCCO,0.5,1\nC1CC,1.5,2\nCCN,1.0e,3\n\n,2.5,4\nCCC,inf,N/A\nCCF,3.5,6\nCCBr,4.5,7\nCC,5,8\n"


def test_a_messy_table_is_skipped_row_for_row(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="molweight.datasets"):
        data = read(write(MESSY), targets=["y", "z"])
    assert data.rows.tolist() == [0, 5, 6, 7]
    assert data.targets.tolist() == [[0.5, 1], [3.5, 6], [4.5, 7], [5, 8]]
    assert [(item.row, item.smiles, item.reason) for item in data.rejects] == [
        (1, "C1CC", "ring 1 is not closed"),
        (2, "CCN", "column 'y': '1.0e' is not a number"),
        (3, "", "empty SMILES"),
        (4, "CCC", "column 'y': 'inf' is not a finite float32 number"),
    ]
    assert "4 of 8 rows cannot be used: row 3, column 'smiles': 'C1CC' ring 1" in caplog.text


def test_a_messy_table_with_nan_keeps_every_molecule(write: Write) -> None:
    data = read(write(MESSY), targets=["y", "z"], on_error="nan")
    assert data.rows.tolist() == [0, 2, 4, 5, 6, 7]
    assert np.isnan(data.targets).tolist() == [[False, False], [True, False], [True, True], *[[False, False]] * 3]
    assert [(item.row, item.reason.partition(";")[2]) for item in data.rejects] == [
        (1, ""),
        (2, " treated as missing"),
        (3, ""),
        (4, " treated as missing"),
    ]
    aligned = row_aligned(data, np.arange(6.0), rows=8)
    assert aligned.tolist() == pytest.approx([0, math.nan, 1, math.nan, 2, 3, 4, 5], nan_ok=True)


def test_a_messy_table_is_refused_if_asked(write: Write) -> None:
    with pytest.raises(DataError, match=r"row 4, column 'y': '1\.0e' is not a number \(2 such cells"):
        read(write(MESSY), targets=["y", "z"], on_error="raise")
    with pytest.raises(DataError, match="2 of 8 rows cannot be used: row 3"):
        read(write(MESSY), targets=["z"], on_error="raise")


def test_a_column_with_bad_cells_is_found_where_they_are_taken_for_missing(write: Write) -> None:
    path = write(MESSY.replace(",z", ",remark").replace(",1\n", ",good\n", 1))
    with pytest.raises(DataError, match=r"row 4, column 'y': '1\.0e' is not a number .*with on_error='nan'"):
        read(path)
    data = read(path, on_error="nan")
    assert data.target_names == ["y", "remark"]
    assert np.isnan(data.targets[0]).tolist() == [False, True]


def test_half_a_column_of_words_is_not_skipped(write: Write) -> None:
    path = write("smiles,y\nCCO,low\nCCN,low\nCCC,1.5\nCCF,0.5\n")
    with pytest.raises(DataError, match=r"row 2, column 'y': 'low' is not a number \(2 such cells in this column\)"):
        read(path, targets=["y"])
    data = read(path, targets=["y"], on_error="nan")
    assert len(data) == 4


def test_a_row_with_two_bad_labels_is_one_reject(write: Write) -> None:
    rows = "".join(f"{'C' * place},{place}.5,{place}\n" for place in range(1, 9))
    data = read(write(f"smiles,y,z\n{rows}CCO,a,b\n"), targets=["y", "z"])
    assert [(item.row, item.reason) for item in data.rejects] == [
        (8, "column 'y': 'a' is not a number; column 'z': 'b' is not a number")
    ]


def test_nothing_left(write: Write) -> None:
    rows = "".join(f"C1CC,{place}.5\n" for place in range(9))
    with pytest.raises(DataError, match="no row has both a valid molecule and a readable label"):
        read(write(f"smiles,y\n{rows}CCO,a\n"), targets=["y"])


def test_bad_labels_of_sequences() -> None:
    smiles = ["CCO", "CCN", "CCC", "CCF"]
    data = from_smiles(smiles, [0.5, math.inf, 1.5, 2.5], cache=False)
    assert data.rows.tolist() == [0, 2, 3]
    data = from_smiles(smiles, [0.5, math.inf, 1.5, 2.5], cache=False, on_error="nan")
    assert data.targets.ravel().tolist() == pytest.approx([0.5, math.nan, 1.5, 2.5], nan_ok=True)


def test_row_alignment_is_checked() -> None:
    data = from_smiles(["C1CC", "CCO", "CCN"], cache=False)
    assert row_aligned(data, np.ones((2, 3)), rows=5).shape == (5, 3)
    assert row_aligned(data, [1, 2]).dtype == np.float64
    with pytest.raises(DataError, match=r"values of shape \(3,\) for 2 molecules"):
        row_aligned(data, [1, 2, 3])
    with pytest.raises(DataError, match="at least 3 rows, not 2"):
        row_aligned(data, [1, 2], rows=2)


SALTS = ["[Na+].CC(=O)[O-]", "C1CC", "C[N+](C)(C)C.[Cl-]", "", "Oc1ccccn1"]


def test_standard_forms() -> None:
    assert standardize(SALTS, "salts") == ["CC(=O)[O-]", "C1CC", "C[N+](C)(C)C", "", "Oc1ccccn1"]
    assert standardize(SALTS, ["charges", "salts"]) == ["CC(=O)O", "C1CC", "C[N+](C)(C)C", "", "Oc1ccccn1"]
    assert standardize(SALTS)[-1] == "O=c1cccc[nH]1"
    assert standardize([]) == []
    with pytest.raises(ConfigError, match="standardize='salt' is unknown; did you mean 'salts'"):
        standardize(SALTS, "salt")


@pytest.mark.parametrize("steps", ["salts", "charges", "tautomers"])
def test_standard_forms_are_fixed_points(steps: str) -> None:
    once = standardize(["CC(=O)C=C(C)O", "[NH3+]CC([O-])=O", "OC(=O)C(O)=O.NCCN", "c1ccccc1[N+](=O)[O-]"], steps)
    assert standardize(once, steps) == once


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target_names": ["a"]}, r"target_names \['a'\] for 2 targets"),
        ({"target_names": ["a", "a"]}, r"Give each target a name of its own"),
        ({"sample_weight": ["heavy", "light"]}, "sample_weight is not all numbers"),
    ],
)
def test_names_and_weights_in_memory_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_smiles(["C", "CC"], [[0.5, 1.5], [2.5, 3.5]], cache=False, **options)


def test_a_molecule_that_the_uncharger_breaks_keeps_its_charges() -> None:
    salt = "CC[NH+](C)C.F[P-](F)(F)(F)(F)F"
    assert standardize([salt], "charges") == [salt]
    assert standardize([salt], ["salts", "charges"]) == ["CCN(C)C"]
    assert not from_smiles([salt, "CCO"], standardize="charges", cache=False).rejects


MESOCARB = "CC(Cc1ccccc1)[n+]1cc([N-]C(=O)Nc2ccccc2)on1"
MOLSIDOMINE = "CCOC(=O)[N-]c1c[n+](N2CCOCC2)no1"
FEPROSIDNINE = "CC(Cc1ccccc1)[n+]1cc([NH-])on1.Cl"


@pytest.mark.parametrize("steps", [["charges"], ["tautomers"], ["salts", "charges"], ["salts", "charges", "tautomers"]])
def test_the_standard_form_of_a_sydnone_is_a_sydnone(
    steps: list[StandardStep], caplog: pytest.LogCaptureFixture
) -> None:
    """RDKit's clean-up writes them as rings that it cannot read again, and the choice of a fragment then fills."""
    given = [MESOCARB, "CCO", MOLSIDOMINE, FEPROSIDNINE]
    found = standardize(given, steps, n_jobs=1)
    salt = FEPROSIDNINE.removesuffix(".Cl") if "salts" in steps else FEPROSIDNINE
    assert found == [MESOCARB, "CCO", MOLSIDOMINE, salt]
    assert f"3 molecules, e.g. {MESOCARB!r}, are not changed by every step of standardisation" in caplog.text
    caplog.clear()
    data = from_smiles([MESOCARB, "CCO"], standardize=steps, cache=False)
    assert not data.rejects
    assert "1 molecule, e.g." in caplog.text


def test_tables_are_standardised_only_if_asked(write: Write) -> None:
    path = write("smiles,y\n" + "".join(f"{text},{place}.5\n" for place, text in enumerate(SALTS)))
    assert from_csv(path, cache=False).smiles[0] == SALTS[0]
    data = from_csv(path, cache=False, standardize=["salts", "charges"])
    assert list(data.smiles) == ["CC(=O)O", "C[N+](C)(C)C", "Oc1ccccn1"]
    assert data.standard_form == data.subset([0]).standard_form == ("salts", "charges")
    assert data.targets.ravel().tolist() == [0.5, 2.5, 4.5]
    assert [(item.row, item.smiles) for item in data.rejects] == [(1, "C1CC"), (3, "")]
    with pytest.raises(ConfigError, match="standardize='charge' is unknown"):
        from_csv(path, standardize="charge")


@pytest.mark.parametrize(
    ("smiles", "words"),
    [
        ("CCO>>CC=O", "a reaction, not a molecule"),
        ("CC(=O)O.OCC>[H+]>CC(=O)OCC", "a reaction, not a molecule"),
        ("C1CC2", "ring 1, 2 is not closed"),
        ("C%10CC", "ring 10 is not closed"),
        ("C(C", "a bracket ( is not closed"),
        ("CC)C", "a bracket ) is not opened"),
        ("[Na", "a bracket [ is not closed"),
        ("{[]CC[]}", "a polymer in BigSMILES, not a molecule"),
        ("InChI=1S/CH4/h1H4", "an InChI, not a SMILES"),
        ("FAIL", "not a valid SMILES"),
        ("C(C)(C)(C)(C)C", "Explicit valence for atom # 0 C, 5, is greater than permitted"),
    ],
)
def test_reasons_are_plain(smiles: str, words: str) -> None:
    data = from_smiles(["C", smiles], cache=False)
    assert data.rejects[0].reason == words


@settings(max_examples=200, deadline=None)
@given(st.text("CN()[]=#123%>.{}|", max_size=20))
def test_molecules_that_parse_are_never_called_unclosed(smiles: str) -> None:
    if Chem.MolFromSmiles(smiles) is not None:
        assert explain(smiles) is None


def test_an_sd_file_without_values_is_read(write: Write) -> None:
    blocks = [Chem.MolToMolBlock(Chem.MolFromSmiles(text)) + "$$$$\n" for text in ("CCO", "c1ccccc1")]
    data = from_file(write("".join(blocks), "mine.sdf"), cache=False)
    assert (list(data.smiles), data.target_names) == (["CCO", "c1ccccc1"], [])


@pytest.mark.parametrize("text", ["C[C@H](O)F |&1:1|", "C[C@@H](O)[C@H](C)F |o1:1,3|", "C[C@H](O)F"])
def test_racemates_and_relative_centres_stay_so(text: str, write: Write) -> None:
    """In SD files (V3000) and RDKit's molecules as in CXSMILES; a racemate is another molecule than an enantiomer."""
    molecule = Chem.MolFromSmiles(text)
    rdDepictor.Compute2DCoords(molecule)
    drawn = from_file(write(Chem.MolToV3KMolBlock(molecule) + "$$$$\n", "mine.sdf"), cache=False)
    given = from_smiles([text, molecule], cache=False)
    assert given.smiles[1] == drawn.smiles[0]
    both = from_smiles([text, molecule, drawn.smiles[0], text.split(maxsplit=1)[0]], [0.0, 0.0, 0.0, 1.0], cache=False)
    assert torch.equal(both.graphs([0]).x.sum(0), both.graphs([1]).x.sum(0))
    assert torch.equal(both.graphs([1]).x.sum(0), both.graphs([2]).x.sum(0))
    assert audit(both, n_jobs=1).duplicates.groups == 1
    assert audit(both, n_jobs=1).duplicates.extra == (2 if "|" in text else 3)
