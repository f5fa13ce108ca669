"""Runs that start from a file of chemprop's message passing layers."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from molweight.cli import main
from molweight.errors import OptionError
from molweight.graphs import Featuriser, build_dataset
from molweight.runs import read_checkpoint

KNOWN: dict[str, Any] = json.loads((Path(__file__).parents[1] / "encoders" / "data" / "chemprop.json").read_text())
MADE = {"d_v": 72, "d_e": 14, "d_h": 6, "bias": False, "depth": 4, "dropout": 0.0, "activation": "relu"}
Content = dict[str, Any]


def content() -> Content:
    """What chemprop's users write with ``torch.save``."""
    state = {name: torch.tensor(value) for name, value in KNOWN["weights"].items()}
    return {"hyper_parameters": {**MADE, "undirected": False, "d_vd": None}, "state_dict": state}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    torch.save(content(), tmp_path / "mp.pt")
    return tmp_path / "mp.pt"


def test_the_encoder_computes_what_chemprop_computes(path: Path) -> None:
    checkpoint = read_checkpoint(str(path))
    data = build_dataset(KNOWN["smiles"], featuriser=Featuriser(features="ogb"), cache=False)
    encoder = checkpoint.build(data.featuriser).eval()
    with torch.no_grad():
        found = encoder(data.graphs(np.arange(len(data)))).graphs
    torch.testing.assert_close(found, torch.tensor(KNOWN["vectors"]), rtol=0, atol=1e-5)


def test_a_whole_model_serves_as_well(path: Path) -> None:
    whole = content()
    whole["state_dict"] = {f"message_passing.{name}": tensor for name, tensor in whole["state_dict"].items()}
    whole["state_dict"]["predictor.ffn.weight"] = torch.ones(2)
    torch.save(whole, path.with_name("model.pt"))
    one, other = (read_checkpoint(str(place)).state for place in (path, path.with_name("model.pt")))
    assert one.keys() == other.keys()
    assert all(one[name].equal(other[name]) for name in one)


def test_a_run_starts_from_it_and_does_without_it_afterwards(path: Path) -> None:
    table = path.with_name("my.csv")
    table.write_text("\n".join(["smiles,y", *(f"{'C' * (2 + n % 9)}{'ON'[n % 2]},{n % 9}.5" for n in range(60))]))
    command = ["fit", str(table), "--init", str(path), "--runs", str(path.parent), "--name", "run", "--quiet"]
    sizes = ["--members=1", "--partners=", "--features=", "--steps=2", "--epochs=2", "--split=random"]
    assert main([*command, *sizes, "--objectives=attribute_masking,descriptors", "--baselines=", "--device=cpu"]) == 0
    path.unlink()
    assert main(["predict", str(path.parent / "run"), "CCO", "--output", str(path.parent / "out.csv")]) == 0


def _without(name: str) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        del content["state_dict"][name]

    return change


def _with(**changes: object) -> Callable[[Content], None]:
    return lambda content: content["hyper_parameters"].update(changes)


def _tensor(name: str, value: torch.Tensor) -> Callable[[Content], None]:
    return lambda content: content["state_dict"].update({name: value})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_without("W_h.weight"), r"has a W_h.weight that is missing. Expected 6 x 6"),
        (_with(d_v=133), r"was made with d_v=133. Expected d_v=72"),
        (_with(bias=True), r"was made with bias=True. Expected bias=False"),
        (_with(undirected=True), r"was made with undirected=True"),
        (_with(activation="Activation.ELU"), r"was made with the activation elu. Expected relu"),
        (_with(depth=None), r"says depth=None. Expected a positive number"),
        (_with(d_h=7), r"has a W_i.weight of shape \(6, 86\). Expected 7 x 86"),
        (_tensor("W_o.bias", torch.full((6,), torch.nan)), "has values in W_o.bias that are not finite"),
        (_tensor("W_o.bias", torch.ones(6, dtype=torch.int64)), "has values in W_o.bias that are not finite"),
        (lambda content: content.pop("state_dict"), "holds 'hyper_parameters'. Expected 'hyper_parameters'"),
    ],
)
def test_what_is_not_like_it_is_refused(tmp_path: Path, change: Callable[[Content], None], said: str) -> None:
    changed = content()
    change(changed)
    torch.save(changed, tmp_path / "mp.pt")
    with pytest.raises(OptionError, match=said):
        read_checkpoint(str(tmp_path / "mp.pt"))


class Runs:
    """An object whose unpickling would run something."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        """Write a file."""
        return Path.touch, (Path("was-run"),)  # type: ignore[return-value]  # any callable


def test_nothing_that_a_file_names_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({**content(), "further": Runs()}, "mp.pt")
    with pytest.raises(OptionError, match=r"mp.pt.* cannot be read \(.*docs/own-encoder.md shows how"):
        read_checkpoint("mp.pt")
    assert not Path("was-run").exists()


def test_damage_and_bombs_are_named(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = path.read_bytes()
    for damaged in (b"", whole[:2000], b"text", whole[:600] + b"\0" * 600 + whole[1200:]):
        path.write_bytes(damaged)
        with pytest.raises(OptionError, match=r"mp\.pt.*(is not a file of torch\.save|cannot be read)"):
            read_checkpoint(str(path))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02")
        archive.writestr("archive/version", b"3\n")
    with pytest.raises(OptionError, match=r"mp\.pt.*cannot be read \(\w+"):
        read_checkpoint(str(path))
    assert main(["fit", "freesolv", "--init", str(path), "--quiet"]) == 2
    assert capsys.readouterr().err.startswith(f"molweight: --init {path} "), "as it was typed"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * 1_000_000)
    with pytest.raises(OptionError, match="is a compressed archive"):
        read_checkpoint(str(path))


def test_a_feature_set_is_no_checkpoint() -> None:
    with pytest.raises(OptionError, match=r"minimol is a feature set; use features=\['minimol'\]"):
        read_checkpoint("minimol")
