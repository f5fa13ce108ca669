"""Time of ``molweight fit my.csv`` without further options, from an empty cache to the report.

python -m experiments.benchmarks.first_contact [--tables freesolv:200,bace:200,bace:1000] [--output ...]
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
    parser.add_argument("--output", type=Path, default=Path("experiments/results/first_contact.json"))
    options = parser.parse_args()
    fits = [_fit(*part.split(":")) for part in options.tables.split(",")]
    write_result(options.output, {"fits": fits, "provenance": provenance([0])})


def _fit(table: str, rows: str) -> dict[str, Any]:
    data = datasets.load(table)
    lines = [f"{text},{label:g}" for text, label in zip(data.smiles, data.targets[:, 0], strict=True)]
    random.Random(0).shuffle(lines)  # noqa: S311 - no secret
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "my.csv").write_text("\n".join(["smiles,label", *lines[: int(rows)]]), encoding="utf-8")
        started = time.perf_counter()
        command = [str(Path(sys.executable).parent / "molweight"), "fit", "my.csv"]
        subprocess.run(command, cwd=folder, check=True, env={**os.environ, "MOLWEIGHT_CACHE": f"{folder}/cache"})
        seconds = time.perf_counter() - started
        metrics = json.loads(Path(folder, "runs", "my", "metrics.json").read_text(encoding="utf-8"))
        reported = Path(folder, "runs", "my", "report.html").is_file()
    scores = {method["method"]: method["test"]["value"] for method in metrics["methods"]}
    return {"table": table, "rows": int(rows), "seconds": round(seconds, 1), "report": reported, "test": scores}


if __name__ == "__main__":
    main()
