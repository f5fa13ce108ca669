"""Time of ``molweight fit my.csv`` without further options, from an empty cache to the report.

python -m experiments.benchmarks.first_contact [--install] [--tables freesolv:200,bace:200,bace:1000] [--output ...]

``--install`` makes a new virtual environment with the commands of README.md first, reports the seconds, and fits in it.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from experiments._provenance import provenance, write_result
from molweight import datasets


def main() -> None:
    """Write each table, fit it in a new folder as a user would, print and write the seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", default="freesolv:200,bace:200,bace:1000", help="table:rows, by commas")
    parser.add_argument("--install", action="store_true", help="install molweight in a new environment first")
    parser.add_argument("--output", type=Path, default=Path("experiments/results/first_contact.json"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        installed = _install(Path(folder)) if options.install else {}
        commands = Path(folder, "bin") if options.install else Path(sys.executable).parent
        fits = [_fit(commands / "molweight", *part.split(":")) for part in options.tables.split(",")]
    write_result(options.output, {"installation": installed, "fits": fits, "provenance": provenance([0])})


def _install(environment: Path) -> dict[str, float]:
    """Seconds of each command of the README's installation, in a new environment without pip's cache."""
    python, root = str(environment / "bin" / "python"), Path(__file__).parents[2]
    pip = [python, "-m", "pip", "install", "--quiet", "--no-cache-dir"]
    commands = {
        "environment": [sys.executable, "-m", "venv", str(environment)],
        "torch": [*pip, "torch", "--constraint", "constraints.txt"],
        "molweight": [*pip, ".[minimol]"],
    }
    return {name: _seconds(command, root) for name, command in commands.items()}


def _seconds(command: list[str], folder: str | Path, **variables: str) -> float:
    """Seconds of a command that must succeed."""
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, env={**os.environ, **variables})
    return round(time.perf_counter() - started, 1)


def _fit(molweight: Path, table: str, rows: str) -> dict[str, Any]:
    data = datasets.load(table)
    lines = [f"{text},{label:g}" for text, label in zip(data.smiles, data.targets[:, 0], strict=True)]
    random.Random(0).shuffle(lines)  # noqa: S311 - no secret
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "my.csv").write_text("\n".join(["smiles,label", *lines[: int(rows)]]), encoding="utf-8")
        seconds = _seconds([str(molweight), "fit", "my.csv"], folder, MOLWEIGHT_CACHE=f"{folder}/cache")
        metrics = json.loads(Path(folder, "runs", "my", "metrics.json").read_text(encoding="utf-8"))
        reported = Path(folder, "runs", "my", "report.html").is_file()
    scores = {method["method"]: method["test"]["value"] for method in metrics["methods"]}
    return {"table": table, "rows": int(rows), "seconds": seconds, "report": reported, "test": scores}


if __name__ == "__main__":
    main()
