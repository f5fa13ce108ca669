"""Journal of a long stress test, one result per line, so that the same command resumes where it was interrupted."""

import json
import sys
from pathlib import Path
from typing import Any

from experiments._provenance import COMMIT

__all__ = ["Journal"]


class Journal:
    """Results by key, in a file that grows line by line.

    A line truncated by a kill is ignored. Results of different commits are never mixed: a journal of another commit
    ends the script.

    Args:
        path: The file; ``None`` to keep nothing.
    """

    def __init__(self, path: Path | None) -> None:
        """Read existing results."""
        self.path = path
        self.answers: dict[str, Any] = {}
        for line in path.read_text(encoding="utf-8").splitlines() if path is not None and path.exists() else ():
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if found["commit"] != COMMIT:
                sys.exit(f"{path} is of commit {found['commit']}, the code is {COMMIT}. Remove the journal.")
            self.answers[found["key"]] = found["answer"]

    def __contains__(self, key: str) -> bool:
        """Whether there is a result."""
        return key in self.answers

    def add(self, key: str, answer: Any) -> None:
        """Append a result.

        Args:
            key: Its key.
            answer: The result, as JSON values.
        """
        self.answers[key] = answer
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({"commit": COMMIT, "key": key, "answer": answer}) + "\n")
