"""The runs of a study on Ray: on this machine or on an existing cluster."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from molweight.benchmark._worker import Row, attempt, one_thread
from molweight.errors import ConfigError, OptionError

__all__ = ["RayCluster"]

T = TypeVar("T")


class RayCluster:
    """Executor that runs each job as a Ray task on one core; if a task dies, only its run fails.

    The machines of a cluster need molweight. They find the tables and the cache of generic pretraining through
    ``MOLWEIGHT_DATA`` and ``MOLWEIGHT_CACHE``, or create them again.

    Args:
        address: Address of a running cluster, e.g. ``"auto"`` or ``"ray://head:10001"``; ``None`` starts Ray here.
        workers: Number of cores if Ray is started on this machine.

    Raises:
        ConfigError: If Ray is not installed, or the cluster cannot be reached.
    """

    def __init__(self, address: str | None = None, workers: int = 1) -> None:
        """Connect."""
        self._ray = _installed()
        options: dict[str, Any] = {}
        if address is None:  # on one machine no external access is needed
            options = {"num_cpus": workers, "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
        try:
            self._ray.init(address=address, ignore_reinit_error=True, log_to_driver=False, **options)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise OptionError("address", address, f"cannot be reached ({error})", "Start Ray first.") from error

    def map(self, work: Callable[[T], Row], items: Sequence[T]) -> Iterator[tuple[T, Row]]:
        """Run all items.

        Args:
            work: Function to call on each item.
            items: The items.

        Yields:
            Each item with its row as soon as it is done; ``{"error": reason}`` if it failed or its process died.
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
