"""Invariance of trained models' predictions to the order of atoms in a SMILES.

    python -m experiments.stress.spellings [--molecules 100] [--output ...]

For every encoder a single model is trained on BACE, and for the shipped encoder an ensemble, as by ``molweight fit``.
Molecules with stereocentres, and others, are each written in eight orders. A spread above 1e-4 is an error.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from rdkit import Chem

import molweight as mw
from experiments._provenance import provenance, write_result

ORDERS: Final = 8
MOST: Final = 1e-4


def jobs(seed: int) -> Iterator[tuple[str, mw.Job]]:
    """Each model with its name."""
    common: dict[str, Any] = {"steps": 20, "epochs": 5, "device": "cpu", "seed": seed}
    for name in mw.encoders.available():
        small = {"layers": 3, "width": 64}
        yield name, mw.Job(init="pretrain", pretrain_steps=20, encoder=name, encoder_options=small, **common)
    yield "ensemble", mw.Job(**common, members=3)


def spread(run: mw.Run, smiles: Sequence[str], rng: np.random.Generator) -> dict[str, float]:
    """Range of the predictions for each molecule over its orders."""
    texts = []
    for text in smiles:
        molecule = Chem.MolFromSmiles(text)
        orders = [rng.permutation(molecule.GetNumAtoms()).tolist() for _ in range(ORDERS - 1)]
        texts += [text, *(Chem.MolToSmiles(Chem.RenumberAtoms(molecule, order), canonical=False) for order in orders)]
    values = run.predict(texts).reshape(len(smiles), ORDERS)
    return {"greatest": float(np.ptp(values, axis=1).max()), "between_molecules": float(values.mean(axis=1).std())}


def main() -> None:
    """Train, predict, write; exit 1 if a prediction depends on the spelling."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--molecules", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("experiments/results/spellings.json"))
    options = parser.parse_args()
    data = mw.datasets.load("bace")
    splits = mw.datasets.split(data, "random", seed=options.seed)
    rows: list[dict[str, Any]] = []
    for name, job in jobs(options.seed):
        run = mw.fit(job, data, splits)
        for stereo in (True, False):
            rng = np.random.default_rng(options.seed)
            kind = [text for text in data.smiles if ("@" in text) is stereo]
            chosen = [str(text) for text in rng.choice(kind, min(options.molecules, len(kind)), replace=False)]
            row = {"model": name, "stereocentres": stereo, "molecules": len(chosen)}
            rows.append({**row, **spread(run, chosen, rng)})
            print(rows[-1], flush=True)
    write_result(options.output, {**provenance([options.seed]), "orders": ORDERS, "rows": rows})
    sys.exit(max(row["greatest"] for row in rows) > MOST)


if __name__ == "__main__":
    main()
