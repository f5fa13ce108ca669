"""What pyproject.toml cannot say: `molweight` is a namespace package here."""

from setuptools import setup
from setuptools.command.build_py import build_py


class NamespaceBuild(build_py):
    """Leaves out ``molweight/__init__.py``, which belongs to the application that this is the core of."""

    def find_modules(self) -> list[tuple[str, str, str]]:
        """The modules of :file:`pyproject.toml`, without the package that setuptools adds for them."""
        return [found for found in super().find_modules() if found[1] != "__init__"]


setup(cmdclass={"build_py": NamespaceBuild})
