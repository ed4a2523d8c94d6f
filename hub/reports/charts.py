"""The report's charts as SVG: lines over the intervals of a day, the same bytes for the same figures."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager

from hub.reports.glyphs import FONT_FILES, FONTS

INK, GRID = "#30363d", "#d9dde2"
COLOURS = ("#1f5fa8", "#c2410c", "#6b7280")
STYLES = ("-", "--", ":")
SIZE_INCHES = (7.0, 2.3)


@dataclass(frozen=True)
class Line:
    """One line of a chart: its name in the legend and a value for each interval; None leaves a gap."""

    name: str
    values: Sequence[float | None]
    filled: bool = False


def line_chart(labels: Sequence[str], lines: Sequence[Line], *, unit: str, limit: float | None = None) -> bytes:
    """Return an SVG of the lines over the intervals.

    Lines differ by colour and by stroke, so that a grey print can be read.

    :param labels: label of each interval ("00:15".."24:00")
    :param unit: written at the vertical axis
    :param limit: drawn as a thin line across
    """
    with mpl.rc_context({"svg.hashsalt": "microbalance", "svg.fonttype": "path", "axes.unicode_minus": False}):
        figure = Figure(figsize=SIZE_INCHES)
        FigureCanvasSVG(figure)
        axes = figure.subplots()
        positions = range(len(labels))
        for line, colour, style in zip(lines, COLOURS, STYLES, strict=False):
            values = [float("nan") if value is None else value for value in line.values]
            axes.step(positions, values, where="mid", color=colour, linestyle=style, linewidth=1.1, label=line.name)
            if line.filled:
                axes.fill_between(positions, values, step="mid", color=colour, alpha=0.12, linewidth=0)
        if limit is not None:
            axes.axhline(limit, color=INK, linewidth=0.6, linestyle=(0, (1, 2)))
        _dress(figure, labels, unit)
        written = io.BytesIO()
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    return written.getvalue()


def _dress(figure: Figure, labels: Sequence[str], unit: str) -> None:
    axes = figure.axes[0]
    small = FontProperties(family=_family(), size=7)
    step = max(len(labels) // 12, 1)
    shown = list(range(step - 1, len(labels), step))
    axes.set_xticks(shown, [labels[position] for position in shown])
    axes.set_xlim(-0.5, max(len(labels) - 0.5, 0.5))
    axes.set_ylabel(unit, fontproperties=small, color=INK)
    for label in [*axes.get_xticklabels(), *axes.get_yticklabels()]:
        label.set_fontproperties(small)
        label.set_color(INK)
    axes.grid(visible=True, axis="y", color=GRID, linewidth=0.5)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(GRID)
    axes.tick_params(length=2, color=GRID)
    axes.legend(loc="upper left", bbox_to_anchor=(0, 1.16), ncols=4, frameon=False, prop=small)
    figure.subplots_adjust(left=0.08, right=0.99, top=0.88, bottom=0.12)


@cache
def _family() -> str:
    path = FONTS / FONT_FILES[0]
    fontManager.addfont(path)
    return FontProperties(fname=path).get_name()
