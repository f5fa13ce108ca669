"""Faster index sums in an ONNX network, with identical results."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

__all__ = ["with_row_sums"]


def with_row_sums(path: Path) -> bytes:
    """An ONNX network in which sums over indices add whole rows.

    PyTorch exports ``index_add`` with one index per number, and onnxruntime then adds number by number. The same sum
    with one index per row adds the same numbers in the same order, so outputs are identical.

    Args:
        path: File of the network.

    Returns:
        The serialised network.

    Raises:
        ImportError: If the package ``onnx`` is missing.
    """
    import onnx

    model = onnx.load(path)
    graph = model.graph
    makers = {output: node for node in graph.node for output in node.output}
    for node in graph.node:
        if _adds_rows(node, makers):
            _use_row_indices(node, makers)
    _drop_unused(graph)
    serialised: bytes = model.SerializeToString()
    return serialised


def _adds_rows(node: "NodeProto", makers: dict[str, "NodeProto"]) -> bool:
    """Whether a node sums rows by indices that are an expanded column."""
    if node.op_type != "ScatterElements":
        return False
    options = {option.name: option for option in node.attribute}
    if "reduction" not in options or options["reduction"].s != b"add" or ("axis" in options and options["axis"].i != 0):
        return False
    index = makers.get(node.input[1])
    column = makers.get(index.input[0]) if index is not None and index.op_type == "Expand" else None
    return column is not None and column.op_type in ("Reshape", "Unsqueeze")


def _use_row_indices(node: "NodeProto", makers: dict[str, "NodeProto"]) -> None:
    node.op_type = "ScatterND"
    node.input[1] = makers[node.input[1]].input[0]
    for option in [option for option in node.attribute if option.name == "axis"]:
        node.attribute.remove(option)


def _drop_unused(graph: "GraphProto") -> None:
    """Remove expansions of indices that nothing reads any more."""
    read = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
    for node in [node for node in graph.node if node.op_type == "Expand" and not read.intersection(node.output)]:
        graph.node.remove(node)
