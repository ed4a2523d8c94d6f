"""Which characters the report's fonts can print. The typesetter says nothing of a missing glyph, so we ask before."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from fontTools.ttLib import TTFont

FONTS = Path(__file__).parent / "fonts"
FONT_FILES = ("NotoSansSC-Regular-subset.otf", "NotoSansSC-Bold-subset.otf")


class MissingGlyphError(ValueError):
    """A text holds characters that the report's fonts cannot print."""


@cache
def printable_characters() -> frozenset[str]:
    """Return the characters that every font of the report holds."""
    held = [frozenset(chr(code) for code in TTFont(FONTS / name, lazy=True).getBestCmap()) for name in FONT_FILES]
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
