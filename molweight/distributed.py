"""Several processes that compute one job: sums, copies and parts of tensors, differentiable to any order.

Every process holds the whole job: the same parameters, batches and random numbers. Only encoders divide their work
(:mod:`molweight.encoders`): each process encodes its share of the molecules, and every process receives all vectors.
Losses, solves, hypergradients and weights are therefore those of the global batch, and their code is independent of the
number of processes.

A tensor is therefore either *whole*, equal in all processes, or a *share*. Four linear operations convert between the
two. They form two pairs of transposes, so the derivative of each one, in reverse and forward mode, is again one of the
four: :func:`spread` and :func:`total`, :func:`part` and :func:`gather`. Megatron-LM (Shoeybi et al., arXiv 1909.08053)
calls the first pair f and g; it needs first derivatives only.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import torch
import torch.distributed as dist
from torch import Tensor

from molweight.errors import ConfigError, TrainingError

__all__ = [
    "Team",
    "alone",
    "each",
    "gather",
    "of_first",
    "own_folder",
    "part",
    "share_file",
    "spread",
    "spread_all",
    "start",
    "stop",
    "team",
    "total",
]

Span = tuple[int, int]
"""First row of a share, and the row after its last."""

_WAIT: Final = timedelta(minutes=30)
"""How long a process waits for the others before it ends with an error."""
_alone: ContextVar[bool] = ContextVar("alone", default=False)
_scratch: dict[str, str] = {}
"""The temporary folder of a process other than the first, once created."""


@dataclass(frozen=True)
class Team:
    """The processes of a job.

    Args:
        rank: Number of this process, from 0.
        size: Number of processes.
    """

    rank: int
    size: int


def team() -> Team | None:
    """The processes that share this job; ``None`` for a single one, and inside :func:`alone`.

    Example:
        >>> team() is None  # torch.distributed is not initialised
        True
    """
    if not (dist.is_available() and dist.is_initialized()) or _alone.get():
        return None
    size = dist.get_world_size()
    return Team(dist.get_rank(), size) if size > 1 else None


@contextmanager
def alone() -> Iterator[None]:
    """Context in which each process computes everything by itself.

    Yields:
        Nothing.
    """
    token = _alone.set(True)
    try:
        yield
    finally:
        _alone.reset(token)


def start(device: str) -> Team | None:
    """Join the processes that ``torchrun`` started; does nothing for a single process or without ``torchrun``.

    Args:
        device: The option of a job. With CUDA, each process uses the device of its ``LOCAL_RANK``, and the backend is
            NCCL; otherwise it is gloo.

    Raises:
        ConfigError: If there are fewer CUDA devices than processes on this machine, or the processes cannot connect.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or "RANK" not in os.environ:  # noqa: PLR2004 - several
        return None
    cuda = device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())
    if cuda:
        local = int(os.environ.get("LOCAL_RANK", "0"))
        if local >= torch.cuda.device_count():
            raise ConfigError(
                f"torchrun started process {local + 1} on a machine with {torch.cuda.device_count()} CUDA devices. "
                "Start one process per device, or use the CPU: --device cpu."
            )
        torch.cuda.set_device(local)
    try:
        dist.init_process_group("nccl" if cuda else "gloo", timeout=_WAIT)
    except (RuntimeError, ValueError) as error:
        raise ConfigError(
            f"the processes that torchrun started cannot connect to each other ({' '.join(str(error).split())[:300]}). "
            "Check MASTER_ADDR and MASTER_PORT."
        ) from error
    return team()


def stop() -> None:
    """Leave the process group, and remove this process's temporary folder."""
    for folder in _scratch.values():
        shutil.rmtree(folder, ignore_errors=True)
    _scratch.clear()
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def own_folder(folder: Path) -> Path:
    """The folder to which this process writes: ``folder`` for the first process, a temporary folder for the others.

    Args:
        folder: The folder of a run or checkpoint.
    """
    found = team()
    if found is None or found.rank == 0:
        return folder
    if "folder" not in _scratch:
        _scratch["folder"] = tempfile.mkdtemp(prefix="molweight-")
    return Path(_scratch["folder"]) / folder.name


def share_file(path: Path) -> None:
    """Copy the file at ``path``, or its absence, from the first process to all others; all processes must call this.

    Args:
        path: The file, in the folder of each process (:func:`own_folder`).
    """
    found = team()
    if found is None:
        return
    content = path.read_bytes() if found.rank == 0 and path.exists() else b""
    size = _summed(torch.tensor([len(content)]))
    data = torch.zeros(int(size), dtype=torch.uint8)
    if content:
        data = torch.frombuffer(bytearray(content), dtype=torch.uint8)
    if len(data):
        data = _summed(data)
    if found.rank == 0:
        return
    path.unlink(missing_ok=True)
    if len(data):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.numpy().tobytes())


def of_first(value: float) -> float:
    """The value that the first process has; all processes must call this.

    For decisions that depend on a clock: processes that decided differently would wait for each other in vain.

    Args:
        value: A number, such as a time.

    Example:
        >>> of_first(1.5)  # a single process
        1.5
    """
    found = team()
    if found is None:
        return value
    return float(_summed(torch.tensor([value if found.rank == 0 else 0.0], dtype=torch.float64)))


def spread(whole: Tensor) -> Tensor:
    """A whole tensor, to be used with a share of the molecules; its gradient is the sum over the processes."""
    found: Tensor = _apply(_Spread, whole)
    return found


def spread_all(whole: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """:func:`spread` of many tensors, whose gradients are summed in one piece: each sum waits for all processes.

    Args:
        whole: The tensors by name, at least one for each type among them.
    """
    found: dict[str, Tensor] = {}
    for kind in dict.fromkeys(tensor.dtype for tensor in whole.values()):
        own = {name: tensor for name, tensor in whole.items() if tensor.dtype == kind}
        flat = spread(torch.cat([tensor.reshape(-1) for tensor in own.values()]))
        parts = torch.split(flat, [tensor.numel() for tensor in own.values()])
        found |= {name: part.view(own[name].shape) for name, part in zip(own, parts, strict=True)}
    return found


def each(share: Tensor) -> Tensor:
    """The tensors of all processes, equal in shape, stacked into a whole tensor."""
    found = team() or Team(0, 1)
    return gather(share[None], (found.rank, found.rank + 1), found.size)


def total(share: Tensor) -> Tensor:
    """The whole sum of the shares of all processes, equal in shape; each process gets the gradient unchanged."""
    found: Tensor = _apply(_Total, share)
    return found


def part(whole: Tensor, span: Span) -> Tensor:
    """Rows of a whole tensor, as the share of this process."""
    found: Tensor = _apply(_Part, whole, span)
    return found


def gather(share: Tensor, span: Span, rows: int) -> Tensor:
    """Gather the rows of all processes, ``rows x ...``.

    Args:
        share: The rows of this process.
        span: Their positions.
        rows: Number of rows of all processes together.
    """
    found: Tensor = _apply(_Gather, share, span, rows)
    return found


def _summed(share: Tensor) -> Tensor:
    """The sum over the processes.

    Raises:
        TrainingError: If another process has ended or does not answer.
    """
    return _sum_in_place(share.detach().clone(memory_format=torch.contiguous_format))


def _sum_in_place(share: Tensor) -> Tensor:
    place = torch.device("cuda", torch.cuda.current_device()) if dist.get_backend() == "nccl" else torch.device("cpu")
    moved = share.to(place)
    try:
        dist.all_reduce(moved)
    except RuntimeError as error:
        raise TrainingError(
            "another process of this job has ended, or has not responded for half an hour. See that process's message "
            "for the cause; then run the same torchrun command again."
        ) from error
    return moved.to(share.device)


def _filled(share: Tensor, span: Span, rows: int) -> Tensor:
    filled = share.new_zeros(rows, *share.shape[1:])
    filled[span[0] : span[1]] = share
    return filled


def _apply(function: type[torch.autograd.Function], *arguments: Any) -> Any:
    return function.apply(*arguments)  # type: ignore[no-untyped-call]  # torch's own


class _Spread(torch.autograd.Function):
    @staticmethod
    def forward(whole: Tensor) -> Tensor:
        return whole.view_as(whole)

    @staticmethod
    def setup_context(_ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(_ctx: Any, *gradients: Any) -> Any:
        return _apply(_Total, gradients[0])

    @staticmethod
    def jvp(_ctx: Any, *tangents: Any) -> Any:
        return tangents[0].view_as(tangents[0])


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(share: Tensor) -> Tensor:
        return _summed(share)

    @staticmethod
    def setup_context(_ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(_ctx: Any, *gradients: Any) -> Any:
        return _apply(_Spread, gradients[0])

    @staticmethod
    def jvp(_ctx: Any, *tangents: Any) -> Any:
        return _apply(_Total, tangents[0])


class _Part(torch.autograd.Function):
    @staticmethod
    def forward(whole: Tensor, span: Span) -> Tensor:
        return whole[span[0] : span[1]].clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, _output: Any) -> None:
        ctx.span, ctx.rows = inputs[1], len(inputs[0])

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return _apply(_Gather, gradients[0], ctx.span, ctx.rows), None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        return _apply(_Part, tangents[0], ctx.span)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(share: Tensor, span: Span, rows: int) -> Tensor:
        return _sum_in_place(_filled(share, span, rows))

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, _output: Any) -> None:
        ctx.span, ctx.rows = inputs[1:]

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return _apply(_Part, gradients[0], ctx.span), None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        return _apply(_Gather, tangents[0], ctx.span, ctx.rows)
