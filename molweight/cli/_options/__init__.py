"""Options of the commands, one module each. They import no heavy packages, so that ``--help`` is fast."""
