"""Documents as PDF, strictly: a warning of the typesetter is an error, and every character must have a glyph.

The typesetter runs in processes of its own (typst_process.py). It keeps what it has laid out: measured, 75 MB more
after each day's two reports, up to 500 MB, which is no use to a hub that typesets once a day. And two languages take
no longer than one.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hub.reports.glyphs import FONTS, check_printable, texts_of

TEMPLATES = Path(__file__).parent / "templates"
SECONDS_MAX = 120


class ReportError(RuntimeError):
    """The report cannot be typeset as it stands; the message holds the typesetter's words."""


def typeset(documents: Mapping[str, Mapping[str, Any]], template: Path, *, timestamp_utc_s: int) -> dict[str, bytes]:
    """Return the PDF of each document in a template; the same document gives the same bytes.

    :param documents: name -> what the template reads as JSON from sys.inputs.day
    :param timestamp_utc_s: what the template may take for the present
    :raises ReportError: if the typesetter complains, be it only a warning
    :raises hub.reports.glyphs.MissingGlyphError: if a text cannot be printed
    """
    check_printable([template.read_text("utf-8")])
    for document in documents.values():
        check_printable(texts_of(document))
    with TemporaryDirectory(prefix="report-") as folder, ExitStack() as started:
        processes = []
        for number, (name, document) in enumerate(documents.items()):
            source, pdf = Path(folder) / f"{number}.json", Path(folder) / f"{number}.pdf"
            source.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
            process = started.enter_context(_started(template, source, pdf, timestamp_utc_s))
            started.callback(process.kill)  # before it is waited for; changes nothing once it has ended
            processes.append((name, process, pdf))
        return {name: _finished(process, pdf) for name, process, pdf in processes}


def _started(template: Path, source: Path, pdf: Path, timestamp_utc_s: int) -> "subprocess.Popen[bytes]":
    arguments = [str(template), str(FONTS), str(source), str(pdf), str(timestamp_utc_s)]
    return subprocess.Popen(
        [sys.executable, "-m", "hub.reports.typst_process", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def _finished(process: "subprocess.Popen[bytes]", pdf: Path) -> bytes:
    try:
        _, complaint = process.communicate(timeout=SECONDS_MAX)
    except subprocess.TimeoutExpired:
        raise ReportError(f"the typesetter took more than {SECONDS_MAX} s") from None
    if process.returncode != 0:
        raise ReportError(complaint.decode("utf-8", "replace").strip() or f"ended with status {process.returncode}")
    return pdf.read_bytes()
