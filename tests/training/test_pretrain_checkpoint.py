"""Pretraining over several sittings ends where one sitting ends, bit for bit."""

import json
import os
import subprocess
import sys
from pathlib import Path

from safetensors.numpy import load_file

ROOT = Path(__file__).resolve().parents[2]
SMALL = (
    *("--corpus", "zinc", "--corpus_size", "48", "--layers", "1", "--width", "8", "--batch_size", "16"),
    *("--objectives", "attribute_masking,functional_groups", "--visits", "0.000096", "--points", "0.000048,0.000096"),
)


SAID = ("done", "to resume: the same command", "resuming after step 1")
CODE = """
import sys
from experiments.tools.pretrain_checkpoint import main

small, (one, two) = sys.argv[1:-2], sys.argv[-2:]
for further in (["--output", one], ["--output", two, "--sitting", "0"], ["--output", two]):
    sys.argv[1:] = [*small, *further]
    main()
"""


def test_sittings_do_not_change_the_result(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CODE, *SMALL, str(tmp_path / "one"), str(tmp_path / "two")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    said = [line for line in run.stdout.splitlines() if line in SAID]
    assert said == ["done", "to resume: the same command", "resuming after step 1", "done"]
    for point in ("0.000048", "0.000096"):
        one, two = (load_file(tmp_path / name / point / "checkpoint.safetensors") for name in ("one", "two"))
        assert all((one[name] == two[name]).all() for name in one)
    first, last = (load_file(tmp_path / "one" / point / "checkpoint.safetensors") for point in ("0.000048", "0.000096"))
    assert any((first[name] != last[name]).any() for name in first)
    curve = [json.loads(line) for line in (tmp_path / "one" / "curve.jsonl").read_text().splitlines()]
    assert [line["step"] for line in curve] == [3, 6]
    card = (tmp_path / "one" / "0.000096" / "README.md").read_text()
    assert '"molecule_visits": 96' in card
    assert f"--init {'0.000096'}" in card
