"""Sections on the training of a run: weights, losses, solves, learning rates."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from molweight.report._bootstrap import Interval
from molweight.report._format import metric_name, number, spread
from molweight.report._line_charts import POINTS, Series, lines, thinned
from molweight.report._part_titles import PART_TITLES
from molweight.report._run_summary import RunSummary
from molweight.report._section import Figure, Section, Table

__all__ = ["history_series", "losses_section", "schedule_section", "solver_section", "weights_section"]

_STEP: Final = "step of adaptive pretraining"
_WEIGHTS_SHOWN: Final = (
    "Weight λ that each step used; the dotted line marks equal weights. The table shows those after the last update."
)
_NO_STEPS: Final = "This run has no adaptive pretraining: the encoder was finetuned as it was loaded."


def history_series(records: Sequence[Mapping[str, Any]], key: str) -> dict[str, Series]:
    """Lines from the records of a run, by objective.

    Args:
        records: One per step.
        key: ``"weights"``, ``"losses"``, ``"norms"``, ``"hypergradient"``.
    """
    names = list(dict.fromkeys(name for record in records for name in record.get(key, {})))
    return {name: _line(records, lambda record, name=name: record.get(key, {}).get(name)) for name in names}


def _line(records: Sequence[Mapping[str, Any]], value: Any) -> Series:
    found = [(record["step"], value(record)) for record in records]
    kept = [(step, number) for step, number in found if number is not None]
    return thinned([step for step, _ in kept], [number for _, number in kept])


def _note(records: Sequence[Mapping[str, Any]]) -> str:
    return f" Each point is a mean over {len(records) / POINTS:.0f} steps." if len(records) > POINTS else ""


def weights_section(subject: RunSummary) -> Section:
    """Weights over the steps, and the final weights of each method."""
    title = "Weights of the objectives"
    series = history_series(subject.records, "weights")
    if not series:
        return Section("weights", title, [_NO_STEPS])
    ends = {name: float(values[-1]) for name, (_, values) in series.items()}
    described = ", ".join(f"{name} {number(end, 3)}" for name, end in ends.items())
    if all(_constant(line) for line in series.values()):
        words = ["The weights are fixed in this run."]
        return Section("weights", title, words, tables=[_weights_table(subject)])
    svg = lines(
        "weights",
        series,
        title="Weight of each objective over adaptive pretraining",
        description=f"At the last step: {described}.",
        x=_STEP,
        y="weight λ",
        level=(1 / len(series), "equal weights"),
    )
    figures, tables = [Figure(svg, f"{_WEIGHTS_SHOWN}{_note(subject.records)}")], [_weights_table(subject)]
    learned = history_series(subject.records, "learned")
    if learned:
        figures.append(_options_figure(subject, learned))
        tables.append(_options_table(subject))
    return Section("weights", title, figures=figures, tables=tables)


def _options_figure(subject: RunSummary, series: Mapping[str, Series]) -> Figure:
    """Learned options as multiples of their initial values, on one axis."""
    relative = {name: (steps, values / values[0]) for name, (steps, values) in series.items()}
    ends = ", ".join(f"{name} {number(float(values[-1]), 3)}" for name, (_, values) in series.items())
    svg = lines(
        "options",
        relative,
        title="Learned options over adaptive pretraining",
        description=f"At the last step: {ends}.",
        x=_STEP,
        y="multiple of the first value",
        level=(1.0, "unchanged"),
    )
    return Figure(svg, f"Options of objectives that are learned together with the weights.{_note(subject.records)}")


def _options_table(subject: RunSummary) -> Table:
    first, last = subject.records[0]["learned"], subject.records[-1]["next_learned"]
    rows = [[name, number(first[name], 3), number(last[name], 3)] for name in first]
    return Table("Learned options", ["option", "first", "last"], rows)


def _constant(line: Series) -> bool:
    return len(line[1]) == 0 or bool((line[1] == line[1][0]).all())


def _weights_table(subject: RunSummary) -> Table:
    methods = [method for method in subject.methods if method.weights]
    columns = {method.title: method.weights for method in methods} or {subject.method: subject.about["weights"]}
    names = list(dict.fromkeys(name for weights in columns.values() for name in weights))
    rows = [[name, *(number(weights.get(name), 3) for weights in columns.values())] for name in names]
    return Table("Weights at the end of adaptive pretraining", ["objective", *columns], rows)


def losses_section(subject: RunSummary) -> Section:
    """Loss of each objective, and of the task, over the steps."""
    title, records = "Losses", subject.records
    series = history_series(records, "losses")
    if not series:
        return Section("losses", title, [_NO_STEPS])
    first_last = ", ".join(f"{name} {number(y[0], 3)} to {number(y[-1], 3)}" for name, (_, y) in series.items())
    figures = [
        Figure(
            lines(
                "losses",
                series,
                title="Loss of each objective over adaptive pretraining",
                description=f"From first to last: {first_last}.",
                x=_STEP,
                y="loss",
                scale="log",
            ),
            f"Loss of each pretraining objective before it is weighted.{_note(records)}",
        )
    ]
    task = {
        name: line
        for name, key in (("training molecules", "train_loss"), ("meta molecules", "meta_loss"))
        if len((line := _line(records, lambda record, key=key: record.get(key)))[0])
    }
    if task:
        ends = ", ".join(f"{name} {number(y[-1], 3)}" for name, (_, y) in task.items())
        words = f"At the end: {ends}."
        drawn = lines("task", task, title="Loss of the task", description=words, x=_STEP, y="loss of the task")
        figures.append(Figure(drawn, "Loss of the finetuned copy that the weights are learned with."))
    return Section("losses", title, figures=figures)


def solver_section(subject: RunSummary) -> Section:
    """Findings on the training, and convergence of the linear solves of the hypergradient."""
    title = "Checks of training and solver"
    if not subject.records:
        return Section("solver", title, [_NO_STEPS])
    found = [item["message"] for item in subject.about.get("findings", ())]
    words = [f"Finding: {message}" for message in found] or ["No findings in adaptive pretraining."]
    solves = [(record["step"], record["solves"]) for record in subject.records if record.get("solves")]
    if not solves:
        return Section("solver", title, [*words, "No hypergradient was computed, so no linear system was solved."])
    iterated = [(step, {level: at for level, at in by_level.items() if _solved(at)}) for step, by_level in solves]
    levels = list(dict.fromkeys(level for _, by_level in iterated for level in by_level))
    if not levels:
        words.append(
            f"The solver {subject.options['solver']} solves no linear system: it replaces the inverse Hessians by the "
            "identity, so there are no residuals to show. molweight hypergrad-check measures its error."
        )
        return Section("solver", title, words)
    solves = iterated
    return Section("solver", title, words, _residual_figure(levels, solves), [_outcomes(subject, levels, solves)])


def _solved(solve: Mapping[str, Any]) -> bool:
    """Whether a solver is iterative, so that there is an outcome to report."""
    return bool(solve["iterations"]) or str(solve["outcome"]).lower() != "unchecked"


def _residual_figure(levels: list[str], solves: Sequence[tuple[int, Mapping[str, Any]]]) -> list[Figure]:
    series = {}
    for level in levels:
        known = [(step, at[level]["residual"]) for step, at in solves if "residual" in at.get(level, {})]
        if known:
            series[f"level {level}"] = thinned([step for step, _ in known], [value for _, value in known])
    series = {name: line for name, line in series.items() if len(line[0])}
    if not series:
        return []
    words = ", ".join(f"{name} {number(float(np.median(y)), 2)}" for name, (_, y) in series.items())
    svg = lines(
        "residuals",
        series,
        title="Relative residual of the solves over adaptive pretraining",
        description=f"Medians: {words}.",
        x=_STEP,
        y="relative residual",
        scale="log",
    )
    return [Figure(svg, "Relative residual |b - Ax| / |b| at the end of each solve; 1 = the zero solution.")]


def _outcomes(subject: RunSummary, levels: list[str], solves: Sequence[tuple[int, Mapping[str, Any]]]) -> Table:
    rows = []
    for level in levels:
        own = [at[level] for _, at in solves if level in at]
        counted = Counter(str(item["outcome"]).replace("_", " ") for item in own)
        ended = ", ".join(f"{outcome} {count}" for outcome, count in counted.most_common())
        iterations = float(np.mean([item["iterations"] for item in own]))
        rows.append([level, str(len(own)), number(iterations, 3), ended])
    head = subject.options.get("task_level") == "closed_form"
    caption = f"Solves by level, with the solver {subject.options['solver']}" + "; finetune: the head" * head
    return Table(caption, ["level", "solves", "mean iterations", "outcomes"], rows)


def schedule_section(subject: RunSummary) -> Section:
    """The metric by which the checkpoint was chosen; for an ensemble, the out-of-fold scores of its parts."""
    options, tuned = subject.options, subject.about["finetuning"]
    if tuned.get("cross_fitting"):
        return _ensemble_section(subject)
    curve = np.asarray(tuned["curve"], dtype=np.float64)
    name = metric_name(subject.metric)
    words = f"Best at epoch {tuned['best_epoch']}: {number(tuned['best'])}."
    picked = lines(
        "select",
        {f"{name} on select": thinned(range(len(curve)), curve)},
        title=f"{name} on select over the epochs of finetuning",
        description=words,
        x="epoch of finetuning",
        y=name,
        mark=(float(tuned["best_epoch"]), float(tuned["best"]), "kept"),
    )
    figures = [Figure(picked, f"{words} Epoch 0 is the state before finetuning.")]
    rates = [f"pretraining {options['pretrain_lr']:g}", f"finetuning {options['finetune_lr']:g}"]
    said = [f"Adam with constant learning rates: {', '.join(rates)}."]
    tried = tuned.get("tried", ())  # not recorded by earlier versions
    if len(tried) > 1:
        scores = ", ".join(number(float(score)) for score in tried)
        said.append(f"The best of {len(tried)} finetunings of the encoder is kept; {name} on select: {scores}.")
    return Section("schedule", "Finetuning and choice of the checkpoint", said, figures)


def _transformed(names: str) -> str:
    return "Labels are not transformed." if names == "none" else f"Labels are transformed by: {names}."


def _best(found: dict[str, Any]) -> str:
    """The best part; empty if no score is defined."""
    undefined = np.isnan(found["scores"][found["best"]]["value"])
    return "" if undefined else f"Best out of fold: {PART_TITLES[found['best']]}. "


def _ensemble_section(subject: RunSummary) -> Section:
    """Out-of-fold scores of the parts of an ensemble, and the loss of its members."""
    tuned = subject.about["finetuning"]
    found, name = tuned["cross_fitting"], metric_name(subject.metric)
    shares = found["weights"]
    rows = [
        [PART_TITLES[part], number(at["value"]), _interval(at), _share(shares.get(part))]
        for part, at in found["scores"].items()
    ]
    unreliable = f", unreliable with {found['rare']}" if found.get("rare") else ""
    caption = f"{name} out of fold, with 95 % bootstrap intervals over the rows{unreliable}"
    loss = np.asarray(tuned["curve"], dtype=np.float64)
    words = f"Mean training loss of the members over {len(loss)} epochs."
    figure = lines(
        "members",
        {"training loss": thinned(range(1, len(loss) + 1), loss)},
        title="Training loss of the members",
        description=words,
        x="epoch",
        y="loss",
    )
    others = [PART_TITLES[name] for name in found["scores"] if name not in ("graph", "ensemble")]
    parts = ", ".join([f"{found['members']} graph members", *others])
    made = f"{parts}, cross-fitted on {found['rows']} rows: all but the test set. "
    said = [
        made + "Each row's prediction here comes from models that had not seen it.",
        _best(found) + _transformed(str(found["transform"])),
        *([f"{found['imputed']} feature values could not be computed and were imputed."] if found["imputed"] else []),
        *_classes_said(found),
    ]
    tables = [Table(caption, ["part", name, "95 % interval", "weight"], rows), *_gains_of_sources(found)]
    return Section("schedule", "The ensemble, out of fold", said, [Figure(figure, words)], tables)


def _gains_of_sources(found: dict[str, Any]) -> list[Table]:
    """Effect of each auxiliary table, if there are any."""
    rows = [
        [name, at["verdict"], f"{100 * at['gain']:+.1f} %", f"{at['errors']:+.1f}"]
        for name, at in found.get("sources", {}).items()
    ]
    caption = "Predicted labels of each auxiliary table, in a linear model with the features and all other tables"
    return [Table(caption, ["table", "verdict", "squared error saved", "in standard errors"], rows)] if rows else []


def _classes_said(found: dict[str, Any]) -> list[str]:
    """The treatment of rare classes, and the calibration of probabilities."""
    said = []
    if found.get("balance", "none") != "none":
        said.append(f"Rare classes: trained with class_balance={found['balance']}.")
    if found.get("calibration"):
        losses = (number(found["calibration"][name], 3) for name in ("before", "after"))
        said.append("Probabilities are calibrated on the folds: log-loss {} before, {} after.".format(*losses))
    return said


def _interval(at: dict[str, float]) -> str:
    return spread(Interval(at["value"], at["low"], at["high"]), 4)


def _share(weight: float | None) -> str:
    return "" if weight is None else f"{weight:.2f}"
