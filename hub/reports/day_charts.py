"""The charts of the day report: which figures are drawn, against which, and by which scale."""

from collections.abc import Sequence
from typing import Any

from hub.reports.charts import Limit, Line, Scale, Values, step_chart
from hub.reports.day_figures import DayFigures, IntervalFigures, VoltageLimits
from hub.reports.wording import Wording

INTERVALS_PER_HOUR = 4
RATING_MPERCENT = 100_000
HALF_WIDTH_TICKS = 6
VOLTAGE_SPAN_MIN_UPU = 20_000
COUNT_SPAN_MIN = 4
MODE_TONES = {1: "blue", 2: "sky", 3: "sand", 0: "stone"}

Chart = dict[str, Any]


def price_chart(figures: DayFigures, words: Wording) -> Chart:
    """Return the county's clearing price against the province's prices."""
    scale = Scale(words.of("units.price"), per_unit=1_000_000)
    lines = [
        Line(words.say("indicativePrice"), _column(figures, "indicative_uyuan_per_kwh"), "grey", "dashed"),
        Line(words.say("realTimePrice"), _column(figures, "real_time_uyuan_per_kwh"), "amber", "dotted"),
        Line(words.say("clearingPrice"), _column(figures, "root_price_uyuan_per_kwh"), "blue"),
    ]
    return step_chart(title=words.say("chartPrices"), first=figures.first, scale=scale, lines=lines)


def exchange_chart(figures: DayFigures, words: Wording) -> Chart:
    """Return the exchange with the province: import upwards, export downwards, and what was scheduled."""
    imported = _powers(_column(figures, "import_wh"))
    exported = _powers(_column(figures, "export_wh"), sign=-1)
    scheduled = _powers([_difference(one.scheduled_import_wh, one.scheduled_export_wh) for one in figures.intervals])
    base = [0] * len(figures.intervals)
    lines = [
        Line(words.say("chartImport"), imported, "amber", base=base),
        Line(words.say("chartExport"), exported, "blue", base=base),
        Line(words.say("chartScheduled"), scheduled, "grey", "dashed"),
    ]
    return step_chart(title=words.say("chartExchange"), first=figures.first, scale=_power_scale(), lines=lines)


def loading_chart(figures: DayFigures, words: Wording) -> Chart:
    """Return the highest loading of lines and transformers, without and with control, and as metered.

    Without control only what exceeds the rating is kept, so that line has gaps where all was inside.
    """
    uncontrolled = [
        None if not excess else RATING_MPERCENT + excess * RATING_MPERCENT // 1000
        for excess in _column(figures, "current_excess_expected_per_mille")
    ]
    lines = [
        Line(words.say("lineUncontrolled"), uncontrolled, "red", "densely-dotted"),
        Line(words.say("lineMetered"), _column(figures, "loading_metered_mpercent"), "amber", "dashed"),
        Line(words.say("lineCleared"), _column(figures, "loading_cleared_mpercent"), "blue"),
    ]
    return step_chart(
        title=words.say("chartLoading"),
        first=figures.first,
        scale=Scale(words.of("units.percent"), per_unit=1000),
        lines=lines,
        limits=[Limit(words.say("lineRating"), RATING_MPERCENT)],
        ticks=HALF_WIDTH_TICKS,
    )


def voltage_chart(figures: DayFigures, words: Wording, limits: VoltageLimits | None) -> Chart:
    """Return the highest and the lowest voltage, as metered and after control; without control if limits are given.

    What is kept of a state without control is how far it exceeds the limit.
    """
    lines = [
        Line(words.say("lineHighestMetered"), _column(figures, "vm_max_metered_upu"), "amber", "dashed"),
        Line(words.say("lineHighestCleared"), _column(figures, "vm_max_cleared_upu"), "blue"),
        Line(words.say("lineLowestMetered"), _column(figures, "vm_min_metered_upu"), "grey"),
    ]
    drawn: list[Limit] = []
    if limits is not None:
        uncontrolled = [
            None if not excess else limits.vm_max_upu + limits.vm_max_upu * excess // 1000
            for excess in _column(figures, "voltage_excess_expected_per_mille")
        ]
        lines.insert(0, Line(words.say("lineUncontrolled"), uncontrolled, "red", "densely-dotted"))
        drawn = [Limit(words.of("common.limit"), value) for value in (limits.vm_max_upu, limits.vm_min_upu)]
    return step_chart(
        title=words.say("chartVoltage"),
        first=figures.first,
        scale=Scale(words.of("units.pu"), 1_000_000, around_zero=False, span_min=VOLTAGE_SPAN_MIN_UPU),
        lines=lines,
        limits=drawn,
        ticks=HALF_WIDTH_TICKS,
    )


def mode_chart(figures: DayFigures, words: Wording) -> Chart:
    """Return the cleared volumes of the modes, one on the other."""
    below = [0] * len(figures.intervals)
    lines = []
    for mode in figures.modes:
        volumes = [power or 0 for power in _powers(_column(figures, f"mode_{mode.mode}_wh"))]
        above = [low + volume for low, volume in zip(below, volumes, strict=True)]
        name = words.of(f"modes.{mode.mode}")
        lines.append(Line(name, above, MODE_TONES[mode.mode], base=below, drawn=False))
        below = above
    return step_chart(title=words.say("chartModes"), first=figures.first, scale=_power_scale(), lines=lines)


def violation_chart(figures: DayFigures, words: Wording) -> Chart:
    """Return how many limits were broken, without and with control, and as metered."""
    base = [0] * len(figures.intervals)
    lines = [
        Line(
            words.say("lineUncontrolledState"), _column(figures, "violations_expected"), "red", "densely-dotted", base
        ),
        Line(words.say("lineMetered"), _column(figures, "violations_metered"), "amber", "dashed"),
        Line(words.say("lineCleared"), _column(figures, "violations_cleared"), "blue"),
    ]
    scale = Scale(words.say("unitCount"), per_unit=1, span_min=COUNT_SPAN_MIN)
    return step_chart(title=words.say("chartViolations"), first=figures.first, scale=scale, lines=lines)


def loss_chart(figures: DayFigures, words: Wording) -> Chart:
    """Return the loss by registers against the loss by AC power flow."""
    lines = [
        Line(words.say("lossRegisters"), _powers(_column(figures, "loss_wh")), "blue"),
        Line(words.say("lossComputed"), _powers(_column(figures, "ac_loss_wh")), "amber", "dotted"),
    ]
    return step_chart(title=words.say("chartLoss"), first=figures.first, scale=_power_scale(), lines=lines)


def _column(figures: DayFigures, name: str) -> Sequence[int | None]:
    assert name in IntervalFigures.__dataclass_fields__
    return [getattr(one, name) for one in figures.intervals]


def _power_scale() -> Scale:
    return Scale("MW", per_unit=1_000_000)


def _powers(energies_wh: Values, sign: int = 1) -> list[int | None]:
    """Return the mean power of each interval in W, times the sign."""
    return [None if energy is None else sign * energy * INTERVALS_PER_HOUR for energy in energies_wh]


def _difference(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one - other
