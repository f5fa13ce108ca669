"""What a process of a team computes, written by the first one: ``work.py OUT``; see ``test_processes``."""

import copy
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from molweight import datasets, distributed, encoders, objectives
from molweight.encoders import _message_passing
from molweight.graphs import GraphBatch, MoleculeDataset, attach_targets
from molweight.mlo import Loop, LossFn, Params, solvers, weightings
from molweight.mlo._gradients import objective_gradients
from molweight.models import Predictor, Pretrainer

SHIPPED = [name for name in objectives.available() if objectives.get(name).__module__.startswith("molweight.")]
NAMES = [name for name in SHIPPED if not name.startswith(("graphmvp", "source"))]
FEW = ["graphcl", "functional_groups", "infomax", "attribute_masking"]


def pretrainer(names: list[str], corpus: MoleculeDataset, encoder: str = "gin", **options: Any) -> Pretrainer:
    torch.manual_seed(0)
    body = encoders.create(encoder, **{"layers": 2, "width": 8, **options})
    heads = {name: objectives.create(name, width=body.width) for name in names}
    for head in heads.values():
        head.prepare(dict(corpus.columns))
        head.attach({table: datasets.load(table) for table in head.tables})
    return Pretrainer(body, heads).double().train()


def doubled(batch: GraphBatch) -> GraphBatch:
    floats = {name: column.double() for name, column in batch.columns.items() if column.is_floating_point()}
    return replace(batch, columns={**batch.columns, **floats})


def leaves(model: torch.nn.Module) -> Params:
    return {name: tensor.detach().clone().requires_grad_() for name, tensor in model.named_parameters()}


def derivatives(model: Pretrainer, corpus: MoleculeDataset) -> Tensor:
    """Losses, gradient and hypergradient of all objectives, in one vector."""
    losses, params = model.draw(doubled(corpus.graphs(range(9))), torch.Generator().manual_seed(0)), leaves(model)
    size = sum(tensor.numel() for tensor in params.values())
    generator = torch.Generator().manual_seed(3)
    direction = torch.randn(size, generator=generator).double()
    weights = torch.rand(len(losses), generator=generator).double()
    block = sum(tensor.numel() for name, tensor in params.items() if name.startswith("encoder."))
    found = objective_gradients(losses, params, weights, direction, block=block)
    assert found.slopes is not None
    return torch.cat([found.losses, found.total, found.slopes])


def adam(variables: list[Tensor], lr: float) -> torch.optim.Optimizer:
    """Adam whose epsilon is above rounding errors.

    The gradient of a bias before batch normalisation is 0 up to rounding. The usual epsilon makes steps of it that
    depend on the order of sums, so that one process and two would differ by more than rounding.
    """
    return torch.optim.Adam(variables, lr, eps=1e-4)


def task_loss(task: Predictor, batch: GraphBatch) -> LossFn:
    def loss(params: Params) -> Tensor:
        value: Tensor = task.bound_loss(batch, None)(params)
        return value

    return loss


def steps(corpus: MoleculeDataset, table: MoleculeDataset, solver: str, **settings: float) -> Tensor:
    """Weights, hypergradients and parameters after two steps of all three levels."""
    model = pretrainer(FEW, corpus)
    torch.manual_seed(1)
    task = Predictor(copy.deepcopy(model.encoder), "regression", torch.zeros(1), torch.ones(1)).double()
    rule = weightings.create("tapweight", FEW)
    loop = Loop(leaves(model), leaves(task), rule, solver=solvers.create(solver, **settings), optimizer=adam)
    found: list[Tensor] = []
    for step in range(2):
        draw = torch.Generator().manual_seed(step)
        losses = model.draw(doubled(corpus.graphs(range(step, step + 8))), draw)
        train, meta = (task_loss(task, labelled(table, start + step)) for start in (0, 20))
        record = loop.step(losses, train, meta, solve_objectives=losses)
        assert record.hypergradient is not None
        assert record.next_weights is not None
        found += [record.losses, record.next_weights, record.hypergradient]
    return torch.cat([*found, *(tensor.detach().flatten() for tensor in loop.pretrained.values())])


def labelled(table: MoleculeDataset, start: int) -> GraphBatch:
    batch = table.graphs(range(start, start + 7))
    return replace(batch, y=None if batch.y is None else batch.y.double())


def main(output: str) -> None:
    team = distributed.start("cpu")
    _message_passing._FEWEST_MERGED = 0  # type: ignore[misc]  # equal atoms are merged in small batches, too
    specs = [spec for name in NAMES for spec in objectives.get(name).targets]
    corpus = attach_targets(datasets.load_corpus("zinc", size=40, n_jobs=1), specs)
    table = datasets.load("freesolv").subset(range(60))
    found = {"all objectives": derivatives(pretrainer(NAMES, corpus), corpus)}
    for name in ("dmpnn", "gin", "gps", "pna"):
        found[name] = derivatives(pretrainer(FEW, corpus, name), corpus)
    rest: dict[str, Any] = {"norm": "layer", "readout": "set2set", "jk": "concat", "virtual_node": True}
    found["layers"] = derivatives(pretrainer(FEW, corpus, **rest), corpus)
    found["identity"] = steps(corpus, table, "identity")
    found["cg"] = steps(corpus, table, "cg", iterations=4, damping=5.0)
    found["neumann"] = steps(corpus, table, "neumann", iterations=3, damping=5.0)
    if team is None or team.rank == 0:
        arrays: dict[str, Any] = {name: values.detach().numpy() for name, values in found.items()}
        np.savez(output, **arrays)
    if dist.is_initialized():
        dist.barrier()
    distributed.stop()


if __name__ == "__main__":
    main(sys.argv[1])
