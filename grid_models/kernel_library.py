"""The compiled kernel (kernel/fixed_point.c): where it is, and its structures for ctypes.

The kernel is optional. Where no compiler was found at installation there is no library, and power-grid-model does all
power flows (see power_flow.Engine).
"""

import ctypes
import importlib.machinery
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

LANES = 8
"""Scenarios come in multiples of this; it is a multiple of what any variant solves in one block."""
INSTRUCTION_SETS = ("plain", "AVX2", "AVX-512")

_NAME = "fixed_point_kernel"
_POINTER = ctypes.c_void_p


def _structure(name: str, *fields: str) -> type[ctypes.Structure]:
    """Return a structure of these fields: `n ...` are 64-bit integers, `f ...` doubles, all others pointers."""
    kinds = {"n ": ctypes.c_int64, "f ": ctypes.c_double}
    members = [(field[2:], kinds[field[:2]]) if field[:2] in kinds else (field, _POINTER) for field in fields]
    return type(name, (ctypes.Structure,), {"_fields_": members})


FactorsStructure = _structure("Factors", "n n", "l_start", "l_row", "l_r", "l_m", "u_start", "u_column", "u_r", "u_m",
                              "d_r", "d_m", "c_r", "c_m", "node", "up", "down")  # fmt: skip
BranchesStructure = _structure("Branches", "n n", "from_position", "to_position", "y", "from_scale", "to_scale",
                               "source_r", "source_m")  # fmt: skip
InjectionsStructure = _structure("Injections", "n stride", "power_r", "power_m", "current_r", "current_m",
                                 "impedance_r", "impedance_m")  # fmt: skip
ProfilesStructure = _structure("Profiles", "n stride", "start", "entry", "factor")
ExtremesStructure = _structure(
    "Extremes", "v_low2", "v_high2", "v_min", "v_max", "v_min_at", "v_max_at", "n_low", "n_high", "loading_max",
    "loading_max_at", "n_over", "loss_sum", "scenario_loss", "scenario_v_min", "scenario_v_max", "scenario_loading",
    "v_histogram", "loading_histogram", "n n_bins", "f v_bin_from", "f v_bins_per_unit", "f loading_bins_per_unit",
)  # fmt: skip
HostingStructure = _structure("Hosting", "node", "power_r", "power_m", "base_r", "base_m", "v_r", "v_m", "v_low2",
                              "v_high2", "loading2", "current", "share", "binding", "solved")  # fmt: skip
SurroundingsStructure = _structure("Surroundings", "parent", "child_start", "child", "branch_start", "branch",
                                   "gathered_r", "gathered_m", "passed_r", "passed_m", "fixed_gathered_r",
                                   "fixed_gathered_m", "fixed_passed_r", "fixed_passed_m", "closest_high",
                                   "closest_low", "relative_r", "relative_m")  # fmt: skip


def filled(structure: type[ctypes.Structure], **values: npt.NDArray[Any] | float | None) -> ctypes.Structure:
    """Return the structure with numbers as they are and arrays by address; the caller keeps the arrays alive."""
    members: dict[str, float | None] = {}
    for name, value in values.items():
        if isinstance(value, np.ndarray):
            assert value.flags.c_contiguous, name
            members[name] = value.ctypes.data
        else:
            members[name] = value
    return structure(**members)


class MemoryShortError(MemoryError):
    """The kernel could not get the memory for one block of scenarios."""


class KernelLibrary:
    """The loaded kernel; its functions release the interpreter's lock while they run."""

    def __init__(self, path: Path) -> None:
        library = ctypes.CDLL(str(path))
        size, real = ctypes.c_int64, ctypes.c_double
        signatures = {
            "cmb_level": [],
            "cmb_solve": [_POINTER, _POINTER, size, size, _POINTER, _POINTER, real, size, _POINTER, _POINTER, _POINTER],
            "cmb_stream": [
                *(_POINTER, _POINTER, _POINTER, size, size, size),
                *(_POINTER, _POINTER, real, size, _POINTER, _POINTER),
            ],
            "cmb_host": [_POINTER, _POINTER, _POINTER, _POINTER, size, size, real, size],
            "cmb_host_locally": [_POINTER, _POINTER, _POINTER, _POINTER, size, size, real, size, size],
        }
        self._functions = {}
        for name, arguments in signatures.items():
            function = getattr(library, name)
            function.argtypes, function.restype = arguments, size
            self._functions[name] = function
        self.instruction_set = INSTRUCTION_SETS[self._functions["cmb_level"]()]

    def call(self, name: str, *arguments: object) -> int:
        """Call one function: structures go by reference, arrays by address; return the iterations or solves it made.

        :raises MemoryShortError: if there is not enough memory
        """
        plain = [_argument(argument) for argument in arguments]
        count = int(self._functions[name](*plain))
        if count < 0:
            raise MemoryShortError(f"{name}: not enough memory")
        return count


def _argument(value: object) -> object:
    if isinstance(value, np.ndarray):
        assert value.flags.c_contiguous
        return value.ctypes.data
    return ctypes.addressof(value) if isinstance(value, ctypes.Structure) else value


@cache
def kernel_library() -> KernelLibrary | None:
    """Return the kernel, or None where it was not built."""
    folder = Path(__file__).parent / "kernel"
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        path = folder / f"{_NAME}{suffix}"
        if path.is_file():
            return KernelLibrary(path)
    return None
