"""Labelled tables in addition to the corpus: which one is learned from, and that it is never that of the task."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from molweight import datasets, objectives
from molweight.datasets import Splits
from molweight.datasets.internal import identities
from molweight.errors import ConfigError, DataError
from molweight.graphs import MoleculeDataset, build_dataset
from molweight.options import Job
from molweight.runs import load, read_checkpoint, save_checkpoint
from molweight.runs.internal import LearnedLabels
from molweight.storage import read_tensors, write_tensors
from molweight.training import fit, generic_pretraining, resolve, variant
from molweight.training._held_out import refuse_leaky_checkpoint
from molweight.training.internal import HeldOut, check_job

JOB = Job(
    encoder_options={"layers": 1, "width": 8},
    objectives=["assay_labels", "attribute_masking"],
    pretrain_steps=2,
    steps=2,
    epochs=1,
    batch_size=16,
)


def chosen(task: str, **options: Any) -> dict[str, Any]:
    job = variant(JOB, objective_options={"assay_labels": options} if options else {})
    return dict(resolve(job, datasets.load(task)).objective_options["assay_labels"])


def test_the_table_is_never_the_task() -> None:
    assert chosen("freesolv") == {"table": "tox21", "labels": 12}
    assert chosen("tox21") == {"table": "sider", "labels": 27}
    assert chosen("bbbp", table="clintox") == {"table": "clintox", "labels": 2}
    with pytest.raises(ConfigError, match="the table 'sider' has labels of the task"):
        chosen("sider", table="sider")


def test_a_copy_of_the_table_under_another_name_is_refused() -> None:
    table = datasets.load("tox21").subset(range(50))
    copy = build_dataset(table.smiles, table.targets, name="mine", target_names=table.target_names, cache=False)
    with pytest.raises(ConfigError, match=r"labels of the task .*NR-AR"):
        resolve(variant(JOB, objective_options={"assay_labels": {"table": "tox21"}}), copy)


def test_nothing_is_settled_twice_or_without_need() -> None:
    data = datasets.load("freesolv")
    settled = resolve(JOB, data)
    assert resolve(settled, data) is settled
    other = variant(JOB, objectives=["attribute_masking"])
    assert resolve(other, data) == replace(other, init="pretrain")


def test_generic_pretraining_learns_the_table_of_the_alias() -> None:
    job = variant(JOB, objectives=["assay_labels:clintox"], pretrain_steps=0)
    model, _ = generic_pretraining(job, datasets.load_corpus("zinc", size=16), torch.device("cpu"))
    assert model.objective("assay_labels:clintox").tables == ("clintox",)


def test_a_job_learns_from_it() -> None:
    data = datasets.load("freesolv")
    run = fit(JOB, data, datasets.split(data), datasets.load_corpus("zinc", size=64))
    assert set(run.weights) == {"assay_labels", "attribute_masking"}
    assert run.options["objective_options"]["assay_labels"]["table"] == "tox21"


def test_the_same_objective_several_times_under_aliases() -> None:
    data = datasets.load("freesolv")
    names = ["assay_labels:sider", "assay_labels:toxicity", "attribute_masking:few", "attribute_masking:many"]
    rates = {"attribute_masking:few": {"rate": 0.1}, "attribute_masking:many": {"rate": 0.5}}
    job = variant(JOB, objectives=names, objective_options=rates)
    settled = resolve(job, data).objective_options
    assert settled["assay_labels:sider"] == {"table": "sider", "labels": 27}
    assert settled["assay_labels:toxicity"] == {"table": "tox21", "labels": 12}
    run = fit(job, data, datasets.split(data), datasets.load_corpus("zinc", size=64))
    assert list(run.weights) == names
    model, _ = generic_pretraining(resolve(job, data), datasets.load_corpus("zinc", size=64), torch.device("cpu"))
    few, many = (model.objective(name) for name in names[2:])
    assert isinstance(few, objectives.AttributeMasking)
    assert isinstance(many, objectives.AttributeMasking)
    assert (few.rate, many.rate) == (0.1, 0.5)
    assert not torch.equal(few.atom_head.weight, many.atom_head.weight)


@pytest.mark.parametrize("name", ["attribute_masking:", "attribute_masking:a.b", "attribute_masking:a:b"])
def test_an_alias_that_cannot_be_used_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="an alias is made of letters"):
        resolve(variant(JOB, objectives=[name]), datasets.load("freesolv"))


def test_molecules_and_labels_are_those_of_the_table() -> None:
    labels = np.array([[0, 1], [1, np.nan], [np.nan, np.nan]], dtype=np.float32)
    table = build_dataset(["C", "CC", "CCC"], labels, target_names=["a", "b"], task="classification", cache=False)
    objective = objectives.AssayLabels(4, table="mine", labels=2)
    batch = build_dataset(["O"] * 200, cache=False).graphs(range(200))
    with pytest.raises(ConfigError, match="has no table"):
        objective.draw(batch, torch.Generator())
    objective.attach({"mine": table})
    views = objective.draw(batch, torch.Generator().manual_seed(0))
    sizes = views.graphs.ptr.diff()
    assert set(sizes.tolist()) == {1, 2, 3}
    for size, expected, known in ((1, [0, 1], [1, 1]), (2, [1, 0], [1, 0]), (3, [0, 0], [0, 0])):
        assert (views.labels[sizes == size] == torch.tensor(expected)).all()
        assert (views.known[sizes == size] == torch.tensor(known)).all()


@pytest.mark.parametrize(("table", "labels", "message"), [("esol", 1, "not classes"), ("bbbp", 3, "Set labels=1")])
def test_a_table_that_does_not_fit_is_refused(table: str, labels: int, message: str) -> None:
    objective = objectives.AssayLabels(4, table=table, labels=labels)
    with pytest.raises(DataError, match=message):
        objective.attach({table: datasets.load(table)})


LONG = ["CC", "CCC", "CCCC", "CCCCC", "CCCCCC", "CCO", "CCCO", "CCCCO", "CCN", "CCCN", "CC(=O)O", "CCC(=O)O"]
TRAIN, META, SELECT, TEST = np.split(np.arange(12, dtype=np.int64), [6, 8, 10])
ROLES = Splits(TRAIN, META, SELECT, TEST, "given", "in order", "four-role")


@pytest.fixture
def copy(registries: None) -> MoleculeDataset:
    """A table of which another one, ``renamed``, holds the labels under another name and in other SMILES."""
    del registries
    labels = [[float(number % 2)] for number in range(len(LONG))]

    @datasets.register("renamed")
    def renamed() -> MoleculeDataset:
        """Salts and reversed SMILES of the same compounds."""
        given = [*LONG[:10], "OC(=O)C", "[Na+].[O-]C(=O)CC"]
        return datasets.from_smiles(
            given, labels, name="renamed", task="classification", target_names=["other"], cache=False
        )

    return datasets.from_smiles(LONG, labels, name="mine", task="classification", cache=False)


def of_renamed(**changes: Any) -> Job:
    return variant(
        JOB,
        objectives=["assay_labels"],
        objective_options={"assay_labels": {"table": "renamed", "labels": 1}},
        **changes,
    )


def test_compounds_that_are_held_out_are_not_learned_under_any_name(copy: MoleculeDataset) -> None:
    corpus = datasets.load_corpus("zinc", size=16)
    model, prepared = generic_pretraining(of_renamed(), corpus, torch.device("cpu"), held=HeldOut(copy, ROLES))
    objective = model.objective("assay_labels")
    seen: set[tuple[int, int]] = set()
    for seed in range(20):
        graphs = objective.draw(prepared.graphs(range(16)), torch.Generator().manual_seed(seed)).graphs
        oxygens = torch.zeros(16, dtype=torch.long).index_add(0, graphs.batch, (graphs.x[:, 0] == 7).long())
        seen |= set(zip(graphs.ptr.diff().tolist(), oxygens.tolist(), strict=True))
    assert seen == {(2, 0), (3, 0), (4, 0), (5, 0), (6, 0), (3, 1)}  # the alkanes and ethanol: train


def test_a_checkpoint_that_learned_what_is_held_out_is_refused(copy: MoleculeDataset, tmp_path: Path) -> None:
    corpus, device = datasets.load_corpus("zinc", size=16), torch.device("cpu")
    model, _ = generic_pretraining(of_renamed(), corpus, device)
    save_checkpoint(tmp_path / "all", of_renamed(), model, corpus)
    job = variant(JOB, objectives=["attribute_masking"], init=str(tmp_path / "all"))
    with pytest.raises(ConfigError, match=r"was trained on labels of renamed \(assay_labels\); 6 of its molecules"):
        fit(job, copy, ROLES, corpus)
    run = fit(of_renamed(), copy, ROLES, corpus)
    run.save(tmp_path / "run")
    again = variant(JOB, objectives=["attribute_masking"], init=str(tmp_path / "run"))
    assert fit(again, copy, ROLES, corpus).weights == {"attribute_masking": 1.0}


def test_labels_are_remembered_over_several_runs(copy: MoleculeDataset, tmp_path: Path) -> None:
    corpus, device = datasets.load_corpus("zinc", size=16), torch.device("cpu")
    model, _ = generic_pretraining(of_renamed(), corpus, device)
    save_checkpoint(tmp_path / "all", of_renamed(), model, corpus)
    other = datasets.load("freesolv").subset(range(40))
    plain = variant(JOB, objectives=["attribute_masking"], steps=0, weighting="none")
    for start, name in (("all", "first"), ("first", "second")):
        run = fit(variant(plain, init=str(tmp_path / start)), other, datasets.split(other, "random"), corpus)
        run.save(tmp_path / name)
        assert load(tmp_path / name).learned == run.learned
    with pytest.raises(ConfigError, match=r"was trained on labels of renamed \(assay_labels\); 6 of its molecules"):
        fit(variant(plain, init=str(tmp_path / "second")), copy, ROLES, corpus)


def test_a_run_that_learned_the_task_is_no_start_where_its_labels_are_held_out(tmp_path: Path) -> None:
    corpus, data = datasets.load_corpus("zinc", size=16), datasets.load("freesolv").subset(range(60))
    splits, others = (datasets.split(data, "random", seed=seed) for seed in (0, 1))
    job = variant(JOB, objectives=["attribute_masking"], weighting="bilevel")
    with pytest.raises(ConfigError, match=r"weighting='bilevel' trains .* Use a single model, members=1"):
        check_job(replace(job, members=None))
    assert check_job(replace(job, members=5, steps=0)).members == 5
    fit(job, data, splits, corpus).save(tmp_path / "run")
    again = variant(JOB, objectives=["attribute_masking"], init=str(tmp_path / "run"))
    assert fit(again, data, splits, corpus).weights == {"attribute_masking": 1.0}
    with pytest.raises(ConfigError, match=r"labels of freesolv \(bilevel\); \d+ of its compounds"):
        fit(again, data, others, corpus)
    with pytest.raises(ConfigError, match=r"labels of freesolv \(bilevel\); \d+ of its compounds"):
        fit(replace(again, members=2, partners=["linear"]), data, splits, corpus)


def as_earlier_versions_wrote_it(folder: Path) -> str:
    """A run without a record of the labels that its encoder has learned."""
    path = folder / "pretraining.safetensors"
    tensors, about = read_tensors(path)
    del about["learned"]
    write_tensors(path, tensors, about)
    return str(folder)


def test_a_run_of_an_earlier_version_that_learned_the_task_is_no_start(tmp_path: Path) -> None:
    corpus, whole = datasets.load_corpus("zinc", size=16), datasets.load("freesolv")
    part = whole.subset(range(60))
    job = variant(JOB, objectives=["attribute_masking"], weighting="bilevel")
    starts = {}
    for name, data in (("whole", whole), ("part", part)):
        fit(job, data, datasets.split(data, "random"), corpus).save(tmp_path / name)
        starts[name] = variant(job, weighting="equal", init=as_earlier_versions_wrote_it(tmp_path / name))
    splits, others = (datasets.split(part, "random", seed=seed) for seed in (0, 1))
    fit(starts["part"], part, splits, corpus)  # the same roles
    with pytest.raises(ConfigError, match=r"labels of freesolv \(bilevel\); \d+ of its compounds .*another weighting"):
        fit(replace(starts["part"], members=2, partners=["linear"]), part, splits, corpus)
    with pytest.raises(ConfigError, match=r"cannot be checked .* 'freesolv' of this version has other molecules"):
        fit(starts["part"], part, others, corpus)
    with pytest.raises(ConfigError, match=r"labels of freesolv \(bilevel\); \d+ of its compounds .*another weighting"):
        fit(starts["whole"], part, splits, corpus)
    alkanes = datasets.from_smiles(["C" * n for n in range(20, 32)], np.arange(12.0), name="alkanes", cache=False)
    run = fit(starts["whole"], alkanes, datasets.split(alkanes, "random"), corpus)
    run.save(tmp_path / "next")
    again = replace(starts["whole"], init=str(tmp_path / "next"))
    with pytest.raises(ConfigError, match=r"labels of freesolv \(bilevel\); \d+ of its compounds"):
        fit(again, part, splits, corpus)


FORMS = ["[2H]CCCCCCC", "[13CH3]CCCCCC", "C[33S](=O)C"]


def test_forms_that_only_inchi_recognises_are_not_learned() -> None:
    task = datasets.from_smiles(["CCO", "CCN", "CCCl", "CCCCCCC", "CS(=O)C"], np.arange(5.0), name="task", cache=False)
    order = np.arange(5, dtype=np.int64)
    splits = Splits(order[:2], order[2:3], order[3:4], order[4:], "given", "in order", "four-role")
    table = datasets.from_smiles([*FORMS, "CCC", "[2H]CCO"], np.arange(5.0), name="other", cache=False)
    assert list(HeldOut(task, splits).without(table).smiles) == ["CCC", "[2H]CCO"]
    further = replace(splits, further=datasets.from_smiles(["CCC"], cache=False))
    assert list(HeldOut(task, further).without(table).smiles) == ["[2H]CCO"]


def test_a_run_that_learned_a_form_of_a_held_out_compound_is_no_start() -> None:
    learned = LearnedLabels.of_task("bilevel", datasets.from_smiles([*FORMS, "[2H]CCO"], cache=False))
    stored = LearnedLabels.from_json(learned.to_json())
    task = datasets.from_smiles(["CCO", "CCN", "CCCl", "CCCCCCC", "CS(=O)C"], np.arange(5.0), name="task", cache=False)
    order = np.arange(5, dtype=np.int64)
    splits = Splits(order[:2], order[2:3], order[3:4], order[4:], "given", "in order", "four-role")
    assert stored.covers(task).tolist() == [True, False, False, True, True]
    assert HeldOut(task, splits).learned(stored) == 2
    assert HeldOut(task, splits, cross_fitted=True).learned(stored) == 3
    further = replace(splits, further=datasets.from_smiles(["CC[2H]", "CCO"], cache=False))
    assert HeldOut(task, further).learned(stored) == 3
    keys = identities(datasets.from_smiles([*FORMS, "[2H]CCO"], cache=False))[:, 1]
    earlier = LearnedLabels("bilevel", "task", compounds=np.unique(keys).tobytes().hex())
    assert HeldOut(task, splits).learned(earlier) == 0  # as the first versions wrote it
    salts = datasets.from_smiles(["[13CH3]C(=O)[O-].[Na+]", "CCCl"], cache=False)
    acid = datasets.from_smiles(["CC(=O)O", "[2H]CC(=O)O", "CCO"], cache=False)
    assert LearnedLabels.of_task("bilevel", salts).covers(acid).tolist() == [True, True, False]
    assert LearnedLabels.of_task("bilevel", acid).covers(salts).tolist() == [True, False]


def test_labels_that_cannot_be_checked_are_refused_in_words(tmp_path: Path, copy: MoleculeDataset) -> None:
    corpus, other = datasets.load_corpus("zinc", size=16), datasets.load("freesolv").subset(range(40))
    data = datasets.load("lipophilicity").subset(range(60))
    table = datasets.from_smiles(list(other.smiles), list(other.targets[:, 0]), name="in_house", cache=False)
    splits, job = datasets.split(data, "random"), variant(JOB, objectives=["attribute_masking"])
    fit(job, data, splits, corpus, aux=[table]).save(tmp_path / "run")
    again = variant(job, init=str(tmp_path / "run"))
    assert fit(again, data, splits, corpus).weights == {"attribute_masking": 1.0}
    with pytest.raises(ConfigError, match=r"of in_house \(source:in_house\), which is not available.*Give that file"):
        fit(again, copy, ROLES, corpus)


def test_only_an_unknown_objective_of_an_earlier_version_is_refused(copy: MoleculeDataset) -> None:
    checkpoint = replace(read_checkpoint("gin_zinc"), objectives={"of_a_plugin": {}}, learned=None)
    with pytest.raises(ConfigError, match=r"'old' was pretrained with an objective .*'of_a_plugin'.*give --plugin"):
        refuse_leaky_checkpoint(checkpoint, "old", HeldOut(copy, ROLES))
    refuse_leaky_checkpoint(replace(checkpoint, learned=()), "new", HeldOut(copy, ROLES))


def test_a_target_without_any_label_is_refused() -> None:
    labels = np.array([[0, np.nan], [1, np.nan]], dtype=np.float32)
    table = build_dataset(["C", "CC"], labels, target_names=["a", "b"], task="classification", cache=False)
    with pytest.raises(DataError, match=r"none of the 2 molecules of 'mine' .* has a label for b"):
        objectives.AssayLabels(4, table="mine", labels=2).attach({"mine": table})
