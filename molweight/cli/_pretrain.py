"""``molweight pretrain``: a checkpoint, to start many runs from."""

import signal
from pathlib import Path

from jsonargparse import Namespace

from molweight._version import __version__
from molweight.cli._data_options import job_of, load_corpus
from molweight.cli._options._pretrain import parser
from molweight.cli._output import begin, result, say
from molweight.devices import resolve_device
from molweight.distributed import own_folder
from molweight.errors import Interrupted, OptionError
from molweight.options.internal import AUTO
from molweight.runs import save_checkpoint
from molweight.runs.internal import (
    OTHER_OUTPUT,
    STATE,
    claim_checkpoint_folder,
    claimed_checkpoint,
    molecules_digest,
    refuse_busy,
)
from molweight.storage import write_file
from molweight.training import Session, generic_pretraining
from molweight.training.internal import resolve_assay_table

__all__ = ["run"]


def run(options: Namespace) -> None:
    """Pretrain, or resume, and write the folder."""
    begin(options)
    _refuse_start(options)
    folder = own_folder(Path(options.output))
    claim_checkpoint_folder(folder, overwrite=options.overwrite)
    refuse_busy(folder, OTHER_OUTPUT)
    job = resolve_assay_table(job_of(options, init="pretrain", weighting="none"))
    corpus = load_corpus(options)
    sizes = f"{job.encoder} {job.encoder_options} for {job.pretrain_steps} steps"
    say(options, f"pretraining {sizes} on {corpus.name}: {len(corpus)} molecules")
    about = {"molweight": __version__, "options": job.options(), "corpus": molecules_digest(corpus)}
    session = Session(folder / STATE, about)
    with claimed_checkpoint(folder, overwrite=options.overwrite) as claim:
        try:
            model, used = generic_pretraining(
                job, corpus, resolve_device(job.device), progress=not options.quiet, session=session
            )
        except KeyboardInterrupt as error:
            number = error.number if isinstance(error, Interrupted) else signal.SIGINT
            raise Interrupted(number, "interrupted; the same command resumes from here.") from error
        claim.complete()
        save_checkpoint(folder, job, model, used)
        kept = options.clone()
        for name in ("config", "trust", "overwrite"):
            kept.pop(name, None)
        write_file(folder / "config.yaml", parser().dump(kept, skip_validation=True).encode())
        session.clear()
    result(options, {"folder": str(folder), "encoder": job.encoder}, f"written to {folder}")


def _refuse_start(options: Namespace) -> None:
    """Refuse another start than random parameters, which generic pretraining would not use."""
    if options.init not in (AUTO, "pretrain"):
        reason = "cannot be used here: this command pretrains an encoder from random parameters"
        remedy = "Leave it out. 'molweight fit' and 'molweight finetune' start from a checkpoint."
        raise OptionError("init", options.init, reason, remedy)
