"""Registries of objectives, encoders, weightings, solvers and datasets."""

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from importlib.metadata import EntryPoint, entry_points
from types import FunctionType, ModuleType
from typing import Any, Final, Generic, TypeVar, overload
from weakref import WeakSet

from molweight.arguments import construct
from molweight.errors import ConfigError, DuplicateNameError, UnknownNameError

__all__ = ["Registry", "registering_modules"]

T = TypeVar("T")
R = TypeVar("R")

_FAILURES: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    MemoryError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    SystemExit,
    TypeError,
    ValueError,
)
"""Errors that a third-party package may raise while it is imported."""
_MAIN: Final = ("__main__", "__mp_main__")
"""Names of the module that a process runs as a script or notebook; no other process can import it."""


class Registry(Generic[T]):
    """A mapping from name to class (or other object); refuses duplicates, suggests the nearest known names.

    A definition that is run again, such as the cell of a notebook or a reloaded module, is no duplicate: an object from
    the same place in the same module replaces the earlier one.

    Third-party packages register through an entry-point group. Each entry point of ``group`` is loaded on the first
    look-up, and its object is registered under the entry point's name, unless loading it has done so already. An entry
    point may also name a module that registers the name on import.

    Args:
        kind: Kind of the entries, in the singular; used in messages.
        group: Entry-point group searched for registrations by other packages, e.g. ``"molweight.objectives"``.
        base: Required base class of all entries.
        check: Called with each new name and object; raises an error to refuse it.
        given: Parameters that the calling code fills in, such as the width of an encoder's vectors. They are not user
            options.

    Example:
        >>> shapes = Registry[type]("shape")
        >>> @shapes.register("circle")
        ... class Circle: ...
        >>> shapes.get("circle") is Circle, shapes.available()
        (True, ['circle'])
        >>> shapes.create("circle", radius=2)
        Traceback (most recent call last):
            ...
        molweight.errors.ConfigError: shape 'circle' has no option 'radius'. Options: none.
    """

    def __init__(
        self,
        kind: str,
        group: str | None = None,
        *,
        base: type | None = None,
        check: Callable[[str, T], None] | None = None,
        given: tuple[str, ...] = (),
    ) -> None:
        """Create an empty registry; entry points are read lazily, so importing molweight imports no plug-in."""
        self.kind = kind
        self._group = group
        self._base, self._check, self._given = base, check, given
        self._items: dict[str, T] = {}
        self._imported: dict[str, str] = {}
        _registries.add(self)

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that registers its argument under ``name``.

        Args:
            name: The name to register; lower case with underscores by convention.

        Returns:
            The decorator, which returns its argument unchanged. It raises :class:`molweight.errors.DuplicateNameError`
            if the name is already taken by another definition, and :class:`molweight.errors.ConfigError` if the name
            cannot be typed on the command line or its argument is refused.
        """

        def decorate(item: T) -> T:
            self._add(name, item)
            self._imported[name] = _running_module()
            return item

        return decorate

    def get(self, name: str) -> T:
        """The entry registered under ``name``.

        Raises:
            UnknownNameError: If there is no such entry, with the nearest names.
        """
        self._load_entry_points()
        if name not in self._items:
            raise UnknownNameError(self.kind, name, self._items)
        return self._items[name]

    @overload
    def create(self: "Registry[type[R]]", name: str, /, *given: Any, **options: Any) -> R: ...

    @overload
    def create(self: "Registry[Callable[..., R]]", name: str, /, *given: Any, **options: Any) -> R: ...

    def create(self, name: str, /, *given: Any, **options: Any) -> Any:
        """Create an instance of the class, or call the function, registered under ``name``.

        Args:
            name: One of :meth:`available`.
            *given: Values of the parameters that the caller fills in, in their order; they may also be passed by name.
            **options: Options of the class or function; see its documentation.

        Raises:
            UnknownNameError: If nothing is registered under ``name``, with the nearest names.
            ConfigError: If an option is unknown, missing, of the wrong kind or out of range.
        """
        fixed = dict(zip(self._given, given, strict=False))
        fixed |= {key: options.pop(key) for key in self._given if key in options}
        factory: Any = self.get(name)
        return construct(self.kind, name, factory, options, fixed=fixed)

    def available(self) -> list[str]:
        """All registered names, sorted."""
        self._load_entry_points()
        return sorted(self._items)

    def modules(self) -> set[str]:
        """Names of the modules whose import registers the objects, without those of entry points not loaded yet.

        For objects that a script or a notebook registers, and for those of entry points, the modules that define them.
        """
        found: set[str] = set()
        for name, item in self._items.items():
            module = self._imported.get(name, "")
            found |= {module} if module and module not in _MAIN else {origin for origin, _ in _origin(item)}
        return found

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, sorted."""
        return iter(self.available())

    def __contains__(self, name: str) -> bool:
        """Whether ``name`` is registered."""
        return name in self.available()

    def _add(self, name: str, item: T, by: str = "") -> None:
        if not re.fullmatch(r"[\w.-]+", name):
            raise ConfigError(f"{self.kind} {name!r}: a name is made of letters, digits and underscores.")
        if name in self._items and not _same_definition(self._items[name], item):
            raise DuplicateNameError(
                f"{self.kind} {name!r}{by} is registered already, by {self._items[name]!r}. Choose another name."
            )
        if self._base is not None and not (isinstance(item, type) and issubclass(item, self._base)):
            raise ConfigError(f"{self.kind} {name!r}{by} must be a subclass of {self._base.__name__}, not {item!r}.")
        if self._check is not None:
            self._check(name, item)
        self._items[name] = item

    def _load_entry_points(self) -> None:
        if self._group is None:
            return
        group, self._group = self._group, None  # set first, because a loaded module may look up names
        done = False
        try:
            for point in entry_points(group=group):
                self._load(point)
            done = True
        finally:
            if not done:
                self._group = group  # so that the next look-up fails as well

    def _load(self, point: EntryPoint) -> None:
        by = f" of the package {point.dist.name!r}" if point.dist is not None else ""
        try:
            item = point.load()
        except _FAILURES as error:
            told = f"it called sys.exit({error.code!r})" if isinstance(error, SystemExit) else str(error)
            raise ConfigError(
                f"{self.kind} {point.name!r}{by}: its entry point {point.value!r} cannot be loaded: "
                f"{told or type(error).__name__}. Repair the package or uninstall it."
            ) from error
        if not isinstance(item, ModuleType):
            self._add(point.name, item, by)
        elif point.name not in self._items:
            raise ConfigError(f"{self.kind} {point.name!r}{by}: importing {point.value!r} does not register that name.")


_registries: Final = WeakSet[Registry[Any]]()


def registering_modules() -> list[str]:
    """Modules of others that register objects and that another process can import, sorted.

    Entry points that are not loaded yet are not included: every process finds them.
    """
    found = {module for registry in _registries for module in registry.modules()}
    return sorted(name for name in found if name.partition(".")[0] != "molweight" and name not in _MAIN)


def _running_module() -> str:
    """Name of the module whose top-level code is running, i.e. being imported or run as a script; empty if none is."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_name != "<module>":
        frame = frame.f_back
    return "" if frame is None else str(frame.f_globals.get("__name__", ""))


def _same_definition(old: object, new: object) -> bool:
    """Whether ``new`` is ``old``, or the result of running its definition again."""
    origin = _origin(new)
    # All lambdas of a module have one name.
    named = bool(origin) and not any(name.endswith("<lambda>") for _, name in origin)
    return old is new or (named and type(old) is type(new) and _origin(old) == origin)


def _origin(item: object) -> list[tuple[str, str]]:
    """Module and name of a class or function, or of those in the fields of a dataclass; empty if there are none."""
    if isinstance(item, type | FunctionType):
        return [(item.__module__, item.__qualname__)]
    if is_dataclass(item):
        return [place for field in fields(item) for place in _origin(getattr(item, field.name))]
    return []
