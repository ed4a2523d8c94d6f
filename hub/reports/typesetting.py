"""A document as PDF. The typesetter is strict here: a warning is an error, and every character must have a glyph.

The typesetter and the font reader are imported when a report is typeset, not with the hub: they cost half a second and
some memory, and are used once a day.
"""

import importlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hub.reports.glyphs import FONTS, check_printable

TEMPLATES = Path(__file__).parent / "templates"


class ReportError(RuntimeError):
    """The report cannot be typeset as it stands; the message holds the typesetter's words."""


def typeset(document: Mapping[str, Any], template: Path, *, timestamp_utc_s: int) -> bytes:
    """Return the PDF of a document in a template; the same document gives the same bytes.

    :param document: what the template reads as JSON from sys.inputs.day
    :param timestamp_utc_s: what the template may take for the present
    :raises ReportError: if the typesetter complains, be it only a warning
    :raises hub.reports.glyphs.MissingGlyphError: if a text cannot be printed
    """
    check_printable([*_texts(document), template.read_text("utf-8")])
    typst = importlib.import_module("typst")
    try:
        pdf, warnings = typst.compile_with_warnings(
            template,
            root=template.parent,
            font_paths=[FONTS],
            ignore_system_fonts=True,
            sys_inputs={"day": json.dumps(document, ensure_ascii=False)},
            timestamp=timestamp_utc_s,
        )
    except typst.TypstError as error:
        raise ReportError(f"{error.message}: {error.diagnostic}") from error
    if warnings:
        raise ReportError("; ".join(warning.message for warning in warnings))
    assert isinstance(pdf, bytes)
    return pdf


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, Sequence):
        for one in value:
            yield from _texts(one)
