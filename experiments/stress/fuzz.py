"""Fuzzing: no user input may end in a traceback.

    python -m experiments.stress.fuzz [--count 10000] [--seed 0] [--output ...]
    python -m experiments.stress.fuzz --seed 0 --case 1234      # one case again, with what it printed
    python -m experiments.stress.fuzz --journal fuzz.jsonl      # resumes at the case it was interrupted in

Each case is a command line with odd options, or a configuration, a table, a split or a saved run that was damaged at
random. It is run in this process through the command line's entry point, in a folder with a few valid files. A case is
a failure if it raises anything, if its exit status is not 0, 2 or 130, or if an error is not one paragraph that begins
with ``molweight: ``. A case that takes more than ``--seconds`` gets the signal of Ctrl-C, which has to end it as usual.

A case depends on the seed and its number alone.
"""

import argparse
import contextlib
import io
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import yaml
from tqdm import tqdm

from experiments._provenance import provenance
from experiments.stress._fuzz_material import (
    OPTIONS_OF,
    TINY,
    Material,
    damage_bytes,
    damage_text,
    damage_tree,
    odd_value,
    prepare,
)
from experiments.stress._journal import Journal
from molweight.cli import main as molweight

ALLOWED: Final = (0, 2, 130)
_TAIL: Final = 3000
"""Maximum length of the output stored for a traceback."""
_OWN: Final = {"molweight", "objectives", "datasets"}
_TABLE: Final = ("audit", "audit", "audit", "fit", "predict", "evaluate", "embed", "explain", "finetune")
_START: Final[dict[str, tuple[str, ...]]] = {
    "audit": ("audit", "good.csv", "--split=random"),
    "benchmark": ("benchmark", "nowhere.yaml"),
    "embed": ("embed", "runs/ok", "good.csv", "--output=out/v.csv", "--quiet"),
    "evaluate": ("evaluate", "runs/ok", "good.csv", "--quiet"),
    "finetune": ("finetune", "good.csv", "--init=general", "--split=random", "--epochs=1", "--quiet"),
    "explain": ("explain", "runs/ok", "good.csv", "--limit=2", "--pairs=1", "--output=out/e.html", "--quiet"),
    "fit": ("fit", "good.csv", "--split=random", "--baselines=", "--steps=1", "--epochs=1", "--quiet", *TINY),
    "hypergrad-check": ("hypergrad-check", "good.csv", "--split=random", "--points=1", "--limit=10", "--quiet", *TINY),
    "list": ("list",),
    "predict": ("predict", "runs/ok", "good.csv", "--output=out/p.csv", "--quiet"),
    "pretrain": ("pretrain", "--output=out/general", "--quiet", *TINY),
    "report": ("report", "runs/ok", "--output=out/r.html", "--quiet"),
}
"""A valid command line for each command except ``benchmark``, whose valid ones take long."""


@dataclass(frozen=True)
class Failure:
    """A case with a wrong outcome.

    Args:
        case: Its number.
        seed: Seed of the whole run.
        arguments: The command line.
        reason: The problem: the exception with its location, the status, or the text.
    """

    case: int
    seed: int
    arguments: list[str]
    reason: str


def options_case(rng: random.Random, material: Material, number: int) -> list[str]:
    """A valid command line with a few invalid options."""
    del material, number
    name = rng.choice(list(_START))
    words = list(_START[name])
    if rng.random() < 0.15:
        words = words[: rng.randint(0, len(words))]
    known = _options(name)
    for _ in range(rng.randint(1, 4)):
        option, default = rng.choice(known)
        option = damage_text(rng, option) if rng.random() < 0.1 else option
        value = odd_value(rng, default)
        if option in OPTIONS_OF and rng.random() < 0.8:
            option = f"{option}.{rng.choice(OPTIONS_OF[option])}"
            value = odd_value(rng, rng.choice((1, 1.0, None)))
        form = rng.randrange(4)
        words += ([f"--{option}={value}"], [f"--{option}", value], [f"--{option}"], [f"--{option}.{value}", value])[
            0 if form == 3 and "options" not in option else form
        ]
    return [word for word in words if not word.startswith("--runs")]


@cache
def _options(command: str) -> list[tuple[str, object]]:
    """Names and defaults of the options of a command."""
    parser = import_module(f"molweight.cli._options._{command.replace('-', '_')}").parser()
    return [(name, parser.get_defaults().get(name)) for name in parser.option_names()]


def config_case(rng: random.Random, material: Material, number: int) -> list[str]:
    """A damaged configuration or study."""
    source = rng.choice(material.configs)
    target = material.folder / "damaged" / f"{number}.yaml"
    if rng.random() < 0.6:
        target.write_text(yaml.safe_dump(damage_tree(rng, yaml.safe_load(source.read_text()))))
    else:
        target.write_bytes(damage_text(rng, source.read_text()).encode("utf-8", "surrogatepass"))
    if source.stem == "study":
        return ["benchmark", str(_relative(target)), "--quiet", "--workers=1", f"--output=out/study{number}"]
    extra = ["--name=fuzzed"] if source.stem == "fit" else []
    return [source.stem, "--config", str(_relative(target)), *extra]


def table_case(rng: random.Random, material: Material, number: int) -> list[str]:
    """A damaged table, list of SMILES, SD file or Parquet file."""
    source = rng.choice(material.tables)
    packing = rng.choice(("", "", "", "", ".gz", ".bz2", ".xz"))
    target = material.folder / "damaged" / f"{number}{source.suffix}{packing}"
    data = source.read_bytes()
    if source.suffix != ".parquet" and rng.random() < 0.7:
        data = damage_text(rng, data.decode()).encode("utf-8", "surrogatepass")
    else:
        data = damage_bytes(rng, data)
    target.write_bytes(data)
    name = rng.choice(_TABLE)
    place = {"predict": 2, "embed": 2, "evaluate": 2, "explain": 2}.get(name, 1)
    words = list(_START[name])
    words[place] = str(_relative(target))
    more = (*("--on_error=raise", "--on_error=nan", "--smiles=smiles", "--targets=y", "--standardize=salts"), None)
    extra = rng.choice(more)
    return [*words, extra] if place == 1 and extra is not None else words


def saved_case(rng: random.Random, material: Material, number: int) -> list[str]:
    """A damaged split, run or checkpoint."""
    kind = rng.choice(("split", "run", "checkpoint", "state"))
    folder = material.folder / "damaged" / str(number)
    folder.mkdir()
    place = str(_relative(folder))
    if kind == "split":
        text = (material.folder / "split.json").read_text()
        tree = json.dumps(damage_tree(rng, json.loads(text)))
        (folder / "split.json").write_text(tree if rng.random() < 0.5 else damage_text(rng, text))
        return ["audit", "good.csv", f"--split_file={place}/split.json"]
    if kind == "state":
        (folder / "state").mkdir()
        (folder / "state" / "config.yaml").write_text(damage_text(rng, (material.folder / "fit.yaml").read_text()))
        return ["fit", "--resume", place, "--quiet"]
    name = "model.safetensors" if kind == "run" else "checkpoint.safetensors"
    source = material.folder / ("runs/ok" if kind == "run" else "general") / name
    (folder / name).write_bytes(damage_bytes(rng, source.read_bytes()))
    if kind == "run":
        return [rng.choice(("predict", "embed", "evaluate", "explain")), place, "good.csv", "--quiet"]
    return ["finetune", "good.csv", "--start", place, "--split=random", "--epochs=1", "--quiet", "--name=fuzzed"]


KINDS: Final[tuple[tuple[str, Callable[[random.Random, Material, int], list[str]], int], ...]] = (
    ("options", options_case, 5),
    ("configurations", config_case, 2),
    ("tables", table_case, 4),
    ("saved", saved_case, 1),
)
"""Name, generator and share of each kind of case."""


def _relative(path: Path) -> Path:
    return path.relative_to(Path.cwd())


@dataclass
class Caught:
    """Context that stores an exception and suppresses it."""

    error: BaseException | None = None

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Store the exception."""
        self.error = error
        return True


def run_case(seed: int, number: int, material: Material, seconds: float) -> tuple[str, list[str], str, int | None]:
    """Generate a case and run it.

    Args:
        seed: Seed of the whole run.
        number: Number of the case.
        material: The valid files that are damaged.
        seconds: After which the case is interrupted.

    Returns:
        Its kind, its arguments, the problem with its outcome (if any), and its status.
    """
    rng = random.Random(f"{seed}/{number}")  # noqa: S311 - cases are to be had again, not to be kept secret
    kind, make, _ = rng.choices(KINDS, weights=[share for _, _, share in KINDS])[0]
    material.restore()
    arguments = make(rng, material, number)
    output, errors = io.StringIO(), io.StringIO()
    status = None
    with Caught() as caught, _alarm(seconds), contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        status = molweight(arguments)
    if isinstance(caught.error, SystemExit) and caught.error.code in (None, 0):  # --help and --print_config
        return kind, arguments, "", 0
    reason = _complaint(status, errors.getvalue()) if caught.error is None else _place(caught.error)
    return kind, arguments, reason, status


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Ctrl-C after some time, even if the shell made this process ignore it."""
    alarm = signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, alarm)
        signal.signal(signal.SIGINT, interrupt)


def _place(error: BaseException) -> str:
    """The exception, and the last line of the package that it passed through."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).name != "fuzz.py"]
    own = [frame for frame in frames if _OWN & set(Path(frame.filename).parts)]
    places = [f" in {Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in (own or frames)[-1:]]
    return f"{type(error).__name__}: {str(error)[:200]}{''.join(places)}"


def _complaint(status: int | None, text: str) -> str:
    """The problem with a status and the text on standard error, if any."""
    if status not in ALLOWED:
        return f"status {status}"
    if "Traceback (most recent call last)" in text:
        return f"a traceback in what was printed: ...{text[-_TAIL:]}"
    lines = text.rstrip("\n").splitlines()
    if status == 2 and not (lines and lines[-1].startswith("molweight: ")):
        return f"no paragraph that begins with 'molweight: ': {lines[-1:]}"
    if status == 2 and "None. Free" in lines[-1]:
        return f"no reason is given: {lines[-1]}"
    return ""


def fuzz(
    seed: int, numbers: Sequence[int], seconds: float, *, journal: Journal | None = None, progress: bool = False
) -> dict[str, Any]:
    """Run cases in a folder of their own.

    Args:
        seed: Seed of the whole run.
        numbers: Numbers of the cases.
        seconds: After which a case is interrupted.
        journal: Answers of an earlier attempt, whose cases are not run again.
        progress: Whether to show a progress bar.

    Returns:
        Number of cases by kind and status, and the failures.
    """
    kept = journal or Journal(None)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as top, contextlib.ExitStack() as stack:
        folder = Path(top, "a", "b", "c")  # names with .. stay inside the folder
        (folder / "damaged").mkdir(parents=True)
        stack.enter_context(contextlib.chdir(folder))
        stack.enter_context(_environment(Path(top)))
        material = prepare(folder)
        missing = [number for number in numbers if f"{seed}/{number}" not in kept]
        for number in tqdm(missing, disable=not progress, unit=" cases"):
            started = time.perf_counter()
            kind, arguments, reason, status = run_case(seed, number, material, seconds)
            taken = time.perf_counter() - started
            failure = asdict(Failure(number, seed, arguments, reason)) if reason else None
            ended = f"{kind}: {'failure' if reason else status}"
            kept.add(f"{seed}/{number}", {"ended": ended, "failure": failure, "seconds": round(taken, 3)})
            if reason:
                print(f"case {number} of seed {seed}: {reason}\n  molweight {arguments}", file=sys.stderr, flush=True)
    answers = [kept.answers[f"{seed}/{number}"] for number in numbers]
    return {
        "cases": len(answers),
        "failures": [answer["failure"] for answer in answers if answer["failure"] is not None],
        "ended": dict(sorted(Counter(answer["ended"] for answer in answers).items())),
        "seconds": round(sum(answer["seconds"] for answer in answers), 1),
    }


@contextlib.contextmanager
def _environment(top: Path) -> Iterator[None]:
    """A separate cache and no network: downloads fail immediately."""
    dead = "http://127.0.0.1:9"
    changed = {"MOLWEIGHT_CACHE": str(top / "cache"), "http_proxy": dead, "https_proxy": dead, "no_proxy": ""}
    kept = {name: os.environ.get(name) for name in (*changed, "MOLWEIGHT_DATA")}
    os.environ.pop("MOLWEIGHT_DATA", None)
    os.environ.update(changed)
    try:
        yield
    finally:
        for name, value in kept.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def main() -> None:
    """Fuzz, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", type=int, help="run this case only")
    parser.add_argument("--seconds", type=float, default=20.0, help="after which a case is interrupted")
    parser.add_argument("--journal", type=Path, help="JSON lines of the answers, to resume from")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    numbers = range(options.count) if options.case is None else [options.case]
    place = None if options.output is None else options.output.resolve()
    journal = Journal(None if options.journal is None else options.journal.resolve())
    found = fuzz(options.seed, numbers, options.seconds, journal=journal, progress=True)
    print(json.dumps({**found, "failures": len(found["failures"])}, indent=2))
    if place is not None:
        place.write_text(json.dumps({**found, "provenance": provenance([options.seed])}, indent=2) + "\n")
    sys.exit(1 if found["failures"] else 0)


if __name__ == "__main__":
    main()
