"""Which characters the report's fonts can print. The typesetter says nothing of a missing glyph, so we ask before."""

import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

FONTS = Path(__file__).parent / "fonts"
FONT_FILES = ("NotoSansSC-Regular-subset.otf", "NotoSansSC-Bold-subset.otf")


class MissingGlyphError(ValueError):
    """A text holds characters that the report's fonts cannot print."""


@cache
def printable_characters() -> frozenset[str]:
    """Return the characters that every font of the report holds."""
    ttf = importlib.import_module("fontTools.ttLib")  # not with the hub: see typesetting.py
    held = []
    for name in FONT_FILES:
        with ttf.TTFont(FONTS / name, lazy=True) as font:
            held.append(frozenset(chr(code) for code in font.getBestCmap()))
    return frozenset.intersection(*held)


def check_printable(texts: Iterable[str]) -> None:
    """Do nothing if every character of the texts can be printed.

    :raises MissingGlyphError: naming each character that cannot, and a text that holds it
    """
    printable = printable_characters() | {"\n"}
    for text in texts:
        missing = sorted(set(text) - printable)
        if missing:
            names = ", ".join(f"{character!r} (U+{ord(character):04X})" for character in missing)
            raise MissingGlyphError(f"no glyph for {names} in {text[:80]!r}")


def printable_text(text: str) -> str:
    """Return a name from outside (a county, a bus, a line) with each character that has no glyph as "[U+9F98]".

    Our own texts must be printable as they are; a name of the network must not keep the day's report from being made.
    """
    printable = printable_characters()
    return "".join(sign if sign in printable else f"[U+{ord(sign):04X}]" for sign in text)


def texts_of(value: object) -> Iterator[str]:
    """Yield every text in a document of mappings and sequences, names of its fields left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from texts_of(one)
    elif isinstance(value, Sequence):
        for one in value:
            yield from texts_of(one)
