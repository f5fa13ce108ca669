"""Material of the fuzzer: valid tables, files and runs, and ways to damage them."""

import gzip
import json
import random
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pandas as pd
import yaml
from rdkit import Chem

from molweight.cli import main

__all__ = ["OPTIONS_OF", "TINY", "Material", "damage_bytes", "damage_text", "damage_tree", "odd_value", "prepare"]

TINY: Final = (
    "--encoder_options.layers=1",
    "--encoder_options.width=8",
    "--objectives=attribute_masking,graphcl",
    "--corpus_size=24",
    "--pretrain_steps=1",
    "--batch_size=8",
    "--device=cpu",
)
"""Sizes for training, which other options may override."""

OPTIONS_OF: Final = {
    "encoder_options": ("layers", "width", "dropout", "norm", "readout", "jk", "virtual_node", "heads"),
    "solver_options": ("iterations", "damping", "tolerance", "rank", "step"),
    "weighting_options": ("rule", "lr", "confidence", "floor", "prior", "memory", "warmup", "weights", "temperature"),
    "objective_options": ("graphcl", "graphcl.strength", "attribute_masking", "attribute_masking.rate", "molclr"),
    "split_options": ("cutoff", "fractions", "seed"),
}
"""Names after a dot."""

_ODD: Final = (
    *(
        "",
        " ",
        "-",
        "--",
        "0",
        "-1",
        "1",
        "2",
        "1.5",
        "-0.5",
        "nan",
        "inf",
        "-inf",
        "1e3",
        "1e400",
        "0x10",
        "1_000",
        "1,5",
    ),
    *(
        "true",
        "false",
        "null",
        "~",
        "none",
        "[]",
        "{}",
        "[1, 2",
        "{a: 1}",
        "[a, b]",
        "'",
        '"',
        "a,b,,c",
        ",",
        ":",
        "a: b",
    ),
    *(
        "é",
        "日本",
        "\u0661\u0662",
        "\ufeff",
        "\t",
        "\n",
        "%s",
        "{0}",
        "$HOME",
        "*",
        "?",
        "\\",
        "C1CC",
        "CCO",
        "y",
        "smiles",
    ),
    *(
        "good.csv",
        "classes.csv",
        "nowhere",
        ".",
        "..",
        "runs",
        "runs/ok",
        "general",
        "split.json",
        "good.smi",
        "auto",
        "cpu",
    ),
    *(
        "cuda",
        "cuda:7",
        "scaffold",
        "random",
        "test",
        "train,test",
        "equal",
        "cg",
        "gin",
        "adam",
        "2024-01-01",
        "!!python/name:os",
    ),
)
_NUMBERS: Final = ("0", "-1", "0.5", "1.5", "1e-30", "1e30", "nan", "inf", "-inf", "1")
_TOKENS: Final = (
    *(
        "",
        "NaN",
        "inf",
        "-",
        "1e999",
        "0x1F",
        "1,5",
        "1.5.2",
        ">4",
        "true",
        "None",
        '"',
        "'",
        ",",
        ";",
        "|",
        "\t",
        "\n",
        "\r",
    ),
    *(
        "\r\n",
        "\0",
        "\ufeff",
        "é",
        "日本",
        "C1CC",
        "[Q]",
        "*",
        "[H][H]",
        "C.C",
        "C" * 60,
        "N#N",
        "c1ccccc1",
        "((",
        "%99",
        "M  END",
    ),
    *("$$$$\n", "\n\n", "#", "smiles", "y", "0", "1", "-7", "3.5"),
)


class Material:
    """A folder with valid tables, configurations, a checkpoint and a run.

    Args:
        folder: Their folder, which is also the working directory of commands.
    """

    def __init__(self, folder: Path) -> None:
        """Store the content of the files."""
        self.folder = folder
        self.tables = [*sorted(folder.glob("good.*")), folder / "classes.csv"]
        self.configs = sorted(folder.glob("*.yaml"))
        files = (*self.tables, *self.configs, folder / "split.json", folder / "runs/ok/model.safetensors")
        self._content = {path: path.read_bytes() for path in files if path.is_file()}

    def restore(self) -> None:
        """Restore files that a case has overwritten, because the next case needs them."""
        for path, content in self._content.items():
            if not path.is_dir() and (not path.is_file() or path.read_bytes() != content):
                path.unlink(missing_ok=True)
                path.write_bytes(content)


def odd_value(rng: random.Random, default: object = None) -> str:
    """An odd value for an option.

    Args:
        rng: Source of randomness, as everywhere here.
        default: Default of the option; for a number, half of the values are numbers.
    """
    if isinstance(default, int | float) and not isinstance(default, bool) and rng.random() < 0.5:
        return rng.choice(("0", "-1", "1", "2", "3", "7") if isinstance(default, int) else _NUMBERS)
    if rng.random() < 0.1:
        return "".join(rng.choice(string.printable) for _ in range(rng.randint(1, 12)))
    return rng.choice(_ODD)


def damage_text(rng: random.Random, text: str) -> str:
    """A text with random edits: truncated, doubled, swapped, with odd insertions."""
    for _ in range(rng.randint(1, 6)):
        start = rng.randrange(len(text) + 1)
        end = min(len(text), start + rng.choice((0, 1, 1, 3, 10, 80)))
        edit = rng.randrange(4)
        middle = (rng.choice(_TOKENS), "", 2 * text[start:end], text[start:end][::-1])[edit]
        text = text[:start] + middle + text[end:]
    return text


def damage_bytes(rng: random.Random, data: bytes) -> bytes:
    """Bytes with random changes: altered, truncated, or in another encoding."""
    choice = rng.randrange(6)
    if choice == 0:
        return data[: rng.randrange(len(data) + 1)]
    if choice == 1:
        return gzip.compress(data)[: rng.randrange(1, 400)]
    if choice == 2:
        return data.decode("utf-8", "replace").encode(rng.choice(("utf-16", "latin-1", "utf-8-sig")), "replace")
    changed = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def damage_tree(rng: random.Random, tree: dict[str, Any]) -> dict[str, Any]:
    """A mapping with random changes: keys missing, misspelt, or with values of other types."""
    tree = dict(tree)
    for _ in range(rng.randint(1, 4)):
        key = rng.choice(list(tree) or ["steps"])
        edit = rng.randrange(4)
        if edit == 0:
            tree.pop(key, None)
        elif edit == 1:
            tree[damage_text(rng, str(key)) or "x"] = tree.pop(key, None)
        else:
            tree[key] = _odd_object(rng)
    return tree


def _odd_object(rng: random.Random, depth: int = 0) -> Any:
    plain: list[Callable[[], Any]] = [
        lambda: None,
        lambda: rng.choice((True, False)),
        lambda: rng.choice((0, 1, -1, 2, 7)),
        lambda: rng.choice((0.5, -1.5, float("nan"), float("inf"))),
        lambda: odd_value(rng),
    ]
    if depth < 2:
        plain.append(lambda: [_odd_object(rng, depth + 1) for _ in range(rng.randrange(4))])
        plain.append(lambda: {odd_value(rng): _odd_object(rng, depth + 1) for _ in range(rng.randrange(3))})
    return rng.choice(plain)()


def prepare(folder: Path) -> Material:
    """Write the material: five tables, three configurations, a split, a study, a checkpoint, a run.

    Args:
        folder: The current folder.

    Raises:
        RuntimeError: If a command that has to succeed does not.
    """
    smiles = [f"{'C' * (1 + n % 7)}{'O' * (n % 3)}{'N' * (n % 2)}C" for n in range(30)]
    table = pd.DataFrame(
        {"smiles": smiles, "name": [f"m{n}" for n in range(30)], "y": [n % 7 + 0.5 for n in range(30)]}
    )
    table.to_csv(folder / "good.csv", index=False)
    table.to_csv(folder / "good.tsv", index=False, sep="\t")
    table.to_parquet(folder / "good.parquet")
    table.assign(y=[n % 2 for n in range(30)]).to_csv(folder / "classes.csv", index=False)
    (folder / "good.smi").write_text("".join(f"{text} m{n}\n" for n, text in enumerate(smiles)))
    with Chem.SDWriter(str(folder / "good.sdf")) as writer:
        for text, value in zip(smiles[:6], table["y"], strict=False):
            molecule = Chem.MolFromSmiles(text)
            molecule.SetProp("y", str(value))
            writer.write(molecule)
    _write_trees(folder)
    fit = [
        "fit",
        "good.csv",
        "--name=ok",
        "--init=general",
        "--split=random",
        "--baselines=",
        "--steps=1",
        "--epochs=1",
    ]
    for command in (["pretrain", "--output=general", *TINY, "--quiet"], [*fit, *TINY[2:], "--quiet"]):
        if main(command) != 0:
            raise RuntimeError(f"{command} has to succeed before anything is damaged.")
    return Material(folder)


def _write_trees(folder: Path) -> None:
    sizes = {"encoder_options": {"layers": 1, "width": 8}, "corpus_size": 24, "pretrain_steps": 1, "batch_size": 8}
    job = {**sizes, "objectives": ["attribute_masking"], "steps": 1, "epochs": 1, "device": "cpu"}
    study = {
        "tables": ["freesolv"],
        "methods": ["equal", "scratch"],
        "seeds": [0],
        "reference": "equal",
        "corpus_size": 24,
    }
    study["job"] = {name: job[name] for name in ("encoder_options", "pretrain_steps", "steps", "epochs")}
    trees: dict[str, dict[str, Any]] = {
        "fit.yaml": {"table": "good.csv", "split": "random", "baselines": [], "quiet": True, **job},
        "audit.yaml": {"table": "good.csv", "split": "random", "on_error": "skip", "targets": ["y"], "seed": 1},
        "study.yaml": study,
    }
    for name, tree in trees.items():
        (folder / name).write_text(yaml.safe_dump(tree))
    roles = {"train": list(range(20)), "valid": list(range(20, 25)), "test": list(range(25, 30))}
    (folder / "split.json").write_text(json.dumps(roles))
