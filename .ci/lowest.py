"""Print the lower bounds of ``pyproject.toml`` as constraints for pip: the oldest version allowed of each package.

python .ci/lowest.py > constraints.txt
"""

import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def declared(project: dict[str, Any]) -> list[Requirement]:
    """All requirements of the package, those of its extras included.

    Args:
        project: The table ``project`` of ``pyproject.toml``.
    """
    texts = [*project["dependencies"], *(text for extra in project["optional-dependencies"].values() for text in extra)]
    return [Requirement(text) for text in texts]


def lowest(requirements: Iterable[Requirement]) -> dict[str, str]:
    """Lower bound of each requirement that has one, by canonical name.

    Args:
        requirements: The requirements; of several bounds of one package the highest counts.

    Example:
        >>> lowest(map(Requirement, ["torchjd[quadprog-projector]>=0.18", "Jinja2>=3.1,<4", "ruff"]))
        {'torchjd': '0.18', 'jinja2': '3.1'}
    """
    bounds: dict[str, str] = {}
    for requirement in requirements:
        name = str(canonicalize_name(requirement.name))
        for specifier in requirement.specifier:
            if specifier.operator == ">=":
                bounds[name] = max(bounds.get(name, "0"), specifier.version, key=Version)
    return bounds


def main() -> None:
    """Print a constraint per line."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    sys.stdout.writelines(f"{name}=={version}\n" for name, version in lowest(declared(project)).items())


if __name__ == "__main__":
    main()
