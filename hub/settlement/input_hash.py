"""The hash of what a settlement was computed from: sha256 over a canonical walk of the frozen inputs."""

import hashlib
from dataclasses import fields, is_dataclass
from datetime import date
from enum import Enum

import numpy as np


def input_hash(inputs: object) -> str:
    """Return the sha256, in hex, of a frozen dataclass of columns, texts, numbers, dates and such dataclasses.

    Every value is preceded by its field name, type and size, so that no two different inputs read the same. Columns
    count by their dtype, shape and little-endian bytes.

    :raises TypeError: for a value of any other type, which has no canonical bytes
    """
    parts: list[bytes] = []
    _append(parts, inputs)
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _append(parts: list[bytes], value: object) -> None:
    """Append the canonical bytes of a value. A bill's lines hash some hundred values each, so common types go first."""
    kind = type(value)
    if kind is str:
        assert isinstance(value, str)
        text = value.encode()
        parts += (b"text %d:" % len(text), text)
    elif value is None or kind is int:
        parts.append(f"{kind.__name__} {value};".encode())
    elif isinstance(value, tuple):
        parts.append(b"tuple %d:" % len(value))
        _append_items(parts, value)
    elif isinstance(value, Enum):
        parts.append(f"enum {kind.__name__}.{value.name};".encode())
    elif isinstance(value, np.ndarray):
        column = np.ascontiguousarray(value.astype(value.dtype.newbyteorder("<"), copy=False))
        parts += (f"column {column.dtype.str} {column.shape}:".encode(), column.tobytes())
    elif isinstance(value, bool | int | date):
        parts.append(f"{kind.__name__} {value};".encode())
    elif is_dataclass(value):
        header, named = _FIELDS.get(kind) or _fields_of(kind)
        parts.append(header)
        for name, prefix in named:
            parts.append(prefix)
            _append(parts, getattr(value, name))
    else:
        raise TypeError(f"{kind.__name__} has no canonical bytes")


_Fields = tuple[bytes, tuple[tuple[str, bytes], ...]]
_FIELDS: dict[type, _Fields] = {}


def _fields_of(kind: type) -> _Fields:
    """Return the header of a dataclass, and each field's name and prefix; they are made once."""
    assert is_dataclass(kind)
    named = tuple((one.name, f"field {one.name}:".encode()) for one in fields(kind))
    return _FIELDS.setdefault(kind, (f"{kind.__name__}:".encode(), named))


def _append_items(parts: list[bytes], value: tuple[object, ...]) -> None:
    if all(type(item) is str for item in value):
        texts = [str(item).encode() for item in value]
        parts.append(("texts " + ",".join(str(len(text)) for text in texts) + ":").encode() + b"".join(texts))
        return
    for item in value:
        _append(parts, item)
