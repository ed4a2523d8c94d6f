"""Columns that leave settlement are read-only (DESIGN 3: a batch is frozen, with named read-only columns)."""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

ScalarT = TypeVar("ScalarT", bound=np.generic)


def read_only(column: npt.NDArray[ScalarT]) -> npt.NDArray[ScalarT]:
    """Return the column, which nobody may write to from now on."""
    column.setflags(write=False)
    return column
