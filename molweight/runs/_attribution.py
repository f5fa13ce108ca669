"""Attribution of a prediction to atoms: Shapley values, estimated from random orders of the atoms."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from torch import Tensor

from molweight.arrays import Float64Array, Int64Array
from molweight.errors import ConfigError, OptionError, mention, suggest
from molweight.graphs import GraphBatch, MoleculeDataset
from molweight.graphs.internal import atom_ranks
from molweight.models import TaskModel

__all__ = ["Attribution", "attribute_atoms", "chosen_target"]


_DEGREE, _HYDROGENS, _IN_RING = 2, 4, 8
"""Columns of the atom features, in OGB's order; the degree includes hydrogens."""
_VALENCE: Final = 4
_SP3_CARBON: Final = (5, 0, 0, 5, 0, 0, 2, 0, 0)
"""Features of a saturated carbon: atomic number 6, charge 0, sp3; degree, hydrogens and ring depend on its position."""
_ATOMS_AT_ONCE: Final = 20_000
"""Atoms in one evaluation of the model, to bound the memory."""


@dataclass(frozen=True)
class Attribution:
    """Attribution of a prediction for one molecule to its ``N`` atoms.

    ``atoms.sum() == output - reference`` up to rounding, for any number of sampled orders (completeness).

    Args:
        smiles: The molecule.
        target: Name of the target.
        output: Output of the model: the label in its own unit, or for classes the logit.
        reference: The output for the saturated hydrocarbon of the same skeleton. For a model that also reads features
            of the whole molecule, as an ensemble does, only the graph is replaced by the hydrocarbon and these other
            inputs are unchanged, so this is not the prediction for the hydrocarbon.
        atoms: Share of each atom, in RDKit's order of the atoms, ``N``.
        errors: Standard error of each share due to the limited number of sampled orders, ``N``.
    """

    smiles: str
    target: str
    output: float
    reference: float
    atoms: Float64Array
    errors: Float64Array


def attribute_atoms(
    model: TaskModel, data: MoleculeDataset, position: int, device: torch.device, *, pairs: int, seed: int = 0
) -> tuple[Float64Array, Float64Array, Float64Array, Float64Array]:
    """Shapley values of the atoms of a molecule for each of the ``T`` outputs.

    The players are the atoms. An absent atom is replaced by a saturated carbon with the same neighbours, and a bond
    between two absent atoms by a single bond. The reference is therefore the saturated hydrocarbon with the same
    skeleton, a molecule whose output is in the range of the labels; columns of features are those of the original
    molecule. The output for masked atoms, which a finetuned head has never seen, may be far outside this range. Atoms
    enter one after another, in random orders and in their
    reverses; an atom's share is the mean change of the output when it enters. The shares in one order sum to the total
    change, and so do their means. Orders are sampled from the canonical order of the atoms, and equivalent atoms get
    the mean of their shares, which differ only by sampling error, so the shares do not depend on how the molecule is
    written.

    Source: Castro, Gomez, Tejada, *Polynomial calculation of the Shapley value based on sampling*, Comput. Oper. Res.
    36, 1726 (2009); pairs of an order and its reverse as in Mitchell et al., JMLR 23, 43 (2022).

    Args:
        model: The model, in evaluation mode.
        data: Holds the molecule.
        position: Its position.
        device: Device to compute on.
        pairs: Number of sampled orders; each is used in both directions.
        seed: Seed of the orders.

    Returns:
        Output ``T``, reference ``T``, shares ``N x T`` and their standard errors ``N x T`` (NaN for a single pair).

    Raises:
        OptionError: If ``pairs`` is less than 1, or the seed is negative.
    """
    if pairs < 1:
        raise OptionError("pairs", pairs, "must be at least 1")
    if seed < 0:
        raise OptionError("seed", seed, "must be at least 0")
    graph = model.with_features(data).graphs([position], device)
    count = graph.num_nodes
    random = np.random.default_rng(seed)
    ranks = atom_ranks(graph)
    canonical = np.argsort(ranks.order)
    found = []
    ends = (np.empty(0), np.empty(0))
    for _ in range(pairs):
        order = canonical[random.permutation(count)]
        both = []
        for entering in (order, order[::-1]):
            outputs = _entering(model, graph, entering)
            shares = np.empty((count, outputs.shape[1]))
            shares[entering] = np.diff(outputs, axis=0)
            both.append(shares)
            ends = (outputs[-1], outputs[0])
        found.append((both[0] + both[1]) / 2)
    values = np.stack(found)
    errors = values.std(axis=0, ddof=1) / np.sqrt(pairs) if pairs > 1 else np.full(values.shape[1:], np.nan)
    return ends[0], ends[1], _class_means(values.mean(axis=0), ranks.classes), _class_means(errors, ranks.classes)


def _class_means(values: Float64Array, classes: Int64Array) -> Float64Array:
    """For each atom, the mean over its equivalent atoms, ``N x T``."""
    _, members, counts = np.unique(classes, return_inverse=True, return_counts=True)
    sums = np.zeros((len(counts), values.shape[1]))
    np.add.at(sums, members, values)
    means: Float64Array = (sums / counts[:, None])[members]
    return means


def _entering(model: TaskModel, graph: GraphBatch, order: Int64Array) -> Float64Array:
    """Outputs as the atoms enter in an order: with no atom, the first, the first two, ..., ``(N + 1) x T``."""
    count = len(order)
    rank = np.empty(count, dtype=np.int64)
    rank[order] = np.arange(count)
    playing = torch.from_numpy(rank[None, :] < np.arange(count + 1)[:, None]).to(graph.device)
    with torch.no_grad():
        parts = [_outputs(model, _masked(graph, part)) for part in _parts(playing)]
    return torch.cat(parts).cpu().numpy().astype(np.float64)


def _parts(playing: Tensor) -> Iterator[Tensor]:
    step = max(_ATOMS_AT_ONCE // playing.size(1), 1)
    for start in range(0, len(playing), step):
        yield playing[start : start + step]


def _outputs(model: TaskModel, graphs: GraphBatch) -> Tensor:
    """Logits, or labels in their own units: the quantity that is attributed."""
    outputs: Tensor = model(graphs)
    return outputs * model.scale + model.mean


def _saturated(graph: GraphBatch) -> Tensor:
    """Features with each atom replaced by an sp3 carbon, saturated with hydrogen, ``N x 9``.

    Example:
        >>> from molweight.graphs import featurize
        >>> data = MoleculeDataset(featurize(["Oc1ccncc1", "CC1CCCCC1"])[0])
        >>> torch.equal(_saturated(data.graphs([0])), data.graphs([1]).x)
        True
    """
    neighbours = torch.bincount(graph.edge_index[0], minlength=graph.num_nodes).to(graph.x.dtype)
    found = torch.tensor(_SP3_CARBON, dtype=graph.x.dtype, device=graph.device).repeat(graph.num_nodes, 1)
    found[:, _DEGREE] = neighbours.clamp(min=_VALENCE)
    found[:, _HYDROGENS] = (_VALENCE - neighbours).clamp(min=0)
    found[:, _IN_RING] = graph.x[:, _IN_RING]
    return found


def _masked(graph: GraphBatch, playing: Tensor) -> GraphBatch:
    """Copies of one molecule in which absent atoms are saturated carbons.

    Args:
        graph: The molecule, ``N`` atoms.
        playing: Which atoms are present in each copy, ``copies x N``.
    """
    copies, count = playing.shape
    device = graph.device
    shift = torch.arange(copies, device=device).repeat_interleave(graph.num_edges) * count
    ends = graph.edge_index.repeat(1, copies) + shift
    atoms = playing.reshape(-1)
    bonds = atoms[ends[0]] | atoms[ends[1]]
    return replace(
        graph,
        x=torch.where(atoms[:, None], graph.x.repeat(copies, 1), _saturated(graph).repeat(copies, 1)),
        edge_index=ends,
        edge_attr=torch.where(bonds[:, None], graph.edge_attr.repeat(copies, 1), 0),
        batch=torch.arange(copies, device=device).repeat_interleave(count),
        ptr=torch.arange(copies + 1, device=device) * count,
        num_graphs=copies,
        y=None,
        columns={name: column.repeat(copies, *[1] * (column.dim() - 1)) for name, column in graph.columns.items()},
        atom_columns={
            name: column.repeat(copies, *[1] * (column.dim() - 1)) for name, column in graph.atom_columns.items()
        },
    )


def chosen_target(asked: str | None, names: Sequence[str]) -> str:
    """The target to explain.

    Args:
        asked: Its name; optional if there is only one.
        names: All targets.

    Raises:
        ConfigError: If there are several targets and none is named.
        OptionError: If there is no such target.
    """
    if asked is None and len(names) > 1:
        raise ConfigError(f"name one target ({mention('target')}): {', '.join(names)}.")
    name = names[0] if asked is None else asked
    if name not in names:
        raise OptionError("target", name, f"is unknown{suggest(name, names)}", f"Targets: {', '.join(names)}.")
    return name
