"""The bridge to PyG's own batch class."""

import torch
from torch_geometric.data import Batch, Data

from molweight.graphs._batch import GraphBatch

__all__ = ["to_pyg"]


def to_pyg(graphs: GraphBatch) -> Batch:
    """A PyG ``Batch`` that shares the tensors of ``graphs``.

    The boundaries that PyG's collation records (``_slice_dict``, ``_inc_dict``) are filled in as well, so that
    ``batch[i]`` and ``to_data_list()`` take it apart again.

    Args:
        graphs: The batch to convert.
    """
    atoms = graphs.ptr
    edges = torch.searchsorted(graphs.batch[graphs.edge_index[0]], torch.arange(graphs.num_graphs + 1).to(atoms))
    rows = torch.arange(graphs.num_graphs + 1)
    none = torch.zeros(graphs.num_graphs, dtype=torch.long)
    fields = {"x": graphs.x, "edge_index": graphs.edge_index, "edge_attr": graphs.edge_attr, **graphs.columns}
    if graphs.y is not None:
        fields["y"] = graphs.y
    slices = {"x": atoms.cpu(), "edge_index": edges.cpu(), "edge_attr": edges.cpu()}
    batch = Batch(_base_cls=Data, **fields, batch=graphs.batch, ptr=graphs.ptr)
    batch._num_graphs = graphs.num_graphs  # noqa: SLF001 - what PyG's collate sets, for want of a public way
    batch._slice_dict = {name: slices.get(name, rows) for name in fields}  # noqa: SLF001 - likewise
    batch._inc_dict = {  # noqa: SLF001 - likewise
        name: atoms[:-1].cpu() if name == "edge_index" else none for name in fields
    }
    return batch
