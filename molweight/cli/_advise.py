"""``molweight advise``: which auxiliary tables are worth learning from, before any training."""

import json
from dataclasses import asdict

from jsonargparse import Namespace

from molweight.cli._data_options import load_table, split_table
from molweight.cli._output import begin, result
from molweight.options import Job
from molweight.training.internal import advise, format_advice

__all__ = ["run"]


def run(options: Namespace) -> None:
    """Load, split, probe, print."""
    begin(options)
    data = load_table(options)
    splits = split_table(options, data)
    found = advise(data, splits, options.aux, Job(init=options.init, seed=options.seed, device=options.device))
    values = [json.loads(json.dumps(asdict(item))) for item in found]
    result(options, {"data": data.name, "advice": values}, format_advice(found))
