"""``molweight finetune``: a checkpoint on a table, without adaptive pretraining."""

from jsonargparse import Namespace

from molweight.cli._data_options import job_of, load_table, split_with_test
from molweight.cli._fit import carry_out, refuse_taken, resumed
from molweight.cli._options._finetune import parser
from molweight.cli._output import begin
from molweight.errors import ConfigError
from molweight.options.internal import AUTO

__all__ = ["run"]


def run(options: Namespace) -> None:
    """Load, finetune, print, write the run's folder.

    Raises:
        ConfigError: If no checkpoint is named.
    """
    begin(options)
    options = resumed(options, parser())
    refuse_taken(options)
    if options.init in (AUTO, "pretrain"):
        raise ConfigError(
            "name a checkpoint to start from: --init FOLDER of 'molweight pretrain' or of a run; or --init scratch."
        )
    job, data = job_of(options, weighting="none", objectives=[]), load_table(options)
    data, splits, unlabelled = split_with_test(options, data)
    corpus = data.subset(splits.train)
    carry_out(options, parser(), job, data, splits=splits, corpus=corpus, unlabelled=unlabelled)
