"""Names of runs are names, and nothing is replaced or removed that a run did not write."""

from pathlib import Path

import pytest

from molweight import load
from molweight._owned_files import MARK, own, owned_files, remove_owned
from molweight.cli import main
from molweight.errors import ConfigError, DataError
from molweight.runs._folder import claim_checkpoint_folder
from molweight.runs.internal import claim_folder, run_folder
from molweight.training import Session

TINY = [
    *("--preset=small", "--objectives=attribute_masking", "--corpus_size=32", "--batch_size=16", "--pretrain_steps=1"),
    *("--steps=1", "--epochs=1", "--baselines=", "--encoder_options.layers=1", "--encoder_options.width=8"),
    *("--split=random", "--device=cpu", "--quiet"),
]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "my.csv"
    rows = [f"{'C' * (1 + n % 9)}{'O' * (n % 3)}N,{n % 7}.5" for n in range(40)]
    path.write_text("\n".join(["smiles,y", *rows]))
    return path


def _tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    return message


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", ".", "..", "...", "a/b", "../x", "/usr/x", "a\\b", ".hidden", "-rf", "a:b", "a\nb", "a\x00b", "x."),
        *("con", "NUL.txt", "lpt1", "a" * 101, "what?", " x", "x ", "a\x1b[31mb", "a\x9bb", "a\udcffb", "a\ud800"),
        *("a\u202eb", "a\u2066b", "a\u2069", "\u200fa", "a\u200eb", "a\u2028b", "a\ufeffb"),
    ],
)
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="plain file name"):
        run_folder("runs", name)


@pytest.mark.parametrize("name", ["my", "my-run_2", "löslichkeit", "my table (2)", "v1.0", "console"])
def test_a_name_stays_inside_the_folder_of_runs(name: str) -> None:
    assert run_folder("runs", name).parent == Path("runs")


@pytest.mark.parametrize("name", [".", "..", "../../x", "/x", "foreign"])
def test_a_folder_of_the_user_is_left_alone(
    table: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here = tmp_path / "here" / "deeper"
    for place in (here, here / "foreign"):
        (place / "state").mkdir(parents=True)
        for mine in ("README.md", "config.yaml", "state/notes.txt", "state/config.yaml"):
            (place / mine).write_text("mine")
    monkeypatch.chdir(here)
    before = _tree(tmp_path)
    _refused(["fit", str(table), "--runs=.", f"--name={name}", *TINY], capsys)
    _refused(["fit", str(table), "--runs=.", f"--name={name}", "--overwrite", *TINY], capsys)
    assert _tree(tmp_path) == before


def test_a_table_that_is_named_by_dots_needs_a_name(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "...csv").write_text(table.read_text())
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "mine.txt").write_text("mine")
    monkeypatch.chdir(tmp_path)
    before = _tree(tmp_path)
    assert "--name" in _refused(["fit", "...csv", "--runs=.", *TINY], capsys)
    assert _tree(tmp_path) == before


@pytest.mark.parametrize("link", ["my", "my/state", "my/tensorboard"])
def test_links_are_not_written_through(
    table: Path, tmp_path: Path, link: str, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine.txt").write_text("mine")
    path = tmp_path / "runs" / link
    path.parent.mkdir(parents=True)
    path.symlink_to(elsewhere)
    assert "is a link to" in _refused(["fit", str(table), f"--runs={tmp_path / 'runs'}", *TINY], capsys)
    assert _tree(elsewhere) == {"mine.txt": b"mine"}


def test_a_finished_run_is_replaced_only_when_asked_for(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit = ["fit", str(table), f"--runs={tmp_path}", "--partners=", *TINY]
    assert main(fit) == 0
    folder = tmp_path / "my"
    (folder / "notes.txt").write_text("mine")
    (tmp_path / "my-2").mkdir()
    before = _tree(tmp_path)
    message = _refused(fit, capsys)
    assert "finished run" in message
    assert "--name my-3" in message
    assert "--overwrite" in message
    assert _tree(tmp_path) == before
    assert main([*fit, "--overwrite", "--weighting=none"]) == 0
    after = _tree(folder)
    assert after["notes.txt"] == b"mine"
    assert "my/weights.png" in before
    assert "weights.png" not in after  # the old run's; the new one has no weights
    assert load(folder).weights == {}


def test_a_checkpoint_is_replaced_only_when_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pretrain = ["pretrain", f"--output={tmp_path / 'made'}", *TINY[:5], *TINY[8:10], *TINY[11:]]
    assert main(pretrain) == 0
    before = _tree(tmp_path)
    assert "--overwrite" in _refused(pretrain, capsys)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.md").write_text("mine")
    before = _tree(tmp_path)
    assert "would be replaced" in _refused([*pretrain, f"--output={tmp_path / 'mine'}", "--overwrite"], capsys)
    assert _tree(tmp_path) == before
    assert main([*pretrain, "--overwrite"]) == 0


def test_nothing_is_written_next_to_the_checkpoint_that_is_finetuned(table: Path, tmp_path: Path) -> None:
    """The method is called by the path of its checkpoint, which must not become the place of its states."""
    pretrain = ["pretrain", f"--output={tmp_path / 'made'}", *TINY[:5], *TINY[8:10], *TINY[11:]]
    assert main(pretrain) == 0
    before = _tree(tmp_path / "made")
    finetune = ["finetune", str(table), f"--init={tmp_path / 'made'}", f"--runs={tmp_path / 'runs'}", "--tensorboard"]
    assert main([*finetune, "--epochs=1", *TINY[10:]]) == 0
    assert _tree(tmp_path / "made") == before
    assert list((tmp_path / "runs" / "my" / "tensorboard").rglob("events*"))
    assert not (tmp_path / "runs" / "my" / "state").exists()


def test_states_are_removed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "mine.safetensors").write_text("mine")
    (tmp_path / "child").mkdir()
    (tmp_path / "child" / "mine.txt").write_text("mine")
    session = Session(tmp_path)
    session.stage("generic").write({"step": 1})
    session.child("child").stage("finetune").write({"step": 1})
    session.child("other").stage("finetune").write({"step": 1})
    assert owned_files(tmp_path) == ["generic.safetensors"]
    session.clear()
    assert set(_tree(tmp_path)) == {"mine.safetensors", "child/mine.txt"}
    assert not (tmp_path / "other").exists()


def test_a_state_does_not_take_the_place_of_a_file_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "generic.safetensors").write_text("mine")
    stage = Session(tmp_path).stage("generic")
    with pytest.raises(ConfigError, match="was not written by this run"):
        stage.write({"step": 1})
    stage.discard()
    assert (tmp_path / "generic.safetensors").read_text() == "mine"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": 1}', '{"files": ["../../x"]}', '{"files": ["a/b"]}'])
def test_a_damaged_mark_removes_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "x").write_text("mine")
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / MARK).write_text(text)
    with pytest.raises(DataError, match="is damaged"):
        remove_owned(tmp_path / "state")
    assert (tmp_path / "x").read_text() == "mine"


def test_the_folder_of_an_interrupted_run_is_free_for_it(tmp_path: Path) -> None:
    own(tmp_path / "my" / "state", "config.yaml")
    claim_folder(tmp_path / "my")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match="is a file"):
        claim_folder(tmp_path / "file")


@pytest.mark.parametrize("link", ["made", "made/state"])
def test_a_checkpoint_is_not_written_through_a_link(tmp_path: Path, link: str) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / link).parent.mkdir(exist_ok=True)
    (tmp_path / link).symlink_to(tmp_path / "theirs")
    with pytest.raises(ConfigError, match="is a link to"):
        claim_checkpoint_folder(tmp_path / "made", overwrite=True)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("mine", ["README.md", "metrics.json", "notes/x.txt"])
def test_a_folder_with_any_file_of_the_user_is_not_claimed(tmp_path: Path, mine: str, overwrite: bool) -> None:
    (tmp_path / "my" / mine).parent.mkdir(parents=True)
    (tmp_path / "my" / mine).write_text("mine")
    with pytest.raises(ConfigError, match=r"holds files that were not written by a run .*--name my-2"):
        claim_folder(tmp_path / "my", overwrite=overwrite)


def test_nothing_is_recorded_or_removed_through_a_link(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    own(theirs, "x.safetensors")
    (theirs / "x.safetensors").write_text("theirs")
    (tmp_path / "link").symlink_to(theirs)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "child").symlink_to(theirs)
    (tmp_path / "marked").mkdir()
    (tmp_path / "marked" / MARK).symlink_to(theirs / MARK)
    (tmp_path / "marked" / "x.safetensors").write_text("mine")
    before = _tree(theirs)
    for name in ("link", "state", "marked"):
        remove_owned(tmp_path / name)
    assert _tree(theirs) == before
    assert (tmp_path / "marked" / "x.safetensors").read_text() == "mine"
    with pytest.raises(ConfigError, match="is a link to"):
        own(tmp_path / "link", "y.safetensors")
    assert _tree(theirs) == before
