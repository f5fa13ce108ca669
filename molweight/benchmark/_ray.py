"""The runs of a study on Ray: this machine, or a cluster that is there already."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from molweight.benchmark._worker import Row, attempt, one_thread
from molweight.errors import ConfigError, OptionError

__all__ = ["RayCluster"]

T = TypeVar("T")


class RayCluster:
    """Runs the jobs as tasks of Ray, one core each; a task that dies takes no other with it.

    The machines of a cluster need molweight, and see the tables and the cache of generic pretraining through
    ``MOLWEIGHT_DATA`` and ``MOLWEIGHT_CACHE``, or make them again.

    Args:
        address: Address of a running cluster, e.g. ``"auto"`` or ``"ray://head:10001"``; ``None`` starts Ray here.
        workers: Cores to use where Ray is started here.

    Raises:
        ConfigError: If Ray is not installed, or the cluster cannot be reached.
    """

    def __init__(self, address: str | None = None, workers: int = 1) -> None:
        """Connect."""
        self._ray = _installed()
        options: dict[str, Any] = {}
        if address is None:  # one machine: nothing needs to be reached from outside
            options = {"num_cpus": workers, "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
        try:
            self._ray.init(address=address, ignore_reinit_error=True, log_to_driver=False, **options)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise OptionError("address", address, f"cannot be reached ({error})", "Start Ray first.") from error

    def map(self, work: Callable[[T], Row], items: Sequence[T]) -> Iterator[tuple[T, Row]]:
        """Do all of it.

        Args:
            work: What to do with each item.
            items: What to do it with.

        Yields:
            Each item with its row as soon as it is done; ``{"error": reason}`` where it failed or its process died.
        """
        task = self._ray.remote(num_cpus=1, max_retries=0)(_serve)
        pending = {task.remote(work, item): item for item in items}
        while pending:
            done, _ = self._ray.wait(list(pending), num_returns=1)
            for reference in done:
                yield pending.pop(reference), self._row(reference)

    def _row(self, reference: Any) -> Row:
        try:
            row: Row = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            return {"error": f"its task died: {' '.join(str(error).split())}"}
        return row


def _serve(work: Callable[[Any], Row], item: Any) -> Row:
    one_thread()
    return attempt(work, item)


def _installed() -> Any:
    try:
        import ray
    except ImportError as error:
        raise ConfigError("--executor ray needs Ray: pip install 'molweight[scale]'.") from error
    return ray
