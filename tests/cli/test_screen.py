"""The best rows of a library: which ones, in which order, and after a kill."""

import gzip
import hashlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from molweight.cli import main
from molweight.cli._options._predict import parser
from molweight.cli._screen_state import ScreenState


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, and a library with rejects and repeated molecules."""
    folder = tmp_path_factory.mktemp("screen")
    rows = [f"{'C' * (1 + n % 9)}{'O' * (n % 3)}{'N' * (n % 2)}C,{n % 7}.5" for n in range(60)]
    (folder / "my.csv").write_text("\n".join(["smiles,y", *rows]))
    fit = ["finetune", str(folder / "my.csv"), "--init=scratch", f"--runs={folder}", "--name=run", "--members=1"]
    sizes = ["--encoder_options.layers=1", "--encoder_options.width=8", "--epochs=1", "--split=random", "--device=cpu"]
    assert main([*fit, *sizes, "--quiet"]) == 0
    draw = np.random.default_rng(0)
    texts = ["".join(draw.choice(list("CCCNO"), draw.integers(1, 25))) for _ in range(1900)]
    texts[17] = "C1CC"
    (folder / "library.smi").write_text("\n".join(f"{text} m{n}" for n, text in enumerate(texts)))
    return folder


@pytest.fixture(scope="module")
def best(place: Path) -> pd.DataFrame:
    """The best rows of the library, all of which were scored."""
    return screen(place, place / "best.csv", "--candidates=all")


@pytest.fixture(scope="module")
def ranked(place: Path) -> pd.DataFrame:
    """The best of the candidates that a surrogate ranks highest."""
    return screen(place, place / "ranked.csv", "--candidates=400", "--chunk_size=250")


def screen(place: Path, output: Path, *further: str) -> pd.DataFrame:
    arguments = ["predict", str(place / "run"), str(place / "library.smi"), "--top=40", f"--output={output}", *further]
    assert main([*arguments, "--quiet"]) == 0
    assert not output.with_name(f"{output.name}.screening").exists()
    return pd.read_csv(output)


@pytest.mark.parametrize("lowest", [False, True])
def test_the_best_rows_are_those_of_the_whole_list(lowest: bool, place: Path, tmp_path: Path) -> None:
    found = screen(place, tmp_path / "top.csv", *(["--lowest"] if lowest else []))
    predict = ["predict", str(place / "run"), str(place / "library.smi"), f"--output={tmp_path / 'all.csv'}", "--quiet"]
    assert main(predict) == 0
    whole = pd.read_csv(tmp_path / "all.csv")
    assert len(whole) == 1900
    expected = whole.sort_values(["y", "row"], ascending=[lowest, True], kind="stable").head(40)
    assert found["y"].tolist() == pytest.approx(expected["y"].tolist(), rel=1e-5)
    assert set(found["name"][found["y"] != found["y"].iloc[-1]]) <= set(expected["name"])
    assert found.columns.tolist() == ["row", "smiles", "name", "y", "similarity", "in_domain"]


def test_a_killed_screening_goes_on_where_it_was(
    place: Path, best: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    library = place / "library.smi"
    command = [sys.executable, "-m", "molweight", "predict", str(place / "run"), str(library), "--top=40"]
    state, output = tmp_path / "top.csv.screening", tmp_path / "top.csv"
    code = (
        "import sys, molweight.cli._screen_state as state\n"
        "from molweight.cli import main\n"
        "state._EVERY = 0.0\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, *command[3:], f"--output={output}", "--quiet", "--chunk_size=50"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    deadline = time.monotonic() + 120
    while not state.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert state.exists()
    assert not output.exists()
    assert main([*command[3:], f"--output={output}"]) == 0
    assert re.search(r"resuming after \d+ scored rows, from .*top\.csv\.screening", capsys.readouterr().err)
    pd.testing.assert_frame_equal(pd.read_csv(output), best)
    assert not state.exists()


def test_a_state_of_another_screening_is_not_used(place: Path, best: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "top.csv.screening").write_text('{"key": "other", "done": 5000, "kept": []}')
    pd.testing.assert_frame_equal(screen(place, tmp_path / "top.csv"), best)


@pytest.mark.parametrize(
    ("further", "message"),
    [
        (["--top=0"], "--top 0 must be at least 1"),
        (["--top=3", "--rank=z"], "--rank z is not a target of the run"),
        (["--top=3", "--candidates=2"], "--candidates 2 must be at least --top 3"),
        (["--top=3", "--rejects=r.csv"], "--rejects r.csv cannot be combined with --top 3"),
    ],
)
def test_what_does_not_go_together_is_refused(
    further: list[str], message: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(place / "run"), "CCO", *further]) == 2
    assert message in capsys.readouterr().err


def test_options_of_a_ranking_are_refused_without_it(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, value in (("lowest", "true"), ("rank", "y"), ("candidates", "5")):
        option = "--lowest" if name == "lowest" else f"--{name}={value}"
        assert main(["predict", str(place / "run"), "CCO", option, "--quiet"]) == 2
        assert f"--{name} {value} needs --top, e.g. --top 1000." in capsys.readouterr().err
    assert main(["predict", str(place / "run"), "CCO", "--decimal=x", "--quiet"]) == 2
    assert "--decimal x is unknown" in capsys.readouterr().err


def test_candidates_hold_the_best_rows_and_say_what_was_left_out(
    place: Path, best: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "top.csv"
    command = ["predict", str(place / "run"), str(place / "library.smi"), "--top=40", f"--output={output}"]
    assert main([*command, "--candidates=400"]) == 0
    said = capsys.readouterr().err
    assert "A fast surrogate of the model ranked 1900 rows; the model scores only its top 400 and the" in said
    scored = re.search(r"40 of the (\d+) scored rows kept \(of 1900 rows; (\d+) have no valid molecule\)", said)
    assert scored is not None
    assert 400 <= int(scored[1]) <= 440
    assert f" {scored[2]} rows have no valid molecule. On" in said
    assert int(scored[2]) > 0
    assert "--candidates all" in said
    found = pd.read_csv(output)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["top.csv"]
    assert len(set(found["row"]) & set(best["row"])) >= 36
    both = found.merge(best, on="row")
    assert both["y_x"].tolist() == pytest.approx(both["y_y"].tolist(), rel=1e-5)
    assert found["y"].is_monotonic_decreasing


def test_few_rows_are_all_scored(place: Path, best: pd.DataFrame, tmp_path: Path) -> None:
    pd.testing.assert_frame_equal(screen(place, tmp_path / "auto.csv"), best)
    pd.testing.assert_frame_equal(screen(place, tmp_path / "most.csv", "--candidates=950"), best)


def test_a_few_candidates_are_still_candidates(
    place: Path, best: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "top.csv"
    command = ["predict", str(place / "run"), str(place / "library.smi"), "--top=5", f"--output={output}"]
    assert main([*command, "--candidates=40"]) == 0
    said = capsys.readouterr().err
    assert "ranked 1900 rows; the model scores only its top 40 and the best rows of a random sample." in said
    assert re.search(r"5 of the 4\d scored rows kept", said)
    assert len(set(pd.read_csv(output)["row"]) & set(best["row"])) >= 3


def test_a_library_with_few_molecules_is_scored_whole_and_this_is_said(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = ["CCO" if n % 8 == 0 else "C1CC" for n in range(800)]
    (tmp_path / "library.smi").write_text("\n".join(texts))
    command = ["predict", str(place / "run"), str(tmp_path / "library.smi"), "--top=5", "--candidates=40"]
    assert main([*command, f"--output={tmp_path / 'top.csv'}"]) == 0
    said = capsys.readouterr().err
    assert re.search(r"only \d+ of 200 random rows have a valid molecule, and a surrogate needs 100", said)
    assert "5 of 800 rows kept; 700 rows have no valid molecule" in said


@pytest.mark.parametrize("point", ["begun", "ranked"])
def test_a_ranking_that_was_stopped_ends_as_if_it_had_not_been(
    point: str, place: Path, ranked: pd.DataFrame, tmp_path: Path
) -> None:
    arguments = [str(place / "run"), str(place / "library.smi"), "--top=40", f"--output={tmp_path / 'top.csv'}"]
    code = (
        "import os, sys, molweight.cli._candidates as candidates, molweight.cli._screen_state as state\n"
        "from molweight.cli import main\n"
        "candidates._PART, state._EVERY = 250, 0.0\n"
        "write = state.ScreenState.write\n"
        "def stop(self, options, name, written=0.0):\n"
        "    written = write(self, options, name, written)\n"
        f"    begun, ranked = name == 'candidates' and self.done >= 750, name == 'screening' and self.done\n"
        f"    return os._exit(9) if {point} else written\n"
        "state.ScreenState.write = stop\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", code, "predict", *arguments, "--candidates=400", "--chunk_size=250", "--quiet"]
    assert subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False).returncode == 9
    assert not (tmp_path / "top.csv").exists()
    state = tmp_path / ("top.csv.candidates" if point == "begun" else "top.csv.screening")
    assert state.exists()
    found = screen(place, tmp_path / "top.csv", "--candidates=400", "--chunk_size=250")
    pd.testing.assert_frame_equal(found, ranked)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["top.csv"]


def test_standard_input_is_scored_whole(
    place: Path,
    best: pd.DataFrame,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = (place / "library.smi").read_text()
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    command = ["predict", str(place / "run"), "-", "--top=40", "--quiet"]
    assert main([*command, f"--output={tmp_path / 'top.csv'}"]) == 0
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "top.csv"), best)
    assert main([*command, "--candidates=100"]) == 2
    assert "standard input does not allow" in capsys.readouterr().err


def test_a_packed_library_is_ranked_by_the_probability_of_a_class(place: Path, tmp_path: Path) -> None:
    rows = [f"{'C' * (1 + n % 9)}{'O' * (n % 3)}C,{n % 3 > 1:d},{n % 7}.5" for n in range(60)]
    (tmp_path / "two.csv").write_text("\n".join(["smiles,active,y", *rows]))
    (tmp_path / "library.smi.gz").write_bytes(gzip.compress((place / "library.smi").read_bytes()[:6000]))
    sizes = ["--encoder_options.layers=1", "--encoder_options.width=8", "--epochs=1", "--split=random", "--device=cpu"]
    fit = ["finetune", str(tmp_path / "two.csv"), "--init=scratch", f"--runs={tmp_path}", "--name=run", "--members=1"]
    assert main([*fit, "--targets=active,y", *sizes, "--quiet"]) == 0
    predict = ["predict", str(tmp_path / "run"), str(tmp_path / "library.smi.gz"), "--quiet"]
    assert main([*predict, f"--output={tmp_path / 'all.csv'}"]) == 0
    assert main([*predict, "--top=20", "--rank=active", f"--output={tmp_path / 'top.csv'}"]) == 0
    whole, found = pd.read_csv(tmp_path / "all.csv"), pd.read_csv(tmp_path / "top.csv")
    assert found["active"].tolist() == pytest.approx(sorted(whole["active"].dropna())[:-21:-1], rel=1e-5)
    assert found["active"].between(0, 1).all()
    assert found.columns.tolist() == ["row", "smiles", "name", "active", "y", "similarity", "in_domain"]
    assert main([*predict, "--top=20"]) == 2


def test_a_long_smiles_is_screened_into_a_file(place: Path, tmp_path: Path) -> None:
    output = tmp_path / "top.csv"
    assert main(["predict", str(place / "run"), "C" * 300, "CCO", "--top=1", f"--output={output}", "--quiet"]) == 0
    assert len(pd.read_csv(output)) == 1


def test_the_help_states_the_numbers_of_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    from molweight.cli._candidates import _DRAWN, _FEW, _FEWEST, _TIMES
    from molweight.runs.internal import MOST_ROWS

    made = parser()
    with pytest.raises(SystemExit):
        made.parse_args(["--help_all"])
    text = " ".join(capsys.readouterr().out.split())
    assert f"auto: {_TIMES} x --top, at least {_FEWEST:,}. All rows" in text
    assert f"at most twice as many or {_DRAWN}, or with auto at most {_FEW:,}" in text
    assert f"at most {MOST_ROWS}; limits memory" in text
    assert made.get_defaults().chunk_size == MOST_ROWS


def test_a_state_is_read_back_and_so_is_that_of_an_earlier_version(tmp_path: Path) -> None:
    (tmp_path / "library.smi").write_text("CCO\n")
    library, output = str(tmp_path / "library.smi"), str(tmp_path / "o")
    options = parser().parse_args([str(tmp_path), library, "--top=3", f"--output={output}"])
    state = ScreenState.begin(options, "screening")
    state.add([2, 4, 5], [["CCO", "é"], ["C", ""], ["CC", "x"]], np.array([0.1, np.nan, 1 / 3]), 3)
    state.about = {"surrogate": "s", "best": [(0.5, 1, 2, ["CCO", "é"])]}
    state.write(options, "screening")
    path = tmp_path / "o.screening"
    found = ScreenState.begin(options, "screening")
    assert (found.done, found.rejected, found.kept) == (3, 1, state.kept)
    assert found.about["best"] == [[0.5, 1, 2, ["CCO", "é"]]]
    content = asdict(state)
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    assert json.loads(path.read_text()) == json.loads(json.dumps({**content, "sha256": digest}))
    path.write_text(json.dumps({**content, "sha256": digest}))
    assert ScreenState.begin(options, "screening").kept == state.kept
    path.write_text(json.dumps({**content, "done": 2, "sha256": digest}))
    assert ScreenState.begin(options, "screening").done == 0


@pytest.mark.parametrize("size", [7, 900, 4000])
def test_rows_kept_chunk_by_chunk_are_those_of_the_whole_list(size: int, tmp_path: Path) -> None:
    """Also if the state is written and read back in between; many scores are equal."""
    options = parser().parse_args([str(tmp_path), "library.smi", "--top=1500", f"--output={tmp_path / 'o'}"])
    scores = np.random.default_rng(0).integers(0, 800, 9000).astype(float)
    scores[::11], scores[5] = np.nan, -np.inf
    state = ScreenState.begin(options, "screening")
    for number, start in enumerate(range(0, 9000, size)):
        rows = range(start, min(start + size, 9000))
        state.add(rows, [[f"C{row}"] for row in rows], scores[start : start + size], 1500)
        if number % 3 == 2:
            state.write(options, "screening")
            state = ScreenState.begin(options, "screening")
    state.settle()
    known = [row for row in range(9000) if not np.isnan(scores[row])]
    best = sorted(known, key=lambda row: (-scores[row], row))[:1500]
    assert state.kept == [(scores[row], row, row, [f"C{row}"]) for row in best]
    assert (state.done, state.rejected) == (9000, 9000 - len(known))


def test_many_kept_rows_are_not_sorted_for_every_chunk() -> None:
    scores, state, began = np.random.default_rng(0).random((400, 500)), ScreenState("key"), time.process_time()
    for number, part in enumerate(scores):
        state.add(range(500 * number, 500 * (number + 1)), [["C"]] * 500, part, 100_000)
    state.settle()
    assert time.process_time() - began < 15  # about 1 s; more than 40 s with a sort per chunk
    assert [score for score, *_ in state.kept] == sorted(scores.ravel().tolist(), reverse=True)[:100_000]


def test_a_large_state_is_written_less_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("molweight.cli._screen_state._EVERY", 0.0)
    options = parser().parse_args([str(tmp_path), "library.smi", "--top=100000", f"--output={tmp_path / 'o'}"])
    rows = range(100_000)
    state = ScreenState("key")
    state.add(rows, [["C" * 40, str(row)] for row in rows], np.arange(100_000.0), 100_000)
    began = time.monotonic()
    due = state.write(options, "screening")
    ended = time.monotonic()
    assert due - ended > 5 * (ended - began)
    stamp = (tmp_path / "o.screening").stat().st_mtime_ns
    assert state.write(options, "screening", due) == due
    assert (tmp_path / "o.screening").stat().st_mtime_ns == stamp
