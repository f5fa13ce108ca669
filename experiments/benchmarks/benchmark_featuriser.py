"""The featuriser against the bare parser and ogb's on 20,000 molecules of HIV, in one run; storage; loading.

    python -m experiments.benchmarks.benchmark_featuriser [--cuik PYTHON] [--output ...]

HIV is read from ``MOLWEIGHT_DATA`` or downloaded. The competitors take turns of 512 molecules, in an order that
rotates, so that other load affects all of them equally; the result is CPU time, with wall-clock time for information.
Two processes are compared with one in alternating turns over all molecules: the speed-up in wall-clock time holds for
two idle cores and varies on a busy machine. The CPU time of both processes together, compared with that of one, shows
the overhead of transferring molecules. Starting the processes, once per session, is not counted.

``--cuik`` names the interpreter of a separate environment with the package ``cuik-molmaker-pin``. Its featuriser is
compared with the parser of that RDKit, on the molecules that it can parse. Result (version 2026.3.6): it runs at nearly
the speed of the parser, but each release needs one exact release of RDKit; its features are one-hot or scaled floats,
not ogb's numbers; and a SMILES that cannot be parsed is left out without a reason. It is therefore not used.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OUTDATED_IGNORE", "1")  # ogb otherwise asks the package index for its newest version

from ogb.utils import smiles2graph
from rdkit import Chem, rdBase

from experiments._provenance import provenance, write_result
from molweight.datasets import load
from molweight.graphs import featurize

COUNT = 20_000
TURN = 512
ROUNDS = 5
CUIK = """
import json, sys, time
import cuik_molmaker as cuik
from rdkit import Chem, RDLogger, rdBase
RDLogger.DisableLog("rdApp.*")
smiles = [text for text in json.load(sys.stdin) if Chem.MolFromSmiles(text) is not None]
atoms = cuik.atom_onehot_feature_names_to_array(
    ["num-hydrogens", "chirality", "total-degree", "hybridization-expanded"])
numbers = cuik.atom_float_feature_names_to_array(
    ["atomic-number", "formal-charge", "radical-electron", "aromatic", "in-ring"])
bonds = cuik.bond_feature_names_to_array(["bond-type-float", "stereo", "conjugated"])
def ours(part):
    return cuik.batch_mol_featurizer(part, atoms, numbers, bonds, False, False, False, False)
def parse(part):
    return [Chem.MolFromSmiles(text) for text in part] and None
taken = {"parse": 0.0, "cuik": 0.0}
for number, start in enumerate(range(0, len(smiles), TURN)):
    order = [("parse", parse), ("cuik", ours)]
    for name, work in order[number % 2:] + order[:number % 2]:
        before = time.process_time()
        work(smiles[start:start + TURN])
        taken[name] += time.process_time() - before
print(json.dumps({"molecules": len(smiles), "parse_cpu_seconds": taken["parse"], "cuik_cpu_seconds": taken["cuik"],
                  "cuik_over_parse": taken["parse"] / taken["cuik"], "rdkit": rdBase.rdkitVersion}))
"""


def parse(part: Sequence[str]) -> None:
    """Bare parsing; each molecule is thrown away at once."""
    for text in part:
        Chem.MolFromSmiles(text)


def ours(part: Sequence[str]) -> None:
    """Parsing, features, and the arrays of the columnar store."""
    featurize(part, n_jobs=1)


def ogb(part: Sequence[str]) -> None:
    """Ogb's featuriser; HIV's 7 rows without a valid molecule are left out."""
    for text in part:
        smiles2graph(text)


def per_core(smiles: Sequence[str]) -> dict[str, Any]:
    """Molecules per second of CPU time and of wall-clock time, and the ratios of CPU time."""
    competitors: list[tuple[str, Callable[[Sequence[str]], None]]] = [("parse", parse), ("ours", ours), ("ogb", ogb)]
    cpu, wall = ({name: 0.0 for name, _ in competitors} for _ in range(2))
    with rdBase.BlockLogs():
        for number, start in enumerate(range(0, len(smiles), TURN)):
            shift = number % len(competitors)
            for name, work in competitors[shift:] + competitors[:shift]:
                before = time.process_time(), time.perf_counter()
                work(smiles[start : start + TURN])
                cpu[name] += time.process_time() - before[0]
                wall[name] += time.perf_counter() - before[1]
    rates = {f"{name}_per_cpu_second": len(smiles) / seconds for name, seconds in cpu.items()}
    return rates | {
        "ours_over_parse": cpu["parse"] / cpu["ours"],
        "ours_over_ogb": cpu["ogb"] / cpu["ours"],
        "ours_over_parse_wall": wall["parse"] / wall["ours"],
        "ours_over_ogb_wall": wall["ogb"] / wall["ours"],
    }


def cpu_of_all() -> float:
    """CPU seconds of this process and of its living descendants."""
    return _cpu(os.getpid())


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = {int(child) for task in tasks for child in (task / "children").read_text().split()}
    except (FileNotFoundError, ProcessLookupError):  # the process has just ended
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") + sum(map(_cpu, children))


def two_processes(smiles: Sequence[str], rounds: int = ROUNDS) -> dict[str, Any]:
    """One process against two: wall-clock and CPU seconds, medians over alternating turns."""
    featurize(smiles, n_jobs=2)  # starts the processes
    wall: dict[int, list[float]] = {1: [], 2: []}
    cpu: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(rounds):
        for jobs in (1, 2):
            before = cpu_of_all(), time.perf_counter()
            featurize(smiles, n_jobs=jobs)
            cpu[jobs].append(cpu_of_all() - before[0])
            wall[jobs].append(time.perf_counter() - before[1])
    middle = {jobs: (statistics.median(wall[jobs]), statistics.median(cpu[jobs])) for jobs in (1, 2)}
    return {
        "wall_seconds_1": wall[1],
        "wall_seconds_2": wall[2],
        "speed_up_wall_median": middle[1][0] / middle[2][0],
        "speed_up_wall_best": min(wall[1]) / min(wall[2]),
        "cpu_seconds_1": cpu[1],
        "cpu_seconds_2": cpu[2],
        "speed_up_on_two_free_cores_by_cpu": 2 * middle[1][1] / middle[2][1],
    }


def loading() -> dict[str, Any]:
    """Storage, and seconds for a table that is featurised already: reading the CSV, checking it, mapping the arrays."""
    data = load("hiv")
    before = time.process_time(), time.perf_counter()
    again = load("hiv")
    spent = time.process_time() - before[0], time.perf_counter() - before[1]
    stored = sum(path.stat().st_size for path in again.folder.glob("*.npy")) if again.folder else 0
    return {
        "molecules": len(data),
        "load_again_cpu_seconds": spent[0],
        "load_again_wall_seconds": spent[1],
        "bytes_per_molecule": stored / len(data),
    }


def cuik(python: str, smiles: Sequence[str]) -> dict[str, Any]:
    """cuik-molmaker against the parser of its own RDKit."""
    code = CUIK.replace("TURN", str(TURN))
    run = subprocess.run([python, "-c", code], input=json.dumps(smiles), capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cuik", default=None, help="interpreter of an environment with cuik-molmaker-pin")
    parser.add_argument("--output", type=Path, default=Path("experiments/results/featuriser.json"))
    options = parser.parse_args()
    started = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as cache:
        os.environ["MOLWEIGHT_CACHE"] = cache
        loaded = loading()
        smiles = list(load("hiv").smiles[:COUNT])
    result = {
        "molecules": f"first {COUNT} of hiv that RDKit parses",
        "per_core": per_core(smiles),
        "two_processes": two_processes(smiles),
        "cached_table": loaded,
        "cuik_molmaker": cuik(options.cuik, smiles) if options.cuik else None,
        "load_average": {"before": started, "after": os.getloadavg()[0]},
        "provenance": provenance([0]),
    }
    write_result(options.output, result)


if __name__ == "__main__":
    main()
