"""Labels of a test file: words and numbers mean the classes that they mean in the training table."""

import logging
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from molweight.datasets import from_file, from_frame, from_smiles
from molweight.datasets.internal import conflicting_classes, read_test_file, with_test
from molweight.errors import DataError
from molweight.graphs import MoleculeDataset


def table(path: Path, cells: list[Any], header: str = "smiles,y", end: str = "O") -> Path:
    path.write_text("\n".join([header, *(f"{'C' * (n + 1)}{end},{cell}" for n, cell in enumerate(cells))]) + "\n")
    return path


def train_on(folder: Path, cells: list[Any], **options: Any) -> MoleculeDataset:
    many = [cells[n % len(cells)] for n in range(30)]
    return from_file(table(folder / "train.csv", many), targets=["y"], cache=False, **options)


def read(folder: Path, train: MoleculeDataset, cells: list[Any], **options: Any) -> list[Any]:
    found = read_test_file(table(folder / "test.csv", cells, end="N"), train, cache=False, **options)
    return [None if np.isnan(value) else int(value) for value in found.targets[:, 0]]


@pytest.mark.parametrize(
    ("known", "options", "cells", "labels"),
    [
        ([-1, 1], {}, ["-1", "1", "1.0", "", "-1.0"], [0, 1, 1, None, 0]),
        ([-1, 1], {}, ["1", "1"], [1, 1]),
        ([1, 2], {}, ["1", "1", "2"], [0, 0, 1]),
        ([1, 2], {}, ["1"], [0]),  # 1 is class 0 of the training table
        ([0.1, 5.5], {"task": "classification"}, ["5.50", "0.1"], [1, 0]),
        ([2, 1], {"positive": "1"}, ["1", "2"], [1, 0]),
        ([0, 1], {}, ["1", "0.0", "true", "N/A"], [1, 0, 1, None]),
        ([0, 1], {}, ["Active", "inactive"], [1, 0]),  # the words have a meaning without a training table
        (["active", "inactive"], {}, ["ACTIVE", "active"], [1, 1]),
        (["active", "inactive"], {}, ["inactive", "inconclusive", "n.d."], [0, None, None]),
        (["a", "b"], {}, ["a"], [0]),
        (["a", "b"], {"positive": "a"}, ["a", "b"], [1, 0]),
        (["a", "b"], {"positive": "a"}, ["b"], [0]),
        ([True, False], {}, ["False"], [0]),
        (["none", "mild"], {}, ["none", "mild", "NA", ""], [1, 0, None, None]),
        (["inactive", "active"], {}, ["none", "active"], [None, 1]),
        (["Active", "inactive"], {}, ["1", "0"], [1, 0]),  # known words, and numbers of the same meaning
        (["Yes", "No"], {}, ["True", "False"], [1, 0]),
    ],
)
def test_classes_are_those_of_the_training_table(
    tmp_path: Path, known: list[Any], options: dict[str, Any], cells: list[Any], labels: list[int | None]
) -> None:
    train = train_on(tmp_path, known, **options)
    assert train.task == "classification"
    given = {name: value for name, value in options.items() if name == "positive"}
    assert read(tmp_path, train, cells, **given) == labels
    assert read(tmp_path, train.subset(range(4)), cells, **given) == labels


def test_one_class_of_several_may_be_alone_in_the_test_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    train = train_on(tmp_path, ["red", "green", "blue"], task="multiclass")
    path = table(tmp_path / "test.csv", ["Green", "green", "", "green"], end="N")
    with caplog.at_level(logging.WARNING):
        caplog.clear()
        test = read_test_file(path, train, cache=False)
    assert "nothing to learn" not in caplog.text
    assert (test.task, test.target_names) == ("multiclass", ["y=blue", "y=green", "y=red"])
    np.testing.assert_array_equal(test.targets, [[0, 1, 0], [0, 1, 0], [np.nan] * 3, [0, 1, 0]])
    data, splits = with_test(train, test)
    assert len(splits.test) == 4
    assert set(np.unique(data.targets[~np.isnan(data.targets)])) == {0, 1}


OUTSIDE: list[tuple[list[Any], dict[str, Any], list[str], str]] = [
    ([-1, 1], {}, ["1", "0", "0"], r"row 3, column 'y': '0' is not .* of train, which are '-1', '1' \(2 such cells in"),
    ([0, 1], {}, ["1", "2"], "row 3, column 'y': '2' is not one of the classes of train, which are 0 and 1"),
    (["active", "inactive"], {}, ["active", "weak"], "row 3, column 'y': 'weak' is not .* 'inactive', 'active'"),
    (["a", "b", "c"], {"task": "multiclass"}, ["d"], "test.csv, row 2, column 'y': 'd' is not .* 'a', 'b', 'c'"),
]


@pytest.mark.parametrize(("known", "options", "cells", "message"), OUTSIDE)
def test_labels_outside_the_classes_are_refused(
    tmp_path: Path, known: list[Any], options: dict[str, Any], cells: list[str], message: str
) -> None:
    train = train_on(tmp_path, known, **options)
    with pytest.raises(DataError, match=message):
        read(tmp_path, train, cells)


@pytest.mark.parametrize(("known", "options", "cells", "message"), OUTSIDE)
def test_labels_outside_the_classes_may_be_missing_labels(  # noqa: PLR0917 - parameters and two fixtures
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    known: list[Any],
    options: dict[str, Any],
    cells: list[str],
    message: str,
) -> None:
    found = read(tmp_path, train_on(tmp_path, known, **options), [*cells, known[0]], on_error="nan")
    assert found[len(cells) - 1] is None
    assert found[-1] is not None
    assert re.search(f"{message}.*; such labels are treated as missing", caplog.text)


@pytest.mark.parametrize("task", [None, "regression,classification"])
def test_numbers_and_classes_are_read_from_one_test_file(tmp_path: Path, task: Any) -> None:
    rows = [f"{'C' * (n + 1)}O,{n}.5,{n % 2 + 1},=" for n in range(30)]
    (tmp_path / "train.csv").write_text("\n".join(["smiles,y,kind,y_relation", *rows]))
    (tmp_path / "test.csv").write_text("smiles,kind,y,y_relation\nCCN,2,4.5,<\n,total,9,\nCCCN,1,,\n")
    train = from_file(tmp_path / "train.csv", targets=["y", "kind"], task=task, cache=False)
    assert train.task == "regression,classification"
    assert train.targets[:2, 1].tolist() == [0, 1]
    test = read_test_file(tmp_path / "test.csv", train, cache=False)
    np.testing.assert_array_equal(test.targets, [[4.5, 1], [np.nan, 0]])
    assert test.columns["label_bounds"].tolist() == [[-1, 0], [0, 0]]


def test_words_are_no_labels_of_a_numeric_target(tmp_path: Path) -> None:
    train = train_on(tmp_path, [0.5, 1.5, 2.5])
    with pytest.raises(DataError, match=r"column 'y': holds the words 'inactive', 'active', but .* a number"):
        read(tmp_path, train, ["active", "inactive", "active"])


@pytest.mark.parametrize("cells", [["TRUE", "FALSE", ""], ["3", "true", "0"], ["1", "false", "0"]])
def test_truth_values_are_no_labels_of_a_numeric_target(cells: list[str], tmp_path: Path) -> None:
    train = train_on(tmp_path, [0.5, 1.5, 2.5])
    word = next(cell for cell in cells if cell.lower() in ("true", "false"))
    with pytest.raises(DataError, match=rf"column 'y'.*: '{word}' is no label, because the target 'y' .* is a number"):
        read(tmp_path, train, cells)
    known = [None if cell.lower() in ("true", "false", "") else int(cell) for cell in cells]
    assert read(tmp_path, train, [*cells, "4"], on_error="nan") == [*known, 4]


def test_rows_that_describe_the_columns_are_no_labels(tmp_path: Path) -> None:
    rows = [f"{'C' * (n + 1)}O,{n}.5,{'high' if n % 2 else 'low'}" for n in range(30)]
    head = "smiles,y,kind\n,mg/l,category\n"
    (tmp_path / "train.csv").write_text(head + "\n".join(rows))
    (tmp_path / "test.csv").write_text(head + "CCN,3.5,high\n" * 12)
    train = from_file(tmp_path / "train.csv", targets=["kind"], cache=False)
    test = read_test_file(tmp_path / "test.csv", train, cache=False)
    assert (test.targets[:, 0].tolist(), test.rejects) == ([1.0] * 12, [])


def test_an_unlabelled_test_file_needs_no_positive_word(tmp_path: Path) -> None:
    train = train_on(tmp_path, ["a", "b"], positive="a")
    assert read_test_file(table(tmp_path / "bare.csv", [""], end="N"), train, positive="a").target_names == []


@pytest.mark.parametrize("word", ["", "NA", "n.d.", "-", "?", "not tested"])
@pytest.mark.parametrize("known", [[0.5, 1.5, 2.5], ["active", "inactive"]])
def test_a_test_file_with_words_for_missing_labels_has_none(word: str, known: list[Any], tmp_path: Path) -> None:
    train = train_on(tmp_path, known)
    found = read_test_file(table(tmp_path / "test.csv", [word] * 4, end="N"), train, cache=False)
    assert (len(found), found.targets.shape[1], found.rejects) == (4, 0, [])


def test_a_dash_is_a_label_of_a_test_file_if_it_is_a_class(tmp_path: Path) -> None:
    assert read(tmp_path, train_on(tmp_path, ["+", "-"]), ["-", "-"]) == [0, 0]


def test_a_test_table_in_python_has_the_classes_of_the_training_table() -> None:
    smiles = ["C" * n for n in range(1, 31)]
    train = from_frame(pd.DataFrame({"smiles": smiles, "y": [-1, 1] * 15}), name="mine", cache=False)
    assert train.codes == {"y": {"-1": 0, "1": 1}}
    test = from_smiles(["CO", "CN"], [1.0, -1.0], target_names=["y"], name="new", cache=False)
    with pytest.raises(DataError, match=r"new, row 1, column 'y': the label -1 is not a class.*0 for '-1', 1 for '1'"):
        with_test(train, test)


def test_a_row_without_a_molecule_is_left_out_whatever_its_label(tmp_path: Path) -> None:
    path = table(tmp_path / "test.csv", ["Active", "inactive"])
    path.write_text(f"{path.read_text()}C1CC,7\nTotal,3 compounds\n")
    found = read_test_file(path, train_on(tmp_path, ["Active", "inactive"]), cache=False)
    assert found.targets.ravel().tolist() == [1.0, 0.0]
    assert [reject.row for reject in found.rejects] == [2, 3]


def test_a_column_with_the_name_of_one_of_many_classes_holds_0_and_1(tmp_path: Path) -> None:
    train = train_on(tmp_path, ["low", "mid", "high"], task="multiclass")
    path = tmp_path / "one_hot.csv"
    path.write_text(",".join(["smiles", *train.target_names]) + "\nCCO,1,0,0\nCCN,0,0,1\n")
    assert read_test_file(path, train, cache=False).targets.tolist() == [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]


def test_classes_of_the_training_table_are_kept_with_a_test_file(tmp_path: Path) -> None:
    train = train_on(tmp_path, ["lean", "fat"], positive="fat")
    test = read_test_file(table(tmp_path / "test.csv", ["fat", "lean"], end="N"), train, cache=False)
    assert with_test(train, test)[0].codes == train.codes == {"y": {"lean": 0, "fat": 1}}


@pytest.mark.parametrize(
    ("codes", "others", "expected"),
    [
        ({"y": {"lean": 0, "fat": 1}}, {"y": {"LEAN": 0, "FAT": 1}}, None),
        ({"y": {"lean": 0, "fat": 1}}, {"y": {"lean": 1, "fat": 0}}, "y"),
        ({"y": {"a": 0, "b": 0, "c": 1}}, {"y": {"a": 0, "c": 1}}, None),
        ({"y": {"inactive": 0, "active": 1}}, {"y": {"negative": 0, "positive": 1}}, None),
        ({"y": {"inactive": 1, "active": 0}}, {"y": {"negative": 0, "positive": 1}}, "y"),
        ({"y": {"1": 0, "2": 1}}, {"y": {"1.0": 0, "2.0": 1}}, None),
        ({"y": {"0": 1, "1": 0}}, {}, "y"),
        ({"y": {"lean": 0, "fat": 1}}, {}, None),
    ],
)
def test_classes_conflict_if_class_1_has_another_meaning(
    codes: dict[str, dict[str, int]], others: dict[str, dict[str, int]], expected: str | None
) -> None:
    assert conflicting_classes(codes, others) == conflicting_classes(others, codes) == expected


def test_the_test_file_needs_no_weights_and_all_its_rows_count(tmp_path: Path) -> None:
    cells = [f"{n * 0.5},{1 + n % 3}" for n in range(20)]
    train = from_file(table(tmp_path / "train.csv", cells, "smiles,y,w"), targets=["y"], sample_weight="w", cache=False)
    for header, rows in (("smiles,y", ["1", "2"]), ("smiles,y,w", ["1,0", "2,0"])):
        path = table(tmp_path / "test.csv", rows, header, end="N")
        test = read_test_file(path, train, sample_weight="w", cache=False)
        assert test.targets[:, 0].tolist() == [1, 2]
        data, splits = with_test(train, test)
        weights = data.columns["label_weight"]
        assert weights[splits.test].tolist() == [[1.0], [1.0]]
        assert weights[:20, 0].tolist() == [1 + n % 3 for n in range(20)]


def test_merged_rows_of_a_test_file_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    train = train_on(tmp_path, [0.5, 1.25, 2.0])
    (tmp_path / "test.csv").write_text("smiles,y\nCCN,1\nNCC,2\nCCCN,3\n")
    found = read_test_file(tmp_path / "test.csv", train, replicates="mean", cache=False)
    assert found.targets.ravel().tolist() == [1.5, 3.0]
    assert "test: 2 molecules remain, one row each (duplicates='mean')" in caplog.text


UM, NM = [f"{n}.5 uM" for n in range(5)], [f"{n}.5 nM" for n in range(5)]


def test_molar_labels_are_converted_to_the_unit_of_the_training_table(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train = train_on(tmp_path, NM)
    assert train.units == train.subset([0, 1]).units == {"y": "nM"}
    test = read_test_file(table(tmp_path / "test.csv", UM, end="N"), train, cache=False)
    assert test.targets.ravel().tolist() == [500, 1500, 2500, 3500, 4500]
    assert test.units == {"y": "nM"}
    assert "test: labels of 'y' are converted from uM to nM, as in train" in caplog.text
    caplog.clear()
    joined = with_test(train, test)[0]
    assert (joined.targets[-5:].ravel().tolist(), joined.units) == ([500, 1500, 2500, 3500, 4500], {"y": "nM"})
    assert "unit" not in caplog.text
    assert "converted" not in caplog.text
    own = from_file(tmp_path / "test.csv", targets=["y"], cache=False)
    assert with_test(train, own)[0].targets[-5:].ravel().tolist() == [500, 1500, 2500, 3500, 4500]
    assert own.targets.ravel().tolist() == [0.5, 1.5, 2.5, 3.5, 4.5]


def test_only_scored_molecules_are_counted_as_shared(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    train = train_on(tmp_path, [0.5, 1.25, 2.0])  # alcohols of 1 to 30 carbons
    path = tmp_path / "shared.csv"
    path.write_text("smiles,y\nCCO,1.5\nOCCC,\nCCCCO,>2\nCCN,0.75\nCCCN,1.25\n")
    with_test(train, read_test_file(path, train, cache=False))
    assert "1 of 3 labelled test molecules are also in the training table" in caplog.text
    caplog.clear()
    path.write_text("smiles,y\nOCCC,\nCCN,0.75\nCCCN,1.25\n")
    assert "also in the training table" not in " ".join(
        with_test(train, read_test_file(path, train, cache=False))[0].notes
    )
    assert "also in the training table" not in caplog.text


def in_header(folder: Path, header: str, **options: Any) -> MoleculeDataset:
    path = table(folder / "train.csv", [f"{n}.5" for n in range(30)], header)
    return from_file(path, targets=[header.partition(",")[2]], cache=False, **options)


@pytest.mark.parametrize("own", ["IC50 (uM)", "IC50 [\u00b5M]", "IC50_uM", "IC50 (umol/L)"])
def test_a_column_with_another_molar_unit_in_its_name_is_converted(
    own: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train = in_header(tmp_path, "smiles,IC50 (nM)")
    path = table(tmp_path / "test.csv", [0.5, 1.5, "<2", "4 nM"], f"smiles,{own}", end="N")
    test = read_test_file(path, train, cache=False, on_error="nan")
    assert (test.target_names, test.units) == (["IC50 (nM)"], {"IC50 (nM)": "nM"})
    assert test.targets[:3].ravel().tolist() == [500, 1500, 2000]
    assert np.isnan(test.targets[3, 0])  # another unit than the rest of its column
    assert test.columns["label_bounds"].ravel().tolist() == [0, 0, -1, 0]
    assert f"test.csv: the labels of 'IC50 (nM)' are those of the column {own!r}" in caplog.text
    unit = re.split(r"[\[(_]", own)[1].strip(")]")
    assert f"labels of 'IC50 (nM)' are converted from {unit} to nM, as in train" in caplog.text
    assert with_test(train, test)[0].targets[-4:-1].ravel().tolist() == [500, 1500, 2000]


def test_a_logarithm_needs_no_conversion(tmp_path: Path) -> None:
    path = table(tmp_path / "train.csv", [f"{n}.5" for n in range(1, 30)], "smiles,IC50 (nM)")
    train = from_file(path, targets=["p(IC50 (nM))"], cache=False)
    found = read_test_file(table(tmp_path / "test.csv", [1, 10], "smiles,IC50 (uM)", end="N"), train, cache=False)
    assert found.target_names == ["p(IC50 (nM))"]
    assert found.targets.ravel().tolist() == [6, 5]


def test_the_column_of_the_same_name_comes_first(tmp_path: Path) -> None:
    train = in_header(tmp_path, "smiles,IC50 (nM)")
    path = table(tmp_path / "test.csv", ["1.5,7", "2.5,8"], "smiles,IC50 (nM),IC50 (uM)", end="N")
    assert read_test_file(path, train, cache=False).targets.ravel().tolist() == [1.5, 2.5]
    path = table(tmp_path / "test.csv", ["1.5,7", "2.5,8"], "smiles,IC50 (mM),IC50 (uM)", end="N")
    message = r"test\.csv: the columns 'IC50 \(mM\)', 'IC50 \(uM\)' may all hold the labels of 'IC50 \(nM\)'"
    with pytest.raises(DataError, match=message):
        read_test_file(path, train, cache=False)


@pytest.mark.parametrize(("header", "own"), [("IC50 (nM)", "IC50"), ("IC50 (nM)", "IC50 (ug/mL)"), ("y", "y (uM)")])
def test_a_column_that_cannot_be_converted_is_named(
    header: str, own: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train = in_header(tmp_path, f"smiles,{header}")
    path = table(tmp_path / "test.csv", [0.5, 1.5], f"smiles,{own}", end="N")
    assert read_test_file(path, train, cache=False).target_names == []
    assert f"the column {own!r} is not used as labels of {header!r}" in caplog.text
    assert f"If it has the same unit, call it {header!r}" in caplog.text


def test_targets_in_two_units_keep_their_columns(tmp_path: Path) -> None:
    path = table(tmp_path / "train.csv", [f"{n}.5,{n}.25" for n in range(30)], "smiles,Ki (nM),Ki (uM)")
    train = from_file(path, targets=["Ki (nM)", "Ki (uM)"], cache=False)
    found = read_test_file(table(tmp_path / "test.csv", [0.5, 1.5], "smiles,Ki (uM)", end="N"), train, cache=False)
    assert np.isnan(found.targets[:, 0]).all()
    assert found.targets[:, 1].tolist() == [0.5, 1.5]


def test_a_unit_in_a_name_that_is_not_that_of_all_rows_is_refused(tmp_path: Path) -> None:
    train = in_header(tmp_path, "smiles,IC50 (nM)")
    rows = ["0.5,nM", "1.5,nM", "2.5,nM", "3.5,"]
    path = table(tmp_path / "test.csv", rows, "smiles,IC50 (uM),units", end="N")
    with pytest.raises(DataError, match=r"column 'IC50 \(uM\)': the labels have several units"):
        read_test_file(path, train, cache=False)


def test_bounds_in_another_unit_are_converted(tmp_path: Path) -> None:
    train = train_on(tmp_path, [*NM, "<9 nM"])
    test = read_test_file(table(tmp_path / "test.csv", [*UM, ">7 uM"], end="N"), train, cache=False)
    assert test.targets[-1].tolist() == [7000]
    assert test.columns["label_bounds"].ravel().tolist() == [0, 0, 0, 0, 0, 1]


@pytest.mark.parametrize("unit", ["%", "mg/ml", "h"])
def test_labels_in_a_unit_that_cannot_be_converted_are_refused(unit: str, tmp_path: Path) -> None:
    train, path = train_on(tmp_path, NM), table(tmp_path / "test.csv", [f"{n}.5 {unit}" for n in range(5)], end="N")
    expected = (
        rf"test, column 'y': the labels are in {re.escape(unit)}, but those of train are in nM\. Convert them to nM"
    )
    with pytest.raises(DataError, match=expected):
        read_test_file(path, train, cache=False)
    with pytest.raises(DataError, match=expected):
        with_test(train, from_file(path, targets=["y"], cache=False))


def test_a_column_of_units_counts_like_units_in_the_cells(tmp_path: Path) -> None:
    train = from_file(
        table(tmp_path / "train.csv", [f"{n}.5,nM" for n in range(30)], "smiles,y,units"), targets=["y"], cache=False
    )
    test = table(tmp_path / "test.csv", [f"{n}.5,uM" for n in range(5)], "smiles,y,units", end="N")
    assert read_test_file(test, train, cache=False).targets.ravel().tolist() == [500, 1500, 2500, 3500, 4500]


@pytest.mark.parametrize(("known", "cells"), [(NM, [1.5, 2.5]), ([1.5, 2.5, 3.5], NM)])
def test_a_unit_in_one_of_two_tables_is_said(
    known: list[Any], cells: list[Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train = train_on(tmp_path, known)
    caplog.clear()
    test = read_test_file(table(tmp_path / "test.csv", cells, end="N"), train, cache=False)
    assert test.targets[:2].ravel().tolist() == ([1.5, 2.5] if known is NM else [0.5, 1.5])
    named, other = ("train", "test") if known is NM else ("test", "train")
    assert f"labels of 'y' are in nM in {named}, but {other} states no single unit" in caplog.text


def test_classes_have_no_units(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = table(tmp_path / "train.csv", [n % 2 for n in range(30)], "smiles,above_uM")
    train = from_file(path, targets=["above_uM"], cache=False)
    assert read_test_file(path, train, cache=False).targets[:2].ravel().tolist() == [0, 1]
    assert "states no single unit" not in caplog.text
