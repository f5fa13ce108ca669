"""The main job through the Python API."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from molweight.datasets import Splits, from_smiles, load, score, split
from molweight.errors import ConfigError, DataError, OptionError, TrainingError, UnknownNameError
from molweight.graphs import MoleculeDataset
from molweight.options import Job
from molweight.runs import Run
from molweight.runs import load as load_run
from molweight.training import compare, fit, format_table, variant
from molweight.training._adaptive import adaptive_pretraining
from molweight.training._generic import generic_pretraining
from molweight.training.internal import check_job

NAMES = ["attribute_masking", "graphcl", "functional_groups", "descriptors"]


def _same_model(one: Run, two: Run) -> bool:
    pairs = zip(one.model.state_dict().values(), two.model.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_weights_are_on_the_simplex_and_moved(run: Run) -> None:
    assert list(run.weights) == NAMES
    assert sum(run.weights.values()) == pytest.approx(1)
    assert min(run.weights.values()) > 0
    assert max(max(record["weights"].values()) for record in run.records) > 0.25


def test_the_weights_of_a_run_are_those_after_the_last_update(run: Run, job: Job) -> None:
    last = run.records[-1]
    assert run.weights == last["next_weights"]
    assert last["weights"] != last["next_weights"]  # the last step took a hypergradient
    assert all(one["next_weights"] == two["weights"] for one, two in itertools.pairwise(run.records))
    assert len(run.records) == job.steps


def test_history_has_a_row_per_step(run: Run, job: Job) -> None:
    history = run.history
    assert history["step"].tolist() == list(range(job.steps))
    assert {f"weights.{name}" for name in NAMES} <= set(history.columns)
    taken = history["meta_loss"].notna()
    assert taken.tolist() == [False, True] * 3
    assert history.loc[taken, "hypergradient.graphcl"].notna().all()
    assert history["seconds"].is_monotonic_increasing


def test_same_seed_gives_the_same_run(
    run: Run, job: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset
) -> None:
    again = fit(job, data, splits, corpus)
    assert again.weights == run.weights
    assert _same_model(run, again)


def test_global_random_state_is_left_alone(
    job: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset
) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    fit(variant(job, steps=2, epochs=1), data, splits, corpus)
    assert torch.equal(before, torch.get_rng_state())


def test_another_seed_gives_another_run(
    run: Run, job: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset
) -> None:
    assert fit(variant(job, seed=1), data, splits, corpus).weights != run.weights


@pytest.mark.parametrize("init", ["pretrain", "scratch"])
def test_general_pretraining_may_be_shared_by_seeds(
    job: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset, init: str
) -> None:
    cpu = torch.device("cpu")
    first, second, own = (
        generic_pretraining(variant(job, init=init, **seeds), corpus, cpu)[0].state_dict()
        for seeds in ({"seed": 0}, {"seed": 1, "pretrain_seed": 0}, {"seed": 1})
    )
    same = first if init == "pretrain" else own  # there is nothing to share of a random encoder
    assert all(torch.equal(tensor, same[name]) for name, tensor in second.items())
    assert any(not torch.equal(tensor, first[name]) for name, tensor in own.items())
    zero, one = (variant(job, seed=seed, pretrain_seed=0, init=init) for seed in (0, 1))
    assert fit(zero, data, splits, corpus).weights != fit(one, data, splits, corpus).weights


def test_test_labels_do_not_reach_training(
    run: Run, job: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset
) -> None:
    labels = data.targets.copy()
    labels[splits.test] = 1e6
    hidden = MoleculeDataset(
        data.molecules, labels, name=data.name, task=data.task, metric=data.metric, target_names=data.target_names
    )
    blind = fit(job, hidden, splits, corpus)
    assert blind.weights == run.weights
    assert _same_model(run, blind)


def test_meta_labels_reach_the_weights(
    run: Run, job: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset
) -> None:
    labels = data.targets.copy()
    labels[splits.meta] *= -1
    other = MoleculeDataset(
        data.molecules, labels, name=data.name, task=data.task, metric=data.metric, target_names=data.target_names
    )
    assert fit(job, other, splits, corpus).weights != run.weights


def test_fixed_equal_weights_are_equal_weighting(
    job: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset
) -> None:
    equal = fit(variant(job, weighting="equal"), data, splits, corpus)
    fixed = fit(variant(job, weighting="fixed", weighting_options={"weights": [1, 1, 1, 1]}), data, splits, corpus)
    assert equal.weights == fixed.weights == dict.fromkeys(NAMES, 0.25)
    assert _same_model(equal, fixed)


def test_without_continued_pretraining_there_are_no_weights(
    job: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset
) -> None:
    none = fit(variant(job, weighting="none"), data, splits, corpus)
    assert none.weights == {}
    assert none.history.empty


@pytest.mark.parametrize("solver", ["identity", "neumann", "nystrom"])
def test_every_solver_runs_with_its_own_defaults(
    job: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset, solver: str
) -> None:
    other = fit(variant(job, solver=solver, steps=2, epochs=1), data, splits, corpus)
    assert other.history["meta_loss"].notna().sum() == 1
    assert sum(other.weights.values()) == pytest.approx(1)


def test_predictions_are_aligned_with_the_input(run: Run, data: MoleculeDataset, splits: Splits) -> None:
    smiles = ["CCO", "not a molecule", *[data.smiles[int(i)] for i in splits.test], ""]
    predicted = run.predict(smiles)
    assert predicted.shape == (len(smiles), 1)
    assert np.flatnonzero(np.isnan(predicted[:, 0])).tolist() == [1, len(smiles) - 1]
    assert [reject.row for reject in run.parse(smiles).rejects] == [1, len(smiles) - 1]
    expected = score("rmse", data.targets[splits.test], predicted[2:-1]).value
    assert run.evaluate("test").value == pytest.approx(expected, rel=1e-5)


def test_prediction_does_not_depend_on_its_company(run: Run) -> None:
    alone, together = run.predict(["CCO"]), run.predict(["c1ccccc1", "CCO", "[Na+].[Cl-]"])
    assert alone[0] == pytest.approx(together[1], rel=1e-5)


def test_embedding_is_row_aligned(run: Run) -> None:
    vectors = run.embed(["CCO", "?", "C"])
    assert vectors.shape == (3, 16)
    assert np.isnan(vectors).all(axis=1).tolist() == [False, True, False]


def test_single_string_is_refused(run: Run) -> None:
    with pytest.raises(ConfigError, match="got the single string 'CCO'"):
        run.predict("CCO")


def test_saved_run_predicts_the_same(run: Run, tmp_path: Path) -> None:
    run.save(tmp_path / "run")
    loaded = load_run(tmp_path / "run", device="cpu")
    assert np.array_equal(loaded.predict(["CCO", "?"]), run.predict(["CCO", "?"]), equal_nan=True)
    assert loaded.weights == run.weights
    assert len(loaded.history) == len(run.history)
    with pytest.raises(ConfigError, match="loaded without its table"):
        loaded.evaluate("select")


def test_a_run_keeps_what_it_showed_of_the_test_set(run: Run, tmp_path: Path) -> None:
    score = run.evaluate("test")
    run.save(tmp_path / "run")
    assert load_run(tmp_path / "run", device="cpu").evaluate("test") == score


def test_damaged_or_missing_run_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        load_run(tmp_path / "nothing")
    run.save(tmp_path)
    weights = tmp_path / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(DataError, match="is not the file that was written with this run"):
        load_run(tmp_path)
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(DataError, match="is damaged"):
        load_run(tmp_path)


def test_classification_with_missing_labels(job: Job, corpus: MoleculeDataset) -> None:
    table = load("tox21")
    some = table.subset(np.arange(0, len(table), 20))
    assert np.isnan(some.targets).any()
    run = fit(job, some, split(some, "random"), corpus)
    predicted = run.predict(["CCO"])
    assert predicted.shape == (1, 12)
    assert ((predicted > 0) & (predicted < 1)).all()


def test_corpus_may_be_the_table_itself(job: Job, data: MoleculeDataset, splits: Splits) -> None:
    run = fit(variant(job, objectives=["attribute_masking", "graphcl"]), data, splits)
    assert list(run.weights) == ["attribute_masking", "graphcl"]


def test_table_without_labels_is_refused(job: Job, corpus: MoleculeDataset, splits: Splits) -> None:
    with pytest.raises(ConfigError, match="zinc has no labels"):
        fit(job, corpus, splits)


def test_diverging_objective_is_named(job: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset) -> None:
    with pytest.raises(TrainingError, match=r"objective '\w+': its loss is (nan|inf) at step \d+. Lower pretrain_lr"):
        fit(variant(job, pretrain_lr=1e30, weighting="equal", steps=30), data, splits, corpus)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"objectives": ["graphlc"]}, UnknownNameError, "did you mean 'graphcl'"),
        ({"encoder": "gni"}, UnknownNameError, "did you mean 'gin'"),
        ({"weighting": "tapwieght"}, UnknownNameError, "did you mean 'tapweight'"),
        ({"solver": "nuemann"}, UnknownNameError, "did you mean 'neumann'"),
        ({"objectives": []}, ConfigError, "no objective is chosen"),
        ({"batch_size": 0}, ConfigError, "batch_size=0 must be at least 1"),
        ({"proximal_strength": -1.0}, ConfigError, "proximal_strength=-1.0 must not be negative"),
        ({"finetune_proximal_strength": -1.0}, ConfigError, "finetune_proximal_strength=-1.0 must not be negative"),
        ({"finetune_lr": 0.0}, ConfigError, "finetune_lr=0.0 must be above 0 and below"),
        ({"finetune_lr": 1e40}, ConfigError, r"finetune_lr=1e\+40 must be above 0 and below 1e\+36"),
        ({"init": "somewhere"}, ConfigError, "init='somewhere' is not a known checkpoint"),
        ({"device": "cuda:99"}, ConfigError, "this machine has"),
        ({"device": "gpu"}, ConfigError, "device='gpu' is unknown"),
        (
            {"proximal_strength": 0.0},
            ConfigError,
            "proximal_strength=0.0 removes the term .* weighting='tapweight' needs",
        ),
        ({"meta_batches": 0}, ConfigError, "meta_batches=0 must be at least 1"),
        (
            {"weighting": "bilevel", "recompute_graphs": True},
            ConfigError,
            "recompute_graphs=True has no effect with .*bilevel",
        ),
        (
            {"weighting": "alignment", "stop_when_decided": True},
            ConfigError,
            "stop_when_decided=True waits for evidence from hypergradients, which weighting='alignment' does not",
        ),
        ({"encoder_options": {"layer": 2}}, ConfigError, "did you mean 'layers'"),
        ({"encoder_options": {"norm": "bacth"}}, ConfigError, "did you mean 'batch'"),
        ({"objective_options": {"graphcl": {"strenght": 1}}}, ConfigError, "did you mean 'strength'"),
        ({"objective_options": {"graph_mae": {}}}, ConfigError, "'graph_mae', which is not among"),
        ({"seed": 2**70}, ConfigError, "seed=1180591620717411303424 must be at least 0 and below 4294967296"),
        ({"seed": 2**32}, ConfigError, "must be at least 0 and below 4294967296"),
        ({"pretrain_seed": 2**32}, ConfigError, "pretrain_seed=4294967296 must be"),
        (
            {"hypergradient_interval": 7},
            ConfigError,
            r"exceeds the 6 steps .* at most 6, or more steps: steps=7",
        ),
    ],
)
def test_impossible_options_are_refused_at_once(
    job: Job, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        check_job(variant(job, **changes))


@pytest.mark.parametrize(
    "changes",
    [{"learn": ["graphcl.temperature"]}, {"align_on": "own"}, {"stop_when_decided": True}, {"weights_from": "x"}],
)
@pytest.mark.parametrize("weighting", ["none", "equal"])
def test_options_that_a_weighting_would_ignore_are_refused(job: Job, weighting: str, changes: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=f"{next(iter(changes))}=.*weighting='{weighting}' does not"):
        check_job(replace(job, weighting=weighting, **changes))
    assert variant(replace(job, **changes), weighting=weighting) == replace(job, weighting=weighting)


def test_gamma_may_be_zero_where_nothing_is_learned_through_it(
    job: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset
) -> None:
    run = fit(variant(job, proximal_strength=0.0, weighting="equal", steps=1, epochs=1), data, splits, corpus)
    assert len(run.records) == 1
    check_job(variant(job, proximal_strength=0.0, weighting="none"))
    check_job(variant(job, proximal_strength=0.0, weighting="bilevel"))


def test_the_interval_may_exceed_the_steps_where_no_weight_is_learned_from_the_task(job: Job) -> None:
    check_job(variant(job, hypergradient_interval=6))
    check_job(variant(job, hypergradient_interval=100, weighting="equal"))
    check_job(variant(job, hypergradient_interval=100, steps=0))


def test_finetuning_is_held_near_the_pretrained_encoder(
    job: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset
) -> None:
    """The distance to it falls as the proximal term grows, and only that of finetuning: level 2 has its own."""

    def distance(**gammas: float) -> float:
        run = fit(
            variant(job, weighting="none", epochs=8, patience=8, finetune_lr=0.01, **gammas), data, splits, corpus
        )
        moved = [
            float((tuned.detach() - run.pretrained[f"encoder.{name}"]).square().sum())
            for name, tuned in run.model.first_encoder().named_parameters()
        ]
        return sum(moved)

    free, held, tight = (distance(finetune_proximal_strength=gamma) for gamma in (0.0, 1.0, 10.0))
    assert free > 1.5 * held > 1.5 * 1.5 * tight > 0
    assert distance(proximal_strength=1000.0) == free


def test_making_a_job_leaves_the_global_random_state_alone(job: Job) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    variant(job, seed=3)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("changed", [False, True])
def test_options_of_the_loop_reach_it(
    job: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset, *, changed: bool
) -> None:
    other = variant(
        job,
        init="scratch",
        scale_losses=changed,
        recompute_graphs=changed,
        warm_start=not changed,
        meta_batches=1 + changed,
    )
    cpu = torch.device("cpu")
    setup = adaptive_pretraining(other, *generic_pretraining(other, corpus, cpu), data, splits, device=cpu)
    assert setup.loop.scale_losses == setup.loop.graph.options.recompute_graphs == changed
    assert setup.loop.warm_start != changed
    assert setup.task.meta_batches == 1 + changed
    assert other.options()["meta_batches"] == 1 + changed


def test_meta_batches_are_averaged(job: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset) -> None:
    """Of all meta molecules each time, however they are divided, the meta loss of the first step is the same."""
    layer = {"layers": 2, "width": 16, "norm": "layer"}  # what a batch norm does depends on the batch
    base = variant(job, encoder_options=layer, init="scratch", steps=1, hypergradient_interval=1, epochs=0)
    whole, halves = (
        fit(variant(base, meta_batch_size=size, meta_batches=count), data, splits, corpus)
        for size, count in ((64, 1), (32, 2))
    )
    assert len(splits.meta) == 64
    assert halves.records[0]["meta_loss"] == pytest.approx(whole.records[0]["meta_loss"], rel=1e-5)


def test_comparison_has_a_line_per_method(
    job: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset, tmp_path: Path
) -> None:
    result = compare(job, data, splits, corpus, baselines=["scratch", "pretrained", "equal"])
    assert [row.method for row in result.rows] == ["scratch", "pretrained", "equal", "tapweight"]
    table = format_table(result)
    assert [line.split("  ")[0] for line in table.splitlines()] == [
        "method",
        "from scratch",
        "no adaptive pretraining",
        "equal weights",
        "TapWeight",
    ]
    result.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "README.md",
        "calibration.safetensors",
        "history.csv",
        "manifest.json",
        "metrics.json",
        "model.safetensors",
        "pretraining.safetensors",
        "test.safetensors",
        "test_predictions.csv",
        "weights.json",
        "weights.png",
    }


def test_method_that_is_a_baseline_is_run_once(
    job: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset
) -> None:
    result = compare(variant(job, weighting="equal", epochs=1), data, splits, corpus, baselines=["equal"])
    assert [row.method for row in result.rows] == ["equal"]


def test_a_weighting_without_general_pretraining_keeps_its_own_line(
    job: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset
) -> None:
    result = compare(variant(job, init="scratch", epochs=1), data, splits, corpus, baselines=["scratch"])
    assert [row.method for row in result.rows] == ["scratch", "tapweight"]
    assert [bool(row.weights) for row in result.rows] == [False, True]


def test_unknown_baseline_is_refused(job: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset) -> None:
    with pytest.raises(ConfigError, match="did you mean 'scratch'"):
        compare(job, data, splits, corpus, baselines=["scrach"])


def test_own_labels_in_their_own_units(job: Job, corpus: MoleculeDataset) -> None:
    smiles = ["C" * n for n in range(1, 41)]
    table = from_smiles(smiles, [[1000.0 + n] for n in range(40)], task="regression", name="chain", cache=False)
    run = fit(variant(job, epochs=1), table, split(table, "random"), corpus)
    assert 900 < run.predict(["CCC"])[0, 0] < 1100
