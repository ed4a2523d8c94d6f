"""MATPOWER case files (version 2), read by ourselves: the matrices of a .m or .mat file.

A .m file is a program; this reads its matrices and, of its statements, the unit conversions that MATPOWER's own
distribution cases end with (ohms to per unit, kW to MW). A statement that changes the case in any other way is refused,
for reading past it would give a network of wrong size. Columns: MATPOWER 7 manual, appendix B.
"""

import ast
import importlib
import io
import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from grid_models.elements import FloatArray, NetworkError, freeze

_MATRICES: Final = {"bus": 13, "gen": 10, "branch": 11}
_REFUSED_WHEN_FILLED: Final = ("dcline",)
_MATRIX = re.compile(r"\bmpc\.(\w+)\s*=\s*\[(.*?)\]\s*;?", re.DOTALL)
_CELLS = re.compile(r"\bmpc\.\w+\s*=\s*\{.*?\}\s*;?", re.DOTALL)
_BASE = re.compile(r"\bmpc\.baseMVA\s*=\s*([^;\n]+)")
_COMMENT = re.compile(r"""^((?:[^%'"]|'[^']*'|"[^"]*")*)%.*$""", re.MULTILINE)
_HARMLESS = re.compile(r"function\b.*|mpc\.version=.*|\[[\w,~ ]*\]=(idx_\w+|define_constants).*|define_constants")
_OHMS = "mpc.branch(:,[BR_R,BR_X])=mpc.branch(:,[BR_R,BR_X])/(Vbase^2/Sbase)"
_KILOWATTS = "mpc.bus(:,[PD,QD])=mpc.bus(:,[PD,QD])/1e3"
_BASES: Final = ("Vbase=mpc.bus(1,BASE_KV)*1e3", "Sbase=mpc.baseMVA*1e6")
_OPERATIONS: Final[Mapping[type[ast.AST], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


@dataclass(frozen=True, eq=False)
class MatpowerCase:
    """The matrices of a case, rows as in the file; powers in MW, impedances in per unit of base_mva."""

    base_mva: float
    bus: FloatArray
    gen: FloatArray
    branch: FloatArray

    def __post_init__(self) -> None:
        freeze(self)


def read_matpower_case(path: Path) -> MatpowerCase:
    """Return the case in a .m or .mat file.

    :raises NetworkError: if it is not one, or does more than state its matrices, naming the file
    """
    try:
        return _of_text(path.read_text(encoding="utf-8")) if path.suffix == ".m" else _of_mat_file(path.read_bytes())
    except OSError as error:
        raise NetworkError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise NetworkError(f"{path}: not a text file") from None
    except NetworkError as error:
        raise NetworkError(f"{path}: {error}") from None


def _of_text(text: str) -> MatpowerCase:
    text = _COMMENT.sub(r"\1", text)
    text = re.sub(r"\.\.\.[^\n]*\n", " ", text)
    base = _BASE.search(text)
    if base is None:
        raise NetworkError("not a MATPOWER case of version 2: it has no mpc.baseMVA")
    base_mva = _number(base.group(1).strip())
    matrices = {name: _rows(name, body) for name, body in _MATRIX.findall(text) if name in (*_MATRICES, "dcline")}
    rest = _CELLS.sub("", _MATRIX.sub("", _BASE.sub("", text)))
    return _convert_units(_case(base_mva, matrices), rest)


def _of_mat_file(content: bytes) -> MatpowerCase:
    matlab = importlib.import_module("scipy.io.matlab")
    try:
        variables = matlab.loadmat(io.BytesIO(content), squeeze_me=True, struct_as_record=False)
    except (matlab.MatReadError, ValueError, TypeError, NotImplementedError, IndexError, OSError) as error:
        raise NetworkError(f"not a MAT file that can be read ({error})") from None
    case = variables.get("mpc")
    if case is None or not hasattr(case, "baseMVA"):
        raise NetworkError("it has no variable mpc that holds a MATPOWER case")
    names = [name for name in (*_MATRICES, *_REFUSED_WHEN_FILLED) if hasattr(case, name)]
    try:
        matrices = {name: np.atleast_2d(np.array(getattr(case, name), dtype=np.float64)) for name in names}
        return _case(float(case.baseMVA), matrices)
    except (ValueError, TypeError):
        raise NetworkError("a matrix of its mpc holds something that is no number") from None


def _case(base_mva: float, matrices: Mapping[str, FloatArray]) -> MatpowerCase:
    for name, width in _MATRICES.items():
        if name not in matrices or matrices[name].shape[0] == 0:
            raise NetworkError(f"it has no matrix mpc.{name}")
        if matrices[name].shape[1] < width:
            raise NetworkError(f"mpc.{name} has {matrices[name].shape[1]} columns, not {width} or more")
    for name in _REFUSED_WHEN_FILLED:
        if name in matrices and matrices[name].size:
            raise NetworkError(f"mpc.{name} is not empty; such elements are not modelled")
    if not base_mva > 0:
        raise NetworkError(f"mpc.baseMVA is {base_mva}, not above 0")
    return MatpowerCase(base_mva, matrices["bus"], matrices["gen"], matrices["branch"])


def _rows(name: str, body: str) -> FloatArray:
    rows = [re.split(r"[\s,]+", line.strip(" \t\r,")) for line in re.split(r"[;\n]", body) if line.strip(" \t\r,")]
    if not rows:
        return np.zeros((0, 0))
    uneven = next((number for number, row in enumerate(rows, start=1) if len(row) != len(rows[0])), None)
    if uneven is not None:
        raise NetworkError(f"row {uneven} of mpc.{name} has {len(rows[uneven - 1])} columns, the first {len(rows[0])}")
    return np.array([[_number(entry) for entry in row] for row in rows])


def _number(text: str) -> float:
    """Return a number as MATLAB writes it, "135/sqrt(3)" and "-Inf" included."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return _value(ast.parse(text.replace("^", "**"), mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, OverflowError):
        raise NetworkError(f"{text!r} is not a number") from None


def _value(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.BinOp(left=left, op=operation, right=right) if type(operation) in _OPERATIONS:
            return _OPERATIONS[type(operation)](_value(left), _value(right))
        case ast.Call(func=ast.Name(id="sqrt"), args=[argument], keywords=[]):
            return math.sqrt(_value(argument))
        case _:
            raise ValueError


def _convert_units(case: MatpowerCase, rest: str) -> MatpowerCase:
    """Return the case after the statements of the file that convert units.

    :raises NetworkError: for a statement that changes the case in another way
    """
    bus, branch = case.bus.copy(), case.branch.copy()
    for written in re.split(r"[;\n]", rest):
        statement = re.sub(r"\s+(?=[\w\[])", ",", _without_spaces_at_signs(written.strip()))
        if statement == _KILOWATTS:
            bus[:, 2:4] /= 1e3
        elif statement == _OHMS:
            branch[:, 2:4] /= (bus[0, 9] * 1e3) ** 2 / (case.base_mva * 1e6)
        elif "mpc" in statement and statement not in _BASES and not _HARMLESS.fullmatch(statement):
            raise NetworkError(f"the statement {written.strip()!r} changes the case in a way that is not understood")
    return MatpowerCase(case.base_mva, bus, case.gen, branch)


def _without_spaces_at_signs(statement: str) -> str:
    return re.sub(r"\s*([=*/^(),:\[\]])\s*", r"\1", statement)
