"""Files of ``torch.save`` that other programs wrote."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from molweight.errors import DataError

__all__ = ["read_torch_dictionary"]


def read_torch_dictionary(path: str | Path) -> dict[Any, Any]:
    """The dictionary of tensors and plain values in a file; nothing else is unpickled.

    Args:
        path: The file.

    Raises:
        DataError: If there is none; the message is the rest of a sentence that begins with the file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            packed = sum(item.file_size for item in archive.infolist()) > Path(path).stat().st_size
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise DataError("is not a file of torch.save, or is damaged") from error
    if packed:  # a small archive could expand without bound
        raise DataError("is a compressed archive, and torch.save writes uncompressed ones")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, KeyError, EOFError) as error:
        reason = str(error).partition("\n")[0].partition(". ")[0] or type(error).__name__
        raise DataError(f"cannot be read ({reason})") from error
    if not isinstance(content, dict):
        raise DataError(f"holds a {type(content).__name__} in place of a dictionary")
    return content
