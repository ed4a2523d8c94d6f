"""How a report words things in one language: texts of the catalogue, and numbers with their separators.

A cell of a table is a text, or a text with `fine` print (further digits) or a `tone` (of the template).
"""

from dataclasses import dataclass
from typing import TypeAlias

from hub.reports.glyphs import printable_text
from hub.reports.number_text import count_text, decimal_text
from hub.texts import load_texts, text

Cell: TypeAlias = str | dict[str, str]

NO_DATA = "—"
WH_PER_KWH, WH_PER_MWH = 1_000, 1_000_000
UYUAN_PER_YUAN, NANO_YUAN_PER_YUAN, FEN_PER_YUAN = 1_000_000, 1_000_000_000, 100
FINE_DIGITS = 7
"""Of a nano-yuan amount's nine decimals, those below a fen."""


@dataclass(frozen=True)
class Wording:
    """The words of one language of hub.texts.LANGUAGES."""

    language: str

    def say(self, key: str, **values: object) -> str:
        """Return a text of the area "report"."""
        return text(self.language, f"report.{key}", **values)

    def of(self, key: str) -> str:
        """Return a text of another area, by its whole key."""
        return text(self.language, key)

    def named(self, area: str, code: str) -> str:
        """Return the name of a code that stands in the store, or the code where the catalogue has no name for it."""
        names = load_texts(self.language)[area]
        found = names.get(code) if not isinstance(names, str) else None
        return found if isinstance(found, str) else printable_text(code)


def mwh(energy_wh: int | None) -> str:
    """Return MWh with three decimals, which is kWh."""
    return NO_DATA if energy_wh is None else decimal_text(energy_wh, scale=WH_PER_MWH, digits=3)


def kwh(energy_wh: int | None) -> str:
    """Return kWh with three decimals, which is exact."""
    return NO_DATA if energy_wh is None else decimal_text(energy_wh, scale=WH_PER_KWH, digits=3)


def price(uyuan_per_kwh: int | None, digits: int = 6) -> str:
    """Return yuan/kWh; six decimals are exact."""
    return NO_DATA if uyuan_per_kwh is None else decimal_text(uyuan_per_kwh, scale=UYUAN_PER_YUAN, digits=digits)


def exact_yuan(nano_yuan: int | None) -> Cell:
    """Return yuan with all nine decimals, those below a fen in fine print."""
    if nano_yuan is None:
        return NO_DATA
    whole = decimal_text(nano_yuan, scale=NANO_YUAN_PER_YUAN, digits=9)
    return {"text": whole[:-FINE_DIGITS], "fine": whole[-FINE_DIGITS:]}


def yuan_of_fen(fen: int | None) -> str:
    """Return yuan with two decimals, which is exact."""
    return NO_DATA if fen is None else decimal_text(fen, scale=FEN_PER_YUAN, digits=2)


def count(number: int | None) -> str:
    """Return a whole number."""
    return NO_DATA if number is None else count_text(number)


def share(part: int, whole: int) -> str:
    """Return part / whole as a percentage with one decimal, without its sign."""
    return decimal_text((2000 * part + whole) // (2 * whole), scale=10, digits=1) if whole > 0 else NO_DATA


def per_mille_as_percent(per_mille: int) -> str:
    """Return thousandths as a percentage with one decimal, without its sign."""
    return decimal_text(per_mille, scale=10, digits=1)


def per_unit(upu: int | None) -> str:
    """Return micro-pu as p.u. with three decimals."""
    return NO_DATA if upu is None else decimal_text(upu, scale=1_000_000, digits=3)


def percent_of_mpercent(mpercent: int | None) -> str:
    """Return thousandths of a percent as a percentage with one decimal, without its sign."""
    return NO_DATA if mpercent is None else decimal_text(mpercent, scale=1000, digits=1)


def bad_if(is_bad: bool, cell: str) -> Cell:
    """Return the cell, marked if it shows something abnormal: a colour and a sign, so that grey print shows it too."""
    return {"text": f"▲ {cell}", "tone": "red"} if is_bad else cell
