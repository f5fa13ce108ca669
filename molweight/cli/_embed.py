"""``molweight embed``: vectors of a run's encoder for a file of any size."""

import sys
import zipfile
from pathlib import Path

import numpy as np
from jsonargparse import Namespace

from molweight.cli._molecules import format_numbers, open_input, stream, table_writer
from molweight.cli._output import begin, say
from molweight.cli._standard_form import with_standard_form
from molweight.errors import DataError, OptionError
from molweight.graphs.internal import partial_name
from molweight.runs import Run, load

__all__ = ["run"]


def run(options: Namespace) -> None:
    """Read, embed and write, a chunk at a time."""
    begin(options)
    output = options.output
    if output is not None and not output.endswith((".npz", ".csv", ".csv.gz")):
        raise OptionError("output", output, "is not a file of vectors", "Choose a name in .npz, .csv or .csv.gz.")
    model = load(options.run, options.device)
    options = with_standard_form(options, model)
    if output is not None and output.endswith(".npz"):
        _write_npz(options, model, Path(output))
        return
    names = [f"v{number}" for number in range(model.model.first_encoder().width)]
    with table_writer(output, ["row", "smiles", *names], default=sys.stdout, safe=options.safe_csv) as write:
        for chunk in stream(options, model, open_input(options, model), features=False):
            numbers = format_numbers(model.embed(chunk.parsed))
            texts = chunk.parsed.smiles
            write([row, text, *values] for row, text, values in zip(chunk.rows, texts, numbers, strict=True))


def _write_npz(options: Namespace, model: Run, target: Path) -> None:
    """Write ``vectors``, ``n x d`` for the ``n`` rows of the file, by way of a temporary file of raw numbers."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with partial_name(target) as raw, partial_name(target) as partial:
            count = _write_raw(options, model, raw)
            header = {"descr": "<f4", "fortran_order": False, "shape": (count, model.model.first_encoder().width)}
            with (
                zipfile.ZipFile(partial, "w", allowZip64=True) as archive,
                archive.open("vectors.npy", "w", force_zip64=True) as packed,
                raw.open("rb") as numbers,
            ):
                np.lib.format.write_array_header_2_0(packed, header)
                while block := numbers.read(1 << 20):
                    packed.write(block)
            partial.replace(target)
    except OSError as error:
        raise DataError(
            f"{target} cannot be written: {error.strerror}. Free up disk space or choose another path."
        ) from error
    say(options, f"{count} vectors of {model.model.first_encoder().width} numbers in {target}")


def _write_raw(options: Namespace, model: Run, path: Path) -> int:
    count = 0
    with path.open("wb") as numbers:
        for chunk in stream(options, model, open_input(options, model), features=False):
            numbers.write(model.embed(chunk.parsed).astype("<f4").tobytes())
            count += len(chunk.rows)
    return count
