"""The hash of what a settlement was computed from: sha256 over a canonical walk of the frozen inputs."""

import hashlib
from collections.abc import Iterator
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
    digest = hashlib.sha256()
    for part in _parts(inputs):
        digest.update(part)
    return digest.hexdigest()


def _parts(value: object) -> Iterator[bytes]:
    if isinstance(value, np.ndarray):
        column = np.ascontiguousarray(value.astype(value.dtype.newbyteorder("<"), copy=False))
        yield f"column {column.dtype.str} {column.shape}:".encode()
        yield column.tobytes()
    elif isinstance(value, Enum):
        yield f"enum {type(value).__name__}.{value.name};".encode()
    elif value is None or isinstance(value, bool | int | date):
        yield f"{type(value).__name__} {value};".encode()
    elif isinstance(value, str):
        text = value.encode()
        yield f"text {len(text)}:".encode() + text
    elif isinstance(value, tuple):
        yield f"tuple {len(value)}:".encode()
        yield from _tuple_parts(value)
    elif is_dataclass(value):
        yield f"{type(value).__name__}:".encode()
        for field in fields(value):
            yield f"field {field.name}:".encode()
            yield from _parts(getattr(value, field.name))
    else:
        raise TypeError(f"{type(value).__name__} has no canonical bytes")


def _tuple_parts(value: tuple[object, ...]) -> Iterator[bytes]:
    if all(type(item) is str for item in value):
        texts = [str(item).encode() for item in value]
        yield ("texts " + ",".join(str(len(text)) for text in texts) + ":").encode() + b"".join(texts)
        return
    for item in value:
        yield from _parts(item)
