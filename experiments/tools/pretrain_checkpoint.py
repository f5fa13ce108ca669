"""Pretrain an encoder on millions of molecules, in several sessions if necessary, with intermediate checkpoints.

    python -m experiments.tools.pretrain_checkpoint --corpus corpus.smi.gz --output FOLDER [--encoder gin] [--width 128]
        [--layers 3] [--objectives a,b,c] [--visits 20] [--points 0.3,1,3,10,20] [--sitting SECONDS]

Equal weights on the objectives; learning rate with a linear warm-up over 1 % of the steps and then half a cosine down
to 1 %; the checkpoints hold an exponential moving average of the parameters (Tarvainen & Valpola, NeurIPS 2017), which
forgets the first steps. ``--visits`` and ``--points`` are millions of molecules.

On an interruption (Ctrl-C, SIGTERM) or at the end of a session, the state is written to ``FOLDER/state``, and the same
command resumes there, with the same result. The curve of the losses is ``FOLDER/curve.jsonl``. The checkpoint of every
point is ``FOLDER/VISITS``; ``experiments/studies/compare_checkpoints.py run --inits FOLDER/1 FOLDER/3`` judges them.
"""

import argparse
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch.optim.swa_utils import AveragedModel

from experiments._provenance import provenance
from molweight.datasets import load_corpus
from molweight.graphs import MoleculeDataset, attach_targets
from molweight.mlo import Loop, weightings
from molweight.models import Pretrainer
from molweight.models.internal import build_pretrainer
from molweight.options import Job
from molweight.runs import save_checkpoint
from molweight.runs.internal import molecules_digest
from molweight.seeding import seeded
from molweight.training import Session
from molweight.training._batches import Corpus
from molweight.training._pretrain import HealthLogger, PretrainingState, take_step
from molweight.training._state import Stage
from molweight.training.internal import Batches, generator_for

OBJECTIVES: Final = ("attribute_masking", "graphcl", "functional_groups", "descriptors", "fingerprint")
MILLION: Final = 1_000_000
WARM_UP: Final = 0.01
FLOOR: Final = 0.01
"""Learning rate of the last step, as a fraction of the peak."""
EVERY: Final = 100
"""Steps whose losses are averaged for the curve."""


@dataclass(frozen=True)
class Plan:
    """The plan of a run.

    Args:
        job: Encoder, objectives, batch size and largest learning rate; ``pretrain_steps`` is the length of the run.
        points: Steps after which a checkpoint is written, with the name of each.
        decay: Decay of the moving average.
        sitting: Seconds after which to stop; ``None`` for no limit.
    """

    job: Job
    points: dict[int, str]
    decay: float
    sitting: float | None

    def rate(self, step: int) -> float:
        """Learning rate of a step: a linear warm-up, then half a cosine.

        Example:
            >>> plan = Plan(Job(pretrain_steps=1000, pretrain_lr=1.0), {}, 0.999, None)
            >>> [round(plan.rate(step), 3) for step in (0, 9, 10, 505, 999)]
            [0.1, 1.0, 1.0, 0.505, 0.01]
        """
        steps = self.job.pretrain_steps
        warm = max(1, round(WARM_UP * steps))
        if step < warm:
            return self.job.pretrain_lr * (step + 1) / warm
        share = (step - warm) / max(1, steps - warm)
        return self.job.pretrain_lr * (FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * share)) / 2)


def averaged(model: Pretrainer, decay: float) -> AveragedModel:
    """A moving average of the parameters and buffers, which forgets the first steps."""

    def mean(kept: torch.Tensor, new: torch.Tensor, count: torch.Tensor | int) -> torch.Tensor:
        now = min(decay, (1 + int(count)) / (10 + int(count)))
        return kept.lerp(new, 1 - now) if kept.is_floating_point() else new

    return AveragedModel(model, avg_fn=mean, use_buffers=True)


class Pretraining:
    """A run that can be interrupted.

    Args:
        plan: Job, checkpoints and time limit of the run.
        corpus: The molecules.
        output: Folder of the checkpoints and states.
    """

    def __init__(self, plan: Plan, corpus: MoleculeDataset, output: Path) -> None:
        """Build the model and its loop, and resume from the saved state."""
        job = plan.job
        self.plan, self.output = plan, output
        names = list(job.objectives)
        with seeded(job.seed):
            self.model = build_pretrainer(job.encoder, job.encoder_options, names, job.objective_options)
        specs = [spec for name in names for spec in self.model.objective(name).targets]
        self.data = attach_targets(corpus, specs, progress=True)
        for name in names:
            self.model.objective(name).prepare(self.data.columns)
        batches = Batches(range(len(corpus)), job.batch_size, generator_for(job.seed, "general"))
        source = Corpus(self.data, batches, None, torch.Generator().manual_seed(job.seed))
        loop = Loop(
            dict(self.model.named_parameters()), {}, weightings.create("equal", names), pretrain_lr=job.pretrain_lr
        )
        self.state = PretrainingState(self.model, source, loop, None, HealthLogger(names, "pretraining"))
        self.average = averaged(self.model, plan.decay)
        about = {"options": job.options(), "decay": plan.decay, "corpus": molecules_digest(corpus)}
        self.stage: Stage = Session(output / "state", about).stage("generic")
        self._resume()

    def _resume(self) -> None:
        kept = self.stage.read()
        if kept is not None:
            self.state.load_state_dict(kept["pretraining"])
            self.average.load_state_dict(kept["average"])
            print(f"resuming after step {self.state.loop.steps}", flush=True)

    def kept(self) -> dict[str, Any]:
        """The state needed to resume exactly."""
        return {"pretraining": self.state.state(), "average": self.average.state_dict()}

    def run(self) -> bool:
        """Train until the end of the plan or of the session; returns whether all is done."""
        started, loop, steps = time.monotonic(), self.state.loop, self.plan.job.pretrain_steps
        with self.stage.interruptible():
            while loop.steps < steps:
                loop.pretrain_optimizer.param_groups[0]["lr"] = self.plan.rate(loop.steps)
                self.state.observe(take_step(self.model, self.state.corpus, loop, None))
                self.average.update_parameters(self.model)
                at_point = loop.steps in self.plan.points
                over = self.plan.sitting is not None and time.monotonic() - started >= self.plan.sitting
                if loop.steps % EVERY == 0 or at_point or over or self.stage.should_save:
                    self._record()
                if at_point:
                    self._save(self.plan.points[loop.steps])
                if over or at_point:
                    self.stage.write(self.kept())
                if over:
                    return loop.steps == steps
                self.stage.checkpoint(self.kept)
        return True

    def _record(self) -> None:
        """Mean losses since the last line of the curve."""
        self.state.flush(self.stage, report=True)
        rows = self.state.history
        if rows:
            means = {name: sum(row["losses"][name] for row in rows) / len(rows) for name in rows[0]["losses"]}
            line = {"step": self.state.loop.steps, "seconds": rows[-1]["seconds"], "losses": means}
            with (self.output / "curve.jsonl").open("a") as stream:
                stream.write(json.dumps(line) + "\n")
        self.state.history = []  # one record per step would make the state larger than the model

    def _save(self, name: str) -> None:
        """Write the average as a checkpoint, with its provenance in the card."""
        inner = self.average.module
        if not isinstance(inner, Pretrainer):
            raise TypeError(f"the average holds a {type(inner).__name__}")
        folder = self.output / name
        save_checkpoint(folder, self.plan.job, inner, self.data)
        about = {**provenance([self.plan.job.seed]), "molecule_visits": self.visits, "decay": self.plan.decay}
        card = (folder / "README.md").read_text(encoding="utf-8").replace("THIS_FOLDER", folder.name)
        told = f"{card}\n## Provenance\n\n```json\n{json.dumps(about, indent=1)}\n```\n"
        (folder / "README.md").write_text(told, encoding="utf-8")
        print(f"{name}: {self.visits} molecule visits", flush=True)

    @property
    def visits(self) -> int:
        """Number of molecules seen so far, including repetitions."""
        return self.state.loop.steps * self.state.corpus.batches.size


def plan_of(options: argparse.Namespace) -> Plan:
    """The plan from the command line."""
    steps = max(1, round(options.visits * MILLION / options.batch_size))
    points = {max(1, round(float(text) * MILLION / options.batch_size)): text for text in options.points.split(",")}
    names = options.objectives.split(",")
    job = Job(
        encoder=options.encoder,
        encoder_options={"layers": options.layers, "width": options.width},
        objectives=names,
        objective_options={"descriptors": {"kind": "fast"}} if "descriptors" in names else {},
        pretrain_steps=steps,
        batch_size=options.batch_size,
        pretrain_lr=options.lr,
        seed=options.seed,
        init="pretrain",
        device="cpu",
    )
    return Plan(job, {step: name for step, name in points.items() if step <= steps}, options.decay, options.sitting)


def arguments() -> argparse.ArgumentParser:
    """Options of the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", default="zinc", help="a corpus or a file")
    parser.add_argument("--corpus_size", type=int, default=None, help="how many of its molecules")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--encoder", default="gin")
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--objectives", default=",".join(OBJECTIVES))
    parser.add_argument("--visits", type=float, default=20.0, help="millions of molecules")
    parser.add_argument(
        "--points",
        default="0.3,1,3,10,20",
        help="write checkpoints after this many million molecules",
    )
    parser.add_argument("--batch_size", type=int, default=256)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--decay", type=float, default=0.999)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sitting", type=float, default=None, help="seconds after which to stop and keep the state")
    return parser


def main() -> None:
    """Pretrain, or resume."""
    options = arguments().parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    corpus = load_corpus(options.corpus, options.corpus_size, progress=True)
    done = Pretraining(plan_of(options), corpus, options.output).run()
    print("done" if done else "to resume: the same command")


if __name__ == "__main__":
    main()
