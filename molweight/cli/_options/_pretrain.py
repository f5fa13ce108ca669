"""Options of ``molweight pretrain``."""

from molweight.cli._options._table import add_corpus_options, add_job_options
from molweight.cli._output import add_output_options
from molweight.cli._parser import Parser
from molweight.options import EncoderOptions, PretrainingOptions, RunOptions

__all__ = ["parser"]


def parser() -> Parser:
    """Options of the command: those of the corpus, then those of generic pretraining."""
    made = Parser(
        prog="molweight pretrain",
        example="molweight pretrain --corpus zinc --output runs/pretrained",
        description="Pretrain an encoder on a corpus with equal weights; fit and finetune start from it with --init.",
    )
    made.add_argument("--config", action="config", help="YAML file with any of these options")
    add_corpus_options(made)
    made.add_argument("--output", type=str, default="runs/pretrained", help="folder of the checkpoint")
    made.add_argument("--overwrite", action="store_true", help="replace the checkpoint that is in the folder")
    made.add_argument("--preset", type=str, default="auto", help="default sizes: auto (by machine), small, full")
    add_output_options(made)
    add_job_options(made, EncoderOptions, PretrainingOptions, RunOptions, common=("pretrain_steps",))
    return made
