"""Provinces as data: dated parameters and calendars with document, source and mark, shipped as JSON profiles."""

from collections.abc import Iterable
from importlib import resources

from hub.settlement.provinces.documents import ProvinceDocument, decode_province
from hub.settlement.provinces.library import Library, build_library

_PROFILES = "profiles"


def shipped_profiles() -> tuple[str, ...]:
    """Return the names of the provinces that have a shipped profile, sorted; "national" is among them."""
    folder = resources.files(__name__).joinpath(_PROFILES)
    return tuple(sorted(entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json")))


def shipped_profile(province: str) -> bytes:
    """Return the bytes of a shipped profile; other text can be laid over it as a further document."""
    return resources.files(__name__).joinpath(_PROFILES, f"{province}.json").read_bytes()


def shipped_library(further: Iterable[ProvinceDocument] = (), *, confirmed: frozenset[str] = frozenset()) -> Library:
    """Return the library of all shipped profiles and of further documents, such as a month's price table.

    :param confirmed: version ids of unverified values that may be used
    :raises hub.settlement.provinces.library.LibraryError: if documents contradict each other
    """
    shipped = [decode_province(shipped_profile(name)) for name in shipped_profiles()]
    return build_library([*shipped, *further], confirmed=confirmed)
