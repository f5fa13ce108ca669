"""Time of ``molweight fit my.csv`` on a table of 200 rows, without further options, including the report.

python -m experiments.benchmarks.first_contact [--rows 200] [--output ...]
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from experiments._provenance import provenance, write_result
from molweight import datasets


def main() -> None:
    """Write a table, fit it in a new folder as a user would, print and write the seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--output", type=Path, default=Path("experiments/results/first_contact.json"))
    options = parser.parse_args()
    data = datasets.load("freesolv")
    rows = [f"{text},{label}" for text, label in zip(data.smiles, data.targets[:, 0], strict=True)][: options.rows]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "my.csv").write_text("\n".join(["smiles,solvation", *rows]), encoding="utf-8")
        started = time.perf_counter()
        command = [str(Path(sys.executable).parent / "molweight"), "fit", "my.csv"]
        subprocess.run(command, cwd=folder, check=True)
        seconds = time.perf_counter() - started
        metrics = json.loads(Path(folder, "runs", "my", "metrics.json").read_text(encoding="utf-8"))
        reported = Path(folder, "runs", "my", "report.html").is_file()
    scores = {method["method"]: method["test"]["value"] for method in metrics["methods"]}
    result = {"rows": len(rows), "seconds": seconds, "report": reported, "test": scores, "provenance": provenance([0])}
    write_result(options.output, result)


if __name__ == "__main__":
    main()
