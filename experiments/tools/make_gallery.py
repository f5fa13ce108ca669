"""Fit the tables of the gallery with the default options, and put their reports into ``docs/gallery``.

    python -m experiments.tools.make_gallery [--output docs/gallery] [--only NAME]

Each fit is the command that ``docs/gallery.md`` shows. ``gallery.json`` names the commit, the machine and the seeds.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from experiments._provenance import provenance, write_result

ROOT: Final = Path(__file__).resolve().parents[2]
FITS: Final[dict[str, list[str]]] = {
    "freesolv": ["--data", "freesolv"],
    "bace": ["--data", "bace", "--split", "random"],
    "esol_with_sources": ["--data", "esol", "--aux", "freesolv,lipophilicity"],
}
"""Arguments of ``molweight fit``, by name of the report."""


def main() -> None:
    """Fit, and copy the reports."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "gallery", help="folder of the reports")
    parser.add_argument("--only", choices=FITS, help="one report; the others are kept")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "gallery.json"
    rows = json.loads(path.read_text(encoding="utf-8"))["reports"] if path.exists() else {}
    for name in [options.only] if options.only else FITS:
        rows[name] = {**provenance([0]), "fit": ["molweight", "fit", *FITS[name]], "scores": _fit(name, options.output)}
    write_result(path, {"reports": {name: rows[name] for name in FITS if name in rows}})


def _fit(name: str, output: Path) -> object:
    """Fit in a process of its own, copy the report, and return the scores."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "molweight", "fit", *FITS[name], "--name", name], cwd=folder, check=True)
        run = Path(folder, "runs", name)
        shutil.copyfile(run / "report.html", output / f"{name}.html")
        return json.loads((run / "metrics.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
