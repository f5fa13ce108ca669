"""A run as a web service: molecules in, predictions with intervals and domain out.

pip install fastapi uvicorn
MOLWEIGHT_RUN=runs/my uvicorn --factory service:create_app --port 8000
"""

import math
import os
from typing import Annotated

from fastapi import FastAPI
from pydantic import BaseModel, Field

import molweight as mw

__all__ = ["Answer", "Question", "answer", "create_app"]

_MOST_MOLECULES = 1000
_MOST_CHARACTERS = 2000


class Question(BaseModel):
    """Molecules, and the probability with which intervals hold the label."""

    smiles: list[Annotated[str, Field(max_length=_MOST_CHARACTERS)]] = Field(min_length=1, max_length=_MOST_MOLECULES)
    level: float = Field(default=0.9, gt=0, lt=1)


class Answer(BaseModel):
    """One molecule: values by target; none, and the reason, if the text is not a valid molecule."""

    smiles: str
    reason: str | None = None
    prediction: dict[str, float] = {}
    lower: dict[str, float | None] = {}
    upper: dict[str, float | None] = {}
    similarity: float | None = None
    in_domain: bool | None = None


def create_app(folder: str | None = None) -> FastAPI:
    """The application for one run, which is loaded once and shared by all threads.

    Args:
        folder: The run's folder; ``None`` for that of the environment variable ``MOLWEIGHT_RUN``.

    Raises:
        DataError: If there is no valid run in the folder.
        ConfigError: If the run needs a package that is not installed, or columns in addition to the molecules, or lacks
            ``calibration.safetensors``, which intervals and domain need.
    """
    run = mw.load(folder or os.environ["MOLWEIGHT_RUN"])
    answer(run, Question(smiles=["C"]))  # a package or file that is missing is reported here, not in a request
    app = FastAPI(title="molweight", description=repr(run))

    @app.get("/health")
    def health() -> dict[str, str]:
        """Whether the service is up, and with which model."""
        return {"run": repr(run)}

    @app.post("/predict")
    def predict(question: Question) -> list[Answer]:  # not async: FastAPI runs it in a thread, and runs are safe there
        """One answer for each molecule, in their order."""
        return answer(run, question)

    return app


def answer(run: mw.Run, question: Question) -> list[Answer]:
    """One answer for each molecule.

    Args:
        run: The run.
        question: The molecules.
    """
    steps = run.trained_on.get("standardize")  # of 'molweight fit --standardize'
    parsed = run.parse(mw.datasets.standardize(question.smiles, steps) if steps else question.smiles)
    reasons = {reject.row: reject.reason for reject in parsed.rejects}
    found = run.assess(parsed, question.level)
    answers = []
    for row, text in enumerate(question.smiles):
        if row in reasons:
            answers.append(Answer(smiles=text, reason=reasons[row]))
            continue
        ends = (_named(run, part[row].tolist()) for part in (found.intervals.lower, found.intervals.upper))
        lower, upper = ({name: _finite(value) for name, value in end.items()} for end in ends)
        answers.append(
            Answer(
                smiles=text,
                prediction=_named(run, found.prediction[row].tolist()),
                lower=lower,
                upper=upper,
                similarity=float(found.domain.similarity[row]),
                in_domain=bool(found.domain.inside[row]),
            )
        )
    return answers


def _named(run: mw.Run, values: list[float]) -> dict[str, float]:
    return dict(zip(run.target_names, values, strict=True))


def _finite(value: float) -> float | None:
    """JSON has no infinity: an unknown end is null."""
    return value if math.isfinite(value) else None
