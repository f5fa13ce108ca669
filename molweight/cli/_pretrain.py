"""``molweight pretrain``: a general checkpoint, to start many runs from."""

from pathlib import Path
from typing import Final

from jsonargparse import Namespace

from molweight import __version__
from molweight.cli._data_options import add_corpus_options, add_job_options, job_of, load_corpus
from molweight.cli._output import add_output_options, begin, result, say
from molweight.cli._parser import Parser
from molweight.training import Session, general_pretraining, resolve_device, save_checkpoint
from molweight.training._card import molecules_digest
from molweight.training._general import GENERAL_OPTIONS
from molweight.training._store import write_file

__all__ = ["parser", "run"]

_USED: Final = {*GENERAL_OPTIONS, "seed", "device"}


def parser() -> Parser:
    """Options of the command: those of the corpus, then those of general pretraining."""
    made = Parser(
        prog="molweight pretrain",
        description="Pretrain an encoder on a corpus with equal weights; fit and finetune start from it with --start.",
    )
    made.add_argument("--config", action="config", help="YAML file with any of these options")
    add_corpus_options(made)
    made.add_argument("--output", type=str, default="runs/pretrained", help="folder of the checkpoint")
    made.add_argument("--preset", type=str, default="auto", help="sizes that are not given: auto, small, full")
    add_output_options(made)
    add_job_options(made, only=frozenset(_USED))
    return made


def run(options: Namespace) -> None:
    """Pretrain, or go on with it, and write the folder."""
    begin(options)
    job, corpus, folder = job_of(options, start="pretrained"), load_corpus(options), Path(options.output)
    say(options, f"pretraining {job.encoder} {job.encoder_options} for {job.general_steps} steps on {corpus!r}")
    about = {"molweight": __version__, "options": job.options(), "corpus": molecules_digest(corpus)}
    session = Session(folder / "state", about)
    try:
        model, _ = general_pretraining(
            job, corpus, resolve_device(job.device), progress=not options.quiet, session=session
        )
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt("interrupted; the same command goes on from here.") from error
    save_checkpoint(folder, job, model, corpus)
    kept = options.clone()
    kept.pop("config", None)
    write_file(folder / "config.yaml", parser().dump(kept, skip_validation=True).encode())
    session.forget()
    result(options, {"folder": str(folder), "encoder": job.encoder}, f"written to {folder}")
