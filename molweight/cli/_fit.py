"""``molweight fit``: the main job."""

import json
import signal
from pathlib import Path
from shlex import quote
from typing import Final

import pandas as pd
from jsonargparse import Namespace

from molweight import datasets
from molweight._owned_files import own, refuse_link
from molweight.cli._data_options import (
    job_of,
    load_corpus,
    load_table,
    split_with_test,
)
from molweight.cli._molecules import parsed_table
from molweight.cli._options._fit import parser
from molweight.cli._output import begin, result, say
from molweight.cli._parser import Parser
from molweight.cli._plugins import add_plugin_option
from molweight.cli._presets import choose
from molweight.cli._standard_form import record_steps
from molweight.datasets import Splits
from molweight.datasets.internal import (
    SourceUse,
    format_audit,
    format_bounds,
    format_endpoints,
    format_rankings,
    row_numbers,
)
from molweight.ensemble.internal import PROFILE
from molweight.errors import ConfigError, Interrupted, OptionError
from molweight.graphs import MoleculeDataset
from molweight.graphs.internal import tasks_of
from molweight.options import Job
from molweight.options.internal import INITS
from molweight.plugins import import_plugins, refuse_untrusted
from molweight.report.internal import Conclusion, conclude, format_evidence, format_learned
from molweight.runs.internal import (
    STATE,
    begin_manifest,
    claim_folder,
    claimed_run,
    extend_manifest,
    format_estimate,
    refuse_busy,
    run_folder,
)
from molweight.storage import csv_bytes, escape_controls, write_file
from molweight.training import Comparison, Session, TensorBoard, compare, format_table
from molweight.training.internal import forecast, format_findings

__all__ = ["carry_out", "refuse_taken", "resumed", "run"]

CONFIG: Final = "config.yaml"
"""File of the options of a run."""
PREDICTIONS: Final = "test_predictions.csv"
"""File of the predictions of test molecules."""


def run(options: Namespace) -> None:
    """Load, fit, print the table, write the run's folder."""
    begin(options)
    options = resumed(options, parser())
    refuse_taken(options)
    job, data = job_of(options), load_table(options)
    data, splits, unlabelled = split_with_test(options, data)
    corpus = load_corpus(options, data, splits)
    say(options, f"pretraining on {corpus.name}: {len(corpus)} molecules\n{_choices(options, job)}")
    if not options.quiet:
        say(options, f"expected training time: {forecast(job, data, splits)}{_further_time(job)}")
    carry_out(options, parser(), job, data, splits=splits, corpus=corpus, unlabelled=unlabelled)


def _further_time(job: Job) -> str:
    """The part of the time that the forecast lacks: the tables have not been read yet."""
    profile = job.members != 1 and (job.partners is None or PROFILE in job.partners)
    return "; in addition, features of the auxiliary tables" if job.aux and profile else ""


def carry_out(
    options: Namespace,
    made: Parser,
    job: Job,
    data: MoleculeDataset,
    *,
    splits: Splits,
    corpus: MoleculeDataset,
    unlabelled: MoleculeDataset | None = None,
) -> None:
    """Fit with baselines, or resume; print and write; predict the molecules of a test file without labels."""
    folder = run_folder(options.runs, options.name or data.name)
    with claimed_run(folder, overwrite=options.overwrite) as claim:
        say(options, _material(data, splits))
        config = _config(options, made)
        comparison = _compared(options, made, folder, job, (data, splits, corpus), config=config)
        audit = datasets.audit(data, splits, corpus, progress=not options.quiet)
        record_steps(comparison.run, options.standardize)
        claim.complete()
        _write(folder, options, comparison, data, config)
        _write_audit(folder, audit)
        if unlabelled is not None:
            write_file(folder / PREDICTIONS, csv_bytes(_predicted(comparison, unlabelled), safe=options.safe_csv))
            say(options, f"predictions for {len(unlabelled)} molecules of {options.test}: {folder / PREDICTIONS}")
        comparison.run.report(folder / "report.html")
        extend_manifest(folder, ["audit.json", CONFIG], ["report.html", *_further(data, unlabelled)])
        Session(folder / STATE).clear()
    _show(options, comparison, splits, folder)


def _compared(
    options: Namespace,
    made: Parser,
    folder: Path,
    job: Job,
    material: tuple[MoleculeDataset, Splits, MoleculeDataset],
    *,
    config: bytes,
) -> Comparison:
    """The run and its baselines; resumed from the states in its folder, if there are any."""
    states = folder / STATE
    if not any(states.rglob("*.safetensors")):  # an interrupted run keeps its original options
        own(states, CONFIG)
        write_file(states / CONFIG, config)
    board = [TensorBoard(folder / "tensorboard")] if options.tensorboard else []
    try:
        return compare(
            job,
            *material,
            baselines=_baselines(options),
            progress=not options.quiet,
            resume=states,
            callbacks=board,
        )
    except KeyboardInterrupt as error:
        command = made.prog.removesuffix(" [options]")
        raise Interrupted(
            error.number if isinstance(error, Interrupted) else signal.SIGINT,
            f"interrupted. Resume with: {command} --resume {quote(str(folder))} (or the same command again).",
        ) from error
    finally:
        for callback in board:
            callback.close()


def _further(data: MoleculeDataset, unlabelled: MoleculeDataset | None) -> list[str]:
    """Optional files of a run."""
    return [*(["rejects.csv"] if data.rejects else []), *([] if unlabelled is None else [PREDICTIONS])]


def _predicted(comparison: Comparison, molecules: MoleculeDataset) -> pd.DataFrame:
    """Predictions of molecules without labels, with the row of each in its file."""
    predicted = comparison.run.predict(parsed_table(comparison.run, molecules))
    columns = {
        f"{comparison.run.method}.{name}": predicted[:, at] for at, name in enumerate(comparison.run.target_names)
    }
    return pd.DataFrame({"row": row_numbers(molecules), "smiles": list(molecules.smiles), **columns})


def _material(data: MoleculeDataset, splits: Splits) -> str:
    """One line about the table and its roles."""
    labels = f"{len(data.target_names)} target{'s' if len(data.target_names) > 1 else ''} ({data.task})"
    return f"{data.name}: {len(data)} molecules, {labels}; {splits}"


def refuse_taken(options: Namespace) -> None:
    """Refuse a name that cannot be used, before any work is done."""
    if options.name is not None:
        folder = run_folder(options.runs, options.name)
        claim_folder(folder, overwrite=options.overwrite)
        refuse_busy(folder)


def _write_audit(folder: Path, audit: datasets.Audit) -> None:
    """The audit as a file, and as a section of the run's card."""
    write_file(folder / "audit.json", (json.dumps(audit.to_dict(), indent=2) + "\n").encode())
    card = (folder / "README.md").read_text(encoding="utf-8").rstrip("\n")
    section = f"## Audit of the data\n\n```text\n{format_audit(audit)}\n```\n"
    write_file(folder / "README.md", escape_controls(f"{card}\n\n{section}").encode())


def _baselines(options: Namespace) -> list[str]:
    if options.baselines is None:
        raise OptionError("baselines", None, "names nothing", "Name baselines, or write [] for none.")
    found: list[str] = options.baselines
    return found


def _show(options: Namespace, comparison: Comparison, splits: Splits, folder: Path) -> None:
    found, conclusion = format_findings(comparison), _conclusion(comparison)
    parts = [
        *([f"{conclusion.sentence}\n{conclusion.verdict}"] if conclusion else []),
        format_table(comparison),
        *_sources(comparison),
        *_by_endpoint(comparison),
        *_in_words(comparison),
        *_out_of_fold(comparison),
        *([found] if found else []),
        _heading(comparison, splits),
        f"report: {folder / 'report.html'}\nnext: molweight predict {quote(str(folder))} new.csv",
    ]
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    verdict = conclusion.verdict if conclusion else None
    result(options, {"folder": str(folder), "verdict": verdict, **metrics}, "\n\n".join(parts))


def _conclusion(comparison: Comparison) -> Conclusion | None:
    """The score of the run and its verdict, if the test set was evaluated."""
    run = comparison.run
    if run.test_results is None:
        return None
    kinds = tasks_of(run.model.task, len(run.test_results.names))
    return conclude(run.test_results, run.method, run.finetuning.metric, kinds)


def _sources(comparison: Comparison) -> list[str]:
    """How the auxiliary tables were used, and the evidence for each objective."""
    run = comparison.run
    uses = [SourceUse(**values) for values in run.trained_on.get("sources", ())]
    used = ["\n".join(["auxiliary tables:", *(f"  {use}" for use in uses)])] if uses else []
    return [*used, *(text for text in (format_evidence(run.records), format_learned(run.records)) if text)]


def _out_of_fold(comparison: Comparison) -> list[str]:
    """Out-of-fold scores of the parts of an ensemble; empty for other runs."""
    finetuning = comparison.run.finetuning
    return [format_estimate(finetuning)] if finetuning.cross_fitting else []


def _in_words(comparison: Comparison) -> list[str]:
    """Enrichment at the top of the ranking if positives are rare, and violated bounds; both on the test set."""
    lines = [*format_rankings(comparison.rankings()), *format_bounds(comparison.violated_bounds())]
    return ["\n  ".join(["on the test set:", *lines])] if lines else []


def _by_endpoint(comparison: Comparison) -> list[str]:
    """The scores of the run by target, if it has several targets in different units."""
    results, run = comparison.run.test_results, comparison.run
    metric = run.finetuning.metric
    if results is None or not (metric == "scaled_rmse" or "," in metric):
        return []
    return [format_endpoints(results.targets, results.predictions[run.method], results.names, metric)]


def resumed(options: Namespace, made: Parser) -> Namespace:
    """The options that the interrupted run was started with; the given ones if no run is named.

    Raises:
        ConfigError: If there is no interrupted run.
    """
    if options.resume is None:
        return options
    folder = Path(options.resume)
    folder = folder if folder.name not in ("", "..") else folder.resolve()
    path = folder / STATE / CONFIG
    refuse_link(folder)
    refuse_link(path.parent)
    if not path.is_file():
        raise ConfigError(
            f"--resume {options.resume}: there is no interrupted run in this folder. Name the folder that the "
            "interrupted command wrote to, runs/NAME, or start again without --resume."
        )
    if "plugin" not in {action.dest for action in made._actions}:  # noqa: SLF001 - as argparse itself looks
        add_plugin_option(made)
    found = made.parse_file(path)
    named = found.plugin or []
    refuse_untrusted(named, options.plugin, str(path), trust=options.trust)
    import_plugins(named)
    found.table = found.get("table")
    found.quiet, found.json, found.resume = options.quiet, options.json, options.resume
    found.runs, found.name, found.overwrite = str(folder.parent), folder.name, False
    return found


def _choices(options: Namespace, job: Job) -> str:
    """The values chosen for options that were not given."""
    sizes = f"encoder {job.encoder} {job.encoder_options or '(full size)'}, {job.pretrain_steps} generic and"
    if job.init not in INITS:
        sizes = f"encoder of {job.init},"
    chosen = choose(options.preset)
    preset = chosen if options.preset == chosen else f"{options.preset} ({chosen})"
    return (
        f"preset {preset}: {sizes} {options.steps} steps, at most "
        f"{options.epochs} epochs; {options.split} split; to change the size: --preset full, or single options"
    )


def _config(options: Namespace, made: Parser) -> bytes:
    """The options as a file that reproduces the run."""
    kept = options.clone()
    kept.pop("config", None)
    kept.pop("trust", None)
    kept.resume, kept.overwrite = None, False
    text: str = made.dump(kept, skip_validation=True)
    return text.encode()


def _heading(comparison: Comparison, splits: Splits) -> str:
    sizes = ", ".join(f"{size} {role}" for role, size in comparison.sizes.items())
    shared = (
        "" if splits.protocol == "four-role" else "; the weights and the checkpoint are chosen on the same molecules"
    )
    seconds = f"generic pretraining, shared by all: {comparison.pretrain_seconds:.1f} s"
    return f"{comparison.data}, {splits.name} split ({sizes}{shared}); {seconds}"


def _write(folder: Path, options: Namespace, comparison: Comparison, data: MoleculeDataset, config: bytes) -> None:
    # the claim has checked that nothing else is overwritten
    begin_manifest(folder, None, overwrite=True)
    comparison.run.folder = folder  # save() keeps the files that are already there: those of this run
    write_file(folder / CONFIG, config)
    comparison.save(folder, overwrite=True, safe_csv=options.safe_csv)
    if data.rejects:
        rows = [(item.row if item.number is None else item.number, item.smiles, item.reason) for item in data.rejects]
        table = pd.DataFrame(rows, columns=["row", "smiles", "reason"])
        write_file(folder / "rejects.csv", csv_bytes(table, safe=options.safe_csv))
        count = f"{len(rows)} rejected row{'s' if len(rows) > 1 else ''}"
        say(options, f"{data.name}: {count} written to {folder / 'rejects.csv'}")
