"""Shares of atoms: they add up, are exact where that can be known, and are drawn."""

from itertools import permutations
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from molweight.encoders import Encoder, Encoding
from molweight.errors import ConfigError
from molweight.graphs import GraphBatch, MoleculeDataset, featurize
from molweight.models import Predictor
from molweight.models.internal import build_predictor
from molweight.report.internal import Explained, render_explanation
from molweight.runs import Run
from molweight.runs._attribution import _entering, _masked, attribute_atoms

SMILES = ["CO", "CC(=O)Oc1ccccc1C(=O)O", "C", "C[N+](C)(C)CCO", "OC=CN"]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data() -> MoleculeDataset:
    return MoleculeDataset(featurize(SMILES)[0])


@pytest.fixture(scope="module")
def model() -> Predictor:
    torch.manual_seed(0)
    made = build_predictor(
        "gin", {"layers": 3, "width": 16}, "regression", torch.tensor([3.0, -1.0]), torch.tensor([2.0, 0.5])
    )
    return made.eval()


class Additive(Encoder):
    """Adds up a number of each atom: the atomic number's code, which is 5 for carbon."""

    width = 1

    def forward(self, graphs: Any, seed: int | None = None) -> Encoding:
        nodes = graphs.x[:, 0].float()[:, None]
        return Encoding(nodes, torch.zeros(graphs.num_graphs, 1).index_add(0, graphs.batch, nodes))


@pytest.mark.parametrize("position", range(len(SMILES)))
def test_shares_add_up_to_the_output(position: int, model: Predictor, data: MoleculeDataset) -> None:
    output, reference, shares, errors = attribute_atoms(model, data, position, CPU, pairs=2)
    atoms = data.graphs([position]).num_nodes
    assert shares.shape == errors.shape == (atoms, 2)
    np.testing.assert_allclose(shares.sum(axis=0), output - reference, atol=1e-5)
    with torch.no_grad():
        np.testing.assert_allclose(output, model.predict(data.graphs([position]))[0].numpy(), atol=1e-5)


def test_an_additive_model_has_exact_shares_without_error(data: MoleculeDataset) -> None:
    model = Predictor(Additive(), "regression", torch.zeros(1), torch.ones(1))
    with torch.no_grad():
        model.head.weight.fill_(2.0)
        model.head.bias.fill_(7.0)
    graph = data.graphs([1])
    output, reference, shares, errors = attribute_atoms(model, data, 1, CPU, pairs=3)
    codes = graph.x[:, 0].numpy()
    np.testing.assert_allclose(shares[:, 0], 2.0 * (codes - 5), rtol=1e-5)
    np.testing.assert_allclose(errors, 0, atol=1e-4)
    assert reference[0] == pytest.approx(7 + 10 * len(codes))
    assert output[0] == pytest.approx(7 + 2 * codes.sum())


def test_one_pair_is_exact_for_two_atoms(model: Predictor, data: MoleculeDataset) -> None:
    graph = data.graphs([0])
    cases = torch.tensor([[False, False], [True, False], [False, True], [True, True]])
    with torch.no_grad():
        none, first, second, both = (model(_masked(graph, cases)) * model.scale + model.mean).numpy()
    expected = [((first - none) + (both - second)) / 2, ((second - none) + (both - first)) / 2]
    np.testing.assert_allclose(attribute_atoms(model, data, 0, CPU, pairs=1)[2], expected, atol=1e-5)


def test_drawn_orders_approach_all_orders(model: Predictor, data: MoleculeDataset) -> None:
    position = SMILES.index("OC=CN")
    graph, exact = data.graphs([position]), np.zeros((4, 2))
    for order in permutations(range(4)):
        exact[list(order)] += np.diff(_entering(model, graph, np.array(order)), axis=0) / 24
    _, _, shares, errors = attribute_atoms(model, data, position, CPU, pairs=60)
    assert (errors > 0).any()
    assert (np.abs(shares - exact) <= 4.5 * errors + 1e-5).all()


def test_atoms_that_are_alike_share_alike(model: Predictor, data: MoleculeDataset) -> None:
    ethane = MoleculeDataset(featurize(["CC"])[0])
    shares = attribute_atoms(model, ethane, 0, CPU, pairs=1)[2]
    np.testing.assert_allclose(shares[0], shares[1], atol=1e-5)


def test_copies_are_those_of_the_molecule(data: MoleculeDataset) -> None:
    graph = data.graphs([1])
    copies = _masked(graph, torch.ones(3, graph.num_nodes, dtype=torch.bool))
    expected = data.graphs([1, 1, 1])
    for name in ("x", "edge_index", "edge_attr", "batch", "ptr"):
        assert torch.equal(getattr(copies, name), getattr(expected, name))
    assert copies.num_graphs == 3
    hidden: GraphBatch = _masked(graph, torch.zeros(1, graph.num_nodes, dtype=torch.bool))
    alkane = MoleculeDataset(featurize(["CC(C)CC1CCCCC1C(C)C"])[0]).graphs([0])  # the skeleton of aspirin
    assert torch.equal(hidden.x, alkane.x)
    assert torch.equal(hidden.edge_attr, alkane.edge_attr)


def _run(model: Predictor) -> Run:
    """A run that was loaded, around a model."""
    pieces: dict[str, Any] = {
        "weights": {},
        "records": [],
        "finetuning": SimpleNamespace(metric="rmse"),
        "seconds": 0.0,
    }
    run = Run({}, pretrained={}, model=model, data=None, splits=None, device=CPU, **pieces)
    run.target_names = ["y", "z"]
    return run


def test_attributions_are_aligned_with_the_input(model: Predictor) -> None:
    run = _run(model)
    none, found = run.attribute(["no molecule", "OCC"], "z", pairs=2)
    assert [reject.row for reject in run.parse(["no molecule", "OCC"]).rejects] == [0]
    assert none is None
    assert found is not None
    assert (found.smiles, found.target, len(found.atoms)) == ("OCC", "z", 3)
    assert found.output == pytest.approx(run.predict(["OCC"])[0, 1], abs=1e-5)
    assert found.atoms.sum() == pytest.approx(found.output - found.reference, abs=1e-5)
    one = run.attribute(["OCC"], "z", pairs=1)[0]
    assert one is not None
    assert np.isnan(one.errors).all()


def test_refusals(model: Predictor) -> None:
    run = _run(model)
    with pytest.raises(ConfigError, match="name one target"):
        run.attribute(["C"])
    with pytest.raises(ConfigError, match="target='zz' is unknown; did you mean 'z'"):
        run.attribute(["C"], "zz")
    with pytest.raises(ConfigError, match="pairs=0"):
        run.attribute(["C"], "z", pairs=0)
    with pytest.raises(ConfigError, match="seed=-1"):
        run.attribute(["C"], "z", seed=-1)


def test_page_of_shares_is_drawn_in_the_colours_of_their_signs() -> None:
    shares = np.array([1.0, 0.0, -0.5])
    text = render_explanation("mine", [Explained(4, "CCO", "y<1>", 2.0, 1.5, shares)], "logits")
    assert text.count("<svg") == 1
    assert "color-mix(in srgb, var(--s2) 70%, transparent)" in text
    assert "color-mix(in srgb, var(--s1) 35%, transparent)" in text
    assert "y&lt;1&gt;: 2 = hydrocarbon 1.5 and atoms +0.5" in text
    assert "row 4" in text
    assert "in logits" in text


def test_the_reference_of_a_model_with_features_is_not_called_the_hydrocarbon() -> None:
    item = Explained(4, "CCO", "y", 2.0, 1.5, np.array([1.0, 0.0, -0.5]))
    plain, mixed = (render_explanation("mine", [item], "logits", graph_only=only) for only in (True, False))
    assert "y: 2 = hydrocarbon 1.5 and atoms +0.5" in plain
    assert "the output for the saturated hydrocarbon of the same skeleton add up" in plain
    assert "y: 2 = 1.5 (graph replaced by the hydrocarbon, other inputs unchanged) and atoms +0.5" in mixed
    assert "hydrocarbon 1.5" not in mixed
    assert "the output for the saturated hydrocarbon" not in mixed
