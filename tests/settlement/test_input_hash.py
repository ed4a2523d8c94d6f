"""The canonical hash: the same bytes for good, no two inputs alike, and a part that is shared reads as itself."""

from dataclasses import dataclass, field
from datetime import date
from enum import Enum, IntEnum
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.settlement.input_hash import LATER_FIELD, Canonical, input_hash


class Colour(Enum):
    RED = "red"


class Shade(IntEnum):
    DARK = 1


class Depth(IntEnum):
    LOW = 1


@dataclass(frozen=True)
class Case:
    name: str
    parts: Any
    day: date = date(2026, 1, 1)


@dataclass(frozen=True)
class Other:
    name: str
    parts: Any
    day: date = date(2026, 1, 1)


VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-3, 3), st.text(max_size=3), st.sampled_from([*Colour, *Shade, *Depth]),
        st.dates(date(2026, 1, 1), date(2026, 1, 3)),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple), st.builds(Case, st.text(max_size=2), inner),
        st.builds(Other, st.text(max_size=2), inner),
    ),
    max_leaves=6,
)  # fmt: skip


def told_apart(value: Any) -> Any:
    """A value with all its types, so that two that differ in a type differ."""
    if isinstance(value, tuple):
        return ("tuple", *map(told_apart, value))
    if isinstance(value, Case | Other):
        return type(value), value.name, told_apart(value.parts), value.day
    return type(value), value


@given(st.lists(VALUES, min_size=2, max_size=2))
def test_inputs_have_one_hash_each(pair: list[Any]) -> None:
    one, other = pair
    assert (input_hash(one) == input_hash(other)) == (told_apart(one) == told_apart(other))


@given(VALUES, VALUES)
def test_what_is_walked_once_reads_as_itself(shared: Any, own: Any) -> None:
    assert input_hash((Canonical.of(shared), own)) == input_hash((shared, own)) or _is_all_text(shared, own)
    assert input_hash(Case("c", Canonical.of(shared))) == input_hash(Case("c", shared))


def _is_all_text(*values: Any) -> bool:
    """A tuple of nothing but texts is written in another way, so no text stands alone for itself there."""
    return all(type(one) is str for one in values)


def test_the_bytes_stay_what_they_were() -> None:
    case = Case("case", (1, None, True, Colour.RED, Shade.DARK, ("a", "bc"), (), np.arange(3), Case("甲", -5)))
    assert input_hash(case) == "3cd9d192882da0bf486e6d1390df26cc19e394b39ef1077a4ce24734da4e6afe"


def test_what_has_no_canonical_bytes_is_refused() -> None:
    with pytest.raises(TypeError, match="float has no canonical bytes"):
        input_hash(Case("c", (1, 1.5)))


@dataclass(frozen=True)
class Older:
    name: str


@dataclass(frozen=True)
class Newer:
    name: str
    column: Any = field(default=None, metadata=LATER_FIELD)
    texts: tuple[str, ...] = field(default=(), metadata=LATER_FIELD)


def test_a_later_field_counts_once_it_holds_something() -> None:
    """Hashes that were stored before a field came stay those of the same inputs; 0 energy is something."""
    Newer.__name__ = Older.__name__
    old = input_hash(Older("a"))
    assert input_hash(Newer("a")) == old
    found = {old, *(input_hash(Newer("a", *rest)) for rest in ((np.zeros(1, np.int64),), (None, ("b",)), (0,)))}
    assert len(found) == 4
