"""The bridge to PyG's own batch class."""

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from molweight.graphs._batch import GraphBatch

__all__ = ["to_pyg"]


def to_pyg(graphs: GraphBatch, edge_ptr: Tensor) -> Batch:
    """A PyG ``Batch`` that shares the tensors of ``graphs``.

    The boundaries that PyG's collation records (``_slice_dict``, ``_inc_dict``) are filled in as well, so that
    ``batch[i]`` and ``to_data_list()`` take it apart again.

    Args:
        graphs: The batch to convert.
        edge_ptr: First edge of each molecule and the total, ``G + 1`` int64, on the host.
    """
    atom_ptr = graphs.ptr.cpu()
    rows, none = torch.arange(graphs.num_graphs + 1), torch.zeros(graphs.num_graphs, dtype=torch.long)
    fields = {"x": graphs.x, "edge_index": graphs.edge_index, "edge_attr": graphs.edge_attr}
    fields |= {**graphs.columns, **graphs.atom_columns}
    if graphs.y is not None:
        fields["y"] = graphs.y
    slices = {"x": atom_ptr, "edge_index": edge_ptr, "edge_attr": edge_ptr}
    slices |= dict.fromkeys(graphs.atom_columns, atom_ptr)
    batch = Batch(_base_cls=Data, **fields, batch=graphs.batch, ptr=graphs.ptr)
    batch._num_graphs = graphs.num_graphs  # noqa: SLF001 - what PyG's collate sets, for want of a public way
    batch._slice_dict = {name: slices.get(name, rows) for name in fields}  # noqa: SLF001 - likewise
    batch._inc_dict = {  # noqa: SLF001 - likewise
        name: atom_ptr[:-1] if name == "edge_index" else none for name in fields
    }
    return batch
