"""Checkpoints of long hosting runs: arrays in one file, and beside it what the run is of.

A run that dies while it writes leaves the former checkpoint.
"""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from grid_models.year_flow import CheckpointError

Arrays = Mapping[str, npt.NDArray[Any]]


def keep_to_one_run(checkpoint: Path, run: Mapping[str, object]) -> None:
    """Write beside the checkpoint what it is of; arrays of the same shapes alone may be of other data.

    :param run: what tells this run from others
    :raises CheckpointError: if there is a checkpoint of another run
    """
    text = json.dumps(run, ensure_ascii=False)
    beside = checkpoint.with_name(f"{checkpoint.name}.run.json")
    if checkpoint.exists():
        known = beside.read_text(encoding="utf-8") if beside.exists() else "an unknown run"
        if known != text:
            raise CheckpointError(f"{checkpoint}: a checkpoint of {known}; remove it to begin anew")
    beside.write_text(text, encoding="utf-8")


def write_checkpoint(path: Path, arrays: Arrays) -> None:
    """Write the arrays in the place of what was there."""
    partial = path.with_name(f"{path.name}.partial")
    content: dict[str, Any] = dict(arrays)
    with partial.open("wb") as file:
        np.savez(file, **content)
    partial.replace(path)


def read_checkpoint(path: Path, like: Arrays) -> dict[str, npt.NDArray[Any]]:
    """Return the checkpoint's arrays.

    :param like: arrays of the same names, types and shapes
    :raises CheckpointError: if it cannot be read, or holds other arrays
    """
    try:
        with np.load(path, allow_pickle=False) as content:
            found = {name: content[name] for name in content.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path}: not a checkpoint: {error}") from None
    same = found.keys() == like.keys() and all(
        found[name].shape == values.shape and found[name].dtype == values.dtype for name, values in like.items()
    )
    if not same:
        raise CheckpointError(f"{path}: a checkpoint of another run; remove it to begin anew")
    return found
