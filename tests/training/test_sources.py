"""Auxiliary tables as objectives of a fit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from molweight import Job, datasets, encoders, fit, objectives
from molweight.datasets import Splits, from_smiles
from molweight.datasets.internal import read_sources
from molweight.errors import ConfigError
from molweight.graphs import MoleculeDataset, build_dataset
from molweight.models import Pretrainer
from molweight.objectives import Source
from molweight.objectives.internal import SourcePool
from molweight.training import compare, generic_pretraining
from molweight.training.internal import HeldOut, adaptive_pretraining, with_sources

SMALL = Job(
    encoder_options={"layers": 1, "width": 8},
    objectives=["attribute_masking"],
    init="scratch",
    steps=3,
    epochs=1,
    batch_size=32,
)


@pytest.fixture(scope="module")
def task() -> MoleculeDataset:
    return datasets.load("freesolv")


@pytest.fixture(scope="module")
def splits(task: MoleculeDataset) -> Splits:
    return datasets.split(task)


def mixed(name: str = "mixed") -> MoleculeDataset:
    """Numbers and classes with missing labels."""
    rng = np.random.default_rng(0)
    smiles = ["C" * length + end for length in range(1, 13) for end in ("O", "N", "Cl", "C(=O)O")]
    labels = np.stack([rng.normal(50, 9, len(smiles)), rng.integers(0, 2, len(smiles))], axis=1)
    labels[::3, 0], labels[1::3, 1] = np.nan, np.nan
    return from_smiles(
        smiles, labels, task="regression,classification", target_names=["a.b", "c"], name=name, cache=False
    )


def source_of(model: Pretrainer, name: str) -> Source:
    objective = model.objective(name)
    assert isinstance(objective, Source)
    return objective


def test_tables_that_nothing_learns_are_not_recorded(
    task: MoleculeDataset, splits: Splits, caplog: pytest.LogCaptureFixture
) -> None:
    corpus = datasets.load_corpus("zinc", size=32)
    run = fit(replace(SMALL, weighting="none"), task, splits, corpus, aux=["esol"])
    assert "nothing is learned from the auxiliary tables (esol)" in caplog.text
    assert "sources" not in run.trained_on
    caplog.clear()
    run = fit(replace(SMALL, weighting="none", init="pretrain", pretrain_steps=1), task, splits, corpus, aux=["esol"])
    assert "nothing is learned" not in caplog.text
    assert [use["name"] for use in run.trained_on["sources"]] == ["esol"]


def test_another_objective_learns_all_columns_of_a_table_in_aux(task: MoleculeDataset, splits: Splits) -> None:
    job = replace(SMALL, objectives=["assay_labels:clintox"], aux=["clintox:CT_TOX"])
    run = fit(job, task, splits, datasets.load_corpus("zinc", size=32))
    assert list(run.weights) == ["assay_labels:clintox", "source:clintox"]
    assert run.options["objective_options"]["assay_labels:clintox"]["labels"] == 2


def test_a_fit_learns_a_weight_for_each_table(task: MoleculeDataset, splits: Splits, tmp_path: Path) -> None:
    run = fit(Job(**{**SMALL.options(), "aux": ["esol"]}), task, splits, aux=[mixed("my.table")])
    assert list(run.weights) == ["attribute_masking", "source:esol", "source:my_table"]
    assert run.options["objective_options"]["source:my_table"]["columns"] == ["a.b", "c"]
    uses = {use["name"]: use for use in run.trained_on["sources"]}
    assert uses["esol"]["held_out"] > 0
    assert uses["my.table"]["columns"] == 2
    run.save(tmp_path / "run")
    assert datasets.load("freesolv").smiles[0]


def test_a_weight_for_each_column_or_group_of_columns(task: MoleculeDataset, splits: Splits) -> None:
    job, _ = with_sources(Job(aux_weights="column"), task, splits, [mixed()])
    assert [name for name in job.objectives if ":" in name] == ["source:mixed-a_b", "source:mixed-c"]
    wide = np.random.default_rng(0).normal(size=(24, 70))
    table = from_smiles(["C" * n for n in range(1, 25)], wide, name="wide", cache=False)
    job, _ = with_sources(Job(aux_weights="column"), task, splits, [table])
    groups = [options["columns"] for options in job.objective_options.values()]
    assert len(groups) == 32
    assert sorted(column for group in groups for column in group) == sorted(table.target_names)


def test_columns_measured_on_the_same_molecules_share_a_group(task: MoleculeDataset, splits: Splits) -> None:
    labels = np.full((80, 64), np.nan)
    for column in range(64):  # pairs of columns, far apart in the table, measured on the same 20 molecules of 80
        rows = np.random.default_rng(column % 32).permutation(80)[:20]
        labels[rows, column] = np.random.default_rng(100 + column).normal(size=20)
    smiles = ["C" * n + end for n in range(1, 21) for end in ("O", "N", "Br", "S")]
    table = from_smiles(smiles, labels, name="pairs", cache=False)
    sources = read_sources([table])  # without a task
    job, _ = with_sources(Job(aux_weights="column"), task, splits, sources)
    groups = [sorted(int(name[1:]) for name in options["columns"]) for options in job.objective_options.values()]
    assert sorted(groups) == [[column, column + 32] for column in range(32)]


def test_all_heads_read_one_batch_and_their_own_labels(task: MoleculeDataset, splits: Splits) -> None:
    tables = [mixed("one"), mixed("two"), datasets.load("esol")]
    job, sources = with_sources(SMALL, task, splits, tables)
    corpus = datasets.load_corpus("zinc", size=64)
    model, prepared = generic_pretraining(job, corpus, torch.device("cpu"), held=HeldOut(task, splits, sources))
    heads = [source_of(model, name) for name in job.objectives if name.startswith("source:")]
    batch = prepared.graphs(range(64))
    drawn = [head.draw(batch, torch.Generator().manual_seed(0)) for head in heads]
    assert all(views.graphs is drawn[0].graphs and views.seed == drawn[0].seed for views in drawn)
    assert torch.equal(drawn[0].labels, drawn[1].labels)  # the same molecules are one row of the pool
    known = [int(views.known.sum()) for views in drawn]
    assert min(known) > 0
    esol = sources[2].data
    place = {smiles: row for row, smiles in enumerate(esol.smiles)}
    pool = heads[0].pool
    positions = pool.draw(99, batch, torch.Generator().manual_seed(0)).positions.tolist()
    rows = [place.get(pool.molecules.smiles[position]) for position in positions]
    mean, deviation = np.nanmean(esol.targets), np.nanstd(esol.targets)
    for row, label, there in zip(rows, drawn[2].labels[:, 0].tolist(), drawn[2].known[:, 0].tolist(), strict=True):
        assert (row is not None) == bool(there)
        if row is not None:
            assert label == pytest.approx((esol.targets[row, 0] - mean) / deviation, abs=1e-5)


def test_held_out_compounds_are_in_no_pool(task: MoleculeDataset, splits: Splits) -> None:
    job, sources = with_sources(SMALL, task, splits, ["freesolv", "esol"])
    corpus = datasets.load_corpus("zinc", size=64)
    model, _ = generic_pretraining(job, corpus, torch.device("cpu"), held=HeldOut(task, splits, sources))
    pool = source_of(model, "source:esol").pool
    held = task.subset(np.concatenate([splits.meta, splits.select, splits.test]))
    assert len(datasets.without(pool.molecules, held)) == len(pool.molecules)


def test_a_small_table_is_drawn_next_to_a_large_one() -> None:
    molecules = build_dataset(["C" * n for n in range(1, 101)], cache=False)
    pool = SourcePool(molecules, [np.arange(100), np.array([7])])
    batch = build_dataset(["C"] * 10, cache=False).graphs(range(10))
    positions = [pool.draw(0, batch, torch.Generator().manual_seed(seed)).positions for seed in range(20)]
    assert all((drawn == 7).any() for drawn in positions)
    assert len(set(torch.cat(positions).tolist())) > 60


def test_a_bound_costs_only_on_its_side() -> None:
    table = from_smiles(
        ["C", "CC", "CCC"], [1.0, 2.0, 3.0], bounds=[1, 0, -1], task="regression", name="b", cache=False
    )
    source = Source(4, table="b", labels=1)
    source.attach({"b": table})
    views = source.draw(build_dataset(["C"] * 64, cache=False).graphs(range(64)), torch.Generator().manual_seed(0))
    far = torch.full_like(views.labels, 5.0)

    with torch.no_grad():
        source.head.weight.zero_(), source.head.bias.fill_(5.0)
    expected = ((far - views.labels).square() * (views.bounds <= 0)).sum() / views.known.sum()
    torch.testing.assert_close(source.loss(encoders.create("gin", layers=1, width=4), views), expected)


def test_baselines_learn_the_same_tables(task: MoleculeDataset, splits: Splits) -> None:
    job = Job(**{**SMALL.options(), "aux": ["esol"]})
    found = compare(job, task, splits, datasets.load_corpus("zinc", size=64), baselines=["equal"])
    assert [sorted(row.weights) for row in found.rows] == [["attribute_masking", "source:esol"]] * 2


def test_a_run_that_has_learned_held_out_labels_is_refused(
    task: MoleculeDataset, splits: Splits, tmp_path: Path
) -> None:
    run = fit(Job(**{**SMALL.options(), "aux": ["esol"]}), task, splits)
    run.save(tmp_path / "run")
    other = Job(**{**SMALL.options(), "init": str(tmp_path / "run")})
    other = Job(**{**other.options(), "encoder": "gin", "encoder_options": {}})
    fit(Job(**{**other.options(), "objectives": ["attribute_masking"]}), task, splits)
    lipophilicity = datasets.load("lipophilicity").subset(range(300))
    with pytest.raises(ConfigError, match=r"was trained on labels of esol \(source:esol\)"):
        fit(other, lipophilicity, datasets.split(lipophilicity, "random"))


def test_only_sources_and_no_other_objective(task: MoleculeDataset, splits: Splits) -> None:
    run = fit(Job(**{**SMALL.options(), "objectives": [], "aux": ["esol"]}), task, splits, aux=[mixed()])
    assert list(run.weights) == ["source:esol", "source:mixed"]


def test_an_objective_without_its_table_says_so() -> None:
    batch = build_dataset(["C"], cache=False).graphs([0])
    with pytest.raises(ConfigError, match="has no table"):
        objectives.create("source:tox21", width=4).draw(batch, torch.Generator())


def test_all_sources_cost_one_encoder_pass(task: MoleculeDataset, splits: Splits) -> None:
    """However many heads: one pass over the corpus for the objective without labels, and those over the pool."""
    counts = {}
    for columns in (5, 20):
        labels = np.random.default_rng(0).normal(size=(60, columns))
        smiles = ["C" * n + end for n in range(1, 31) for end in ("O", "N")]
        table = from_smiles(smiles, labels, name="wide", cache=False)
        job = Job(**{**SMALL.options(), "objectives": ["functional_groups"], "aux_weights": "column"})
        job, sources = with_sources(job, task, splits, [table])
        held, corpus = HeldOut(task, splits, sources), datasets.load_corpus("zinc", size=64)
        model, prepared = generic_pretraining(job, corpus, torch.device("cpu"), held=held)
        setup = adaptive_pretraining(job, model, prepared, task, splits, device=torch.device("cpu"))
        setup.step()
        passes: list[int] = []
        hook = model.encoder.register_forward_pre_hook(lambda _, inputs, seen=passes: seen.append(inputs[0].num_graphs))
        setup.step()
        hook.remove()
        counts[columns] = passes
    assert counts[20] == counts[5]
    assert len(counts[20]) <= 3  # the pool once more, forward, for the hypergradient


def test_one_text_is_no_list_of_tables() -> None:
    with pytest.raises(ConfigError, match=r"aux='esol' must be a list. Write \['esol'\]"):
        Job(aux="esol")


KINDS = ("random", "solved")


def setup_of(job: Job, task: MoleculeDataset, splits: Splits, *tables: MoleculeDataset) -> Pretrainer:
    """The model at the first step of adaptive pretraining."""
    job, sources = with_sources(job, task, splits, tables)
    corpus = datasets.load_corpus("zinc", size=32)
    cpu = torch.device("cpu")
    model, prepared = generic_pretraining(job, corpus, cpu, held=HeldOut(task, splits, sources))
    return adaptive_pretraining(job, model, prepared, task, splits, device=cpu).model


def test_heads_of_sources_start_as_the_minimum_of_their_loss(task: MoleculeDataset, splits: Splits) -> None:
    model = setup_of(SMALL, task, splits, mixed("one"), mixed("two"))
    source = source_of(model, "source:one")
    molecules, rng = source.pool.molecules, torch.Generator().manual_seed(0)
    everything = torch.from_numpy(source.pool.sample(4096, rng))
    assert sorted(everything.tolist()) == list(range(len(molecules)))  # small tables are taken whole
    labels, _ = source.labels_at(everything)
    vectors = model.encoder(molecules.graphs(everything.numpy()), None).graphs.detach().double()
    slopes = []
    for column, classes in enumerate(source.classes.tolist()):
        known = ~labels[:, column].isnan()
        weight = source.head.weight[column].detach().double()
        outputs = vectors[known] @ weight + source.head.bias[column].detach().double()
        error = outputs.sigmoid() - labels[known, column] if classes else 2 * (outputs - labels[known, column])
        assert abs(float(error.mean())) < 1e-5  # the bias has no penalty
        slope = (error[:, None] * vectors[known]).mean(dim=0)
        slopes.append(float(torch.nn.functional.cosine_similarity(slope, -weight, dim=0)))
    assert slopes == pytest.approx([1, 1], abs=1e-3)  # the slope of the loss balances that of the ridge


def test_heads_of_sources_start_at_random_where_asked_or_where_labels_are_few(
    task: MoleculeDataset, splits: Splits
) -> None:
    full = mixed()
    labels = full.targets.copy()
    labels[6:, 1] *= 0  # few are of the class
    assert 0 < np.nansum(labels[:, 1]) < 10
    table = from_smiles(full.smiles, labels, task=full.task, target_names=full.target_names, name="mixed", cache=False)
    jobs = [Job(**{**SMALL.options(), "source_heads": kind}) for kind in KINDS]
    random, solved = (source_of(setup_of(job, task, splits, table), "source:mixed").head.weight for job in jobs)
    assert torch.equal(random[1], solved[1])
    assert not torch.equal(random[0], solved[0])


def test_one_ridge_serves_many_columns(task: MoleculeDataset, splits: Splits) -> None:
    smiles = ["C" * length + end for length in range(1, 13) for end in ("O", "N", "Cl", "C(=O)O")]
    labels = np.random.default_rng(0).normal(size=(len(smiles), 12)) + np.arange(len(smiles))[:, None] / 10
    table = from_smiles(smiles, labels, name="wide", cache=False)
    losses = {}
    for kind in KINDS:
        model = setup_of(Job(**{**SMALL.options(), "source_heads": kind}), task, splits, table)
        source = source_of(model, "source:wide")
        batch = datasets.load_corpus("zinc", size=64).graphs(range(64))
        loss = source.loss(model.encoder, source.draw(batch, torch.Generator().manual_seed(0)))
        losses[kind] = loss.item()
    assert losses["solved"] < 1 < losses["random"]  # 1 is the loss of the mean label


def table_of(name: str, columns: list[str]) -> MoleculeDataset:
    labels = np.random.default_rng(len(name)).normal(size=(24, len(columns)))
    return from_smiles(["C" * n for n in range(1, 25)], labels, name=name, target_names=columns, cache=False)


@pytest.mark.parametrize(
    ("weights", "tables", "names"),
    [
        ("table", {"a b": ["x"], "a_b": ["y"]}, ["1-a_b", "2-a_b"]),
        ("table", {"a b": ["x"], "a_b": ["y"], "c": ["z"]}, ["1-a_b", "2-a_b", "3-c"]),
        ("column", {"a": ["b-c", "d"], "a-b": ["c", "e"]}, ["1-a-b-c", "1-a-d", "2-a-b-c", "2-a-b-e"]),
        ("column", {"a": ["b", "c"], "d": ["e"]}, ["a-b", "a-c", "d"]),
    ],
)
def test_every_table_has_objectives_of_its_own(
    task: MoleculeDataset, splits: Splits, weights: str, tables: dict[str, list[str]], names: list[str]
) -> None:
    given = [table_of(name, columns) for name, columns in tables.items()]
    job, used = with_sources(Job(objectives=[], aux_weights=weights), task, splits, given)
    assert job.objectives == tuple(f"source:{name}" for name in names)
    learned = [(options["table"], options["columns"]) for options in job.objective_options.values()]
    assert sorted({table for table, _ in learned}) == sorted(source.origin for source in used) == sorted(tables)
    assert sum(len(columns) for _, columns in learned) == sum(map(len, tables.values()))
