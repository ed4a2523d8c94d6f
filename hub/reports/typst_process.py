"""The process that turns one document into a PDF: python -m hub.reports.typst_process, see typesetting.py."""

import sys
from pathlib import Path

import typst


def typeset_file(template: Path, fonts: Path, source: Path, pdf: Path, timestamp_utc_s: int) -> str:
    """Write the PDF of the JSON document `source`; return what the typesetter complains of, "" if all is well."""
    try:
        content, warnings = typst.compile_with_warnings(
            template,
            root=template.parent,
            font_paths=[fonts],
            ignore_system_fonts=True,
            sys_inputs={"day": source.read_text("utf-8")},
            timestamp=timestamp_utc_s,
        )
    except typst.TypstError as error:
        return f"{error.message}: {error.diagnostic}"
    if warnings:
        return "; ".join(warning.message for warning in warnings)
    assert isinstance(content, bytes)
    pdf.write_bytes(content)
    return ""


def main() -> None:
    """Typeset what the arguments name; a complaint goes to standard error, with status 1."""
    template, fonts, source, pdf, timestamp_utc_s = sys.argv[1:]
    complaint = typeset_file(Path(template), Path(fonts), Path(source), Path(pdf), int(timestamp_utc_s))
    if complaint:
        sys.exit(complaint)


if __name__ == "__main__":
    main()
