"""Names under which objectives, encoders, weightings, solvers and datasets are found."""

from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from molweight.errors import DuplicateNameError, UnknownNameError

__all__ = ["Registry"]

T = TypeVar("T")


class Registry(Generic[T]):
    """A mapping from name to class (or other object) that refuses duplicates and answers misses with the nearest names.

    Packages of third parties register through an entry-point group: each entry point of ``group`` is loaded on the
    first look-up, and what it names is registered under the entry point's name unless loading it did so already.

    Args:
        kind: What is registered, in the singular; used in messages.
        group: Entry-point group searched for registrations by other packages, e.g. ``"molweight.objectives"``.

    Example:
        >>> shapes = Registry[type]("shape")
        >>> @shapes.register("circle")
        ... class Circle: ...
        >>> shapes.get("circle") is Circle, shapes.available()
        (True, ['circle'])
    """

    def __init__(self, kind: str, group: str | None = None) -> None:
        """Start empty; entry points are read lazily, so importing molweight imports no plugin."""
        self.kind = kind
        self._group = group
        self._items: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that registers its argument under ``name``.

        Args:
            name: The name to register; lower case with underscores by convention.

        Returns:
            The decorator, which returns its argument unchanged.

        Raises:
            DuplicateNameError: If the name is taken by something else.
        """

        def decorate(item: T) -> T:
            self._add(name, item)
            return item

        return decorate

    def get(self, name: str) -> T:
        """What is registered under ``name``.

        Raises:
            UnknownNameError: If nothing is, with the nearest names.
        """
        self._load_entry_points()
        if name not in self._items:
            raise UnknownNameError(self.kind, name, self._items)
        return self._items[name]

    def available(self) -> list[str]:
        """All registered names, sorted."""
        self._load_entry_points()
        return sorted(self._items)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, sorted."""
        return iter(self.available())

    def __contains__(self, name: str) -> bool:
        """Whether ``name`` is registered."""
        return name in self.available()

    def _add(self, name: str, item: T) -> None:
        if self._items.get(name, item) is not item:
            raise DuplicateNameError(
                f"{self.kind} {name!r} is registered already, by {self._items[name]!r}. Choose another name."
            )
        self._items[name] = item

    def _load_entry_points(self) -> None:
        if self._group is None:
            return
        group, self._group = self._group, None
        for point in entry_points(group=group):
            item = point.load()
            if point.name not in self._items:
                self._add(point.name, item)
