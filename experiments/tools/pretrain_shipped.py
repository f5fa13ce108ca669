"""Train the shipped checkpoint, ``gin_zinc_cip``: GIN 3x128, pretrained with equal weights on the ZINC sample.

    python -m experiments.tools.pretrain_shipped [--steps 2000] [--output molweight/runs/pretrained/gin_zinc_cip]

The four default objectives, batches of 128 of the 50,000 molecules of ZINC that are part of the package. After an
interruption, the same command resumes. It also writes the checkpoint's card: data, command, commit, machine, versions,
checksum, and the loss of each objective along the way.
"""

import argparse
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch

from experiments._provenance import provenance
from molweight.datasets import load_corpus
from molweight.graphs.internal import cache_root
from molweight.options import Job
from molweight.runs import save_checkpoint
from molweight.training import Session, generic_pretraining

MOST: Final = 8 * 2**20
"""Maximum size in bytes of a shipped checkpoint."""
EVERY: Final = 100
"""Steps whose losses are averaged for the card."""


class Losses:
    """Stores the losses of generic pretraining."""

    def __init__(self) -> None:
        """Nothing is seen yet."""
        self.rows: list[dict[str, float]] = []

    def log(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Keep those of a step."""
        del stage, step
        self.rows.append({name: value for name, value in values.items() if name.startswith("losses.")})

    def means(self) -> list[dict[str, float]]:
        """Means over blocks of steps."""
        blocks = [self.rows[start : start + EVERY] for start in range(0, len(self.rows), EVERY)]
        return [{name: sum(row[name] for row in rows) / len(rows) for name in rows[0]} for rows in blocks]


def card(losses: list[dict[str, float]], steps: int, size: int, sha256: str) -> str:
    """Additional text of the checkpoint's card."""
    about: dict[str, Any] = provenance([0])
    names = list(losses[0]) if losses else []
    head = "| steps | " + " | ".join(name.removeprefix("losses.") for name in names) + " |"
    chosen = sorted({0, len(losses) // 4, len(losses) // 2, len(losses) - 1}) if losses else []
    rows = [
        f"| {steps - (len(losses) - place - 1) * EVERY} | "
        + " | ".join(f"{losses[place][name]:.4f}" for name in names)
        + " |"
        for place in chosen
    ]
    return (
        f"## Provenance\n\n- `{about['command']}`, commit `{about['commit']}`, seed 0\n"
        f"- {about['machine']['processor']}, {about['machine']['cores']} threads, Python {about['machine']['python']}; "
        f"{', '.join(f'{name} {version}' for name, version in about['versions'].items())}\n"
        f"- `checkpoint.safetensors`: {size} bytes, SHA-256 `{sha256}`\n"
        "- License: that of molweight; ZINC is free to use.\n\n"
        f"Mean loss of each objective over {EVERY} steps up to the one named (of the session that finished):\n\n"
        + "\n".join([head, "|---" * (len(names) + 1) + "|", *rows])
        + "\n"
    )


def main() -> None:
    """Pretrain, write, check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--output", type=Path, default=Path("molweight/runs/pretrained/gin_zinc_cip"))
    options = parser.parse_args()
    job = Job(encoder_options={"layers": 3, "width": 128}, pretrain_steps=options.steps, batch_size=128, device="cpu")
    corpus, losses = load_corpus("zinc"), Losses()
    session = Session(cache_root() / "shipped", {"options": job.options()}, [losses])
    model, _ = generic_pretraining(job, corpus, torch.device("cpu"), progress=True, session=session)
    save_checkpoint(options.output, job, model, corpus)
    content = (options.output / "checkpoint.safetensors").read_bytes()
    if len(content) > MOST:
        raise SystemExit(f"{len(content)} bytes are more than {MOST}: take a smaller encoder.")
    above = (options.output / "README.md").read_text(encoding="utf-8").replace("THIS_FOLDER", options.output.name)
    below = card(losses.means(), options.steps, len(content), hashlib.sha256(content).hexdigest())
    (options.output / "README.md").write_text(f"{above}\n{below}", encoding="utf-8")
    session.clear()
    print(json.dumps({"bytes": len(content), "steps": options.steps}))


if __name__ == "__main__":
    main()
