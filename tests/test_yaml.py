"""Files of options say one thing, and what they say is what people mean."""

import re
from pathlib import Path

import pytest

from molweight._yaml import NotYamlError, load_yaml, read_options
from molweight.benchmark import read_study
from molweight.cli import main
from molweight.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seed: 1\nsteps: 3\nseed: 2\n", "line 3: 'seed' appears twice, first in line 1. Keep one"),
        ("encoder_options:\n  width: 8\n  'width': 9\n", "line 3: 'width' appears twice, first in line 2"),
        ("a: {x: 1, x: 2}", "line 1: 'x' appears twice"),
        (f"seed: {'9' * 5000}", "line 1: '9999999999'... has 5000 digits"),
        ("\npretrain_lr: 1e400", "line 2: '1e400' is too large for a floating-point number"),
        ("pretrain_lr: -1.0e+400", "line 1: '-1.0e[+]400' is too large"),
        ("seed: !!int abc", "line 1: has the tag !!int. Write the value without it"),
        ("seed: !!timestamp abc", "has the tag !!timestamp"),
        ("seed: !!bool x", "has the tag !!bool"),
        ("seed: !!python/object/apply:os.system [id]", "has the tag !!python/object/apply:os.system"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_line(text: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=f"mine.yaml, {expected}" if expected.startswith("line") else expected):
        load_yaml(text, "mine.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[("1:30", "1:30"), ("190:20:30.5", "190:20:30.5"), ("2020-13-45", "2020-13-45"), ("2020-10-10", "2020-10-10")],
        *[("010", "010"), ("0x10", 16), ("0x_", "0x_"), ("0b", "0b"), ("1_000", 1000), ("-3", -3), ("+3", 3)],
        *[("1e-3", 0.001), ("1.", 1.0), (".5", 0.5), ("-1.5E+2", -150.0), (".inf", float("inf")), ("true", True)],
        *[("!!str 1", "1"), ("~", None), ("1.2.3", "1.2.3"), ("", None)],
    ],
)
def test_numbers_are_what_people_write(text: str, value: object) -> None:
    """No times, no dates, no octal numbers, and powers without a decimal point."""
    found = load_yaml(f"x: {text}", "mine.yaml")["x"]
    assert (found, type(found)) == (value, type(value))


def test_merged_keys_may_be_there_again() -> None:
    text = "base: &base {width: 8, layers: 2}\nother: {<<: *base, width: 9}"
    assert load_yaml(text, "mine.yaml")["other"] == {"width": 9, "layers": 2}


@pytest.mark.parametrize("value", ["1:30", "2020-13-45", "0x_", "!!int abc", "'!!timestamp x'", "10"])
@pytest.mark.parametrize("place", ["command line", "file"])
def test_an_option_is_read_as_in_a_file(
    value: str, place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.yaml").write_text(f"seed: {value}\n")
    typed = [f"--seed={value}"] if place == "command line" else ["--config", str(tmp_path / "mine.yaml")]
    assert main(["audit", str(tmp_path / "nowhere.csv"), *typed]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    expected = "there is no such file" if value == "10" else "must be a whole number|has the tag"
    assert any(words in message for words in expected.split("|")), message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seeds: [1:30]", "seeds: '1:30' is text; a number is expected"),
        ("seeds: [0]\njob: {steps: 1:30}", "job: '1:30' is text"),
        ("seeds: [0]\nseeds: [1]", "line 4: 'seeds' appears twice, first in line 3"),
        ("seeds: [2020-13-45]", "seeds"),
        ("seeds: [1e400]", "line 3: '1e400' is too large"),
    ],
)
def test_a_study_is_read_likewise(text: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(f"tables: [esol]\nmethods: [tapweight]\n{text}\n")
    with pytest.raises(ConfigError, match=expected):
        read_study(path)


def test_an_option_is_not_given_by_its_old_and_its_present_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.yaml").write_text("every: 3\nhypergradient_interval: 5\n")
    assert main(["fit", "my.csv", "--config", str(tmp_path / "mine.yaml")]) == 2
    assert "every is the old name of hypergradient_interval, and the file has both" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [1", "mine.yaml, line 1: is not valid YAML: expected ',' or ']'"),
        ("a: 1\n b: 2", "mine.yaml, line 2: is not valid YAML: mapping values are not allowed here"),
        ("a: \0", "mine.yaml, character 4: is not valid YAML: special characters are not allowed (0x0)."),
    ],
)
def test_a_text_that_is_no_yaml_is_refused_with_its_place(text: str, expected: str) -> None:
    with pytest.raises(NotYamlError, match=re.escape(expected)):
        load_yaml(text, "mine.yaml")


def test_a_file_that_is_no_text_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"seed: \xff\xfe")
    for read in (read_options, read_study):
        with pytest.raises(ConfigError, match=re.escape(f"{path}: is not UTF-8 text")):
            read(path)
    assert main(["audit", "my.csv", "--config", str(path)]) == 2
    assert capsys.readouterr().err == f"molweight: {path}: is not UTF-8 text, which an options file must be.\n"
