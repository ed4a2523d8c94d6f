"""The tables that `microbalance grid` shows people."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from rich.console import Console
from rich.table import Table

from grid_models.grid_documents import (
    CheckDocument,
    GradeDocument,
    HostingDocument,
    HostingQuestionDocument,
    HostingRow,
    PeriodDocument,
    PlacementDocument,
    PowerFlowDocument,
    RegionDocument,
    ShortCircuitRow,
)

_LISTED = 20
_Scaled: TypeAlias = PowerFlowDocument | PeriodDocument | HostingQuestionDocument
_FAILURES_SHOWN = 10


def show_check(document: CheckDocument, console: Console) -> None:
    """Print the problems."""
    counts = ", ".join(f"{kind} {count:,}" for kind, count in document.counts.items() if count)
    _say(console, f"{document.network}: {counts}")
    if document.problems:
        rows = ((row.severity, row.element, row.what) for row in document.problems)
        _print(console, "", ("severity", "element", "what"), rows)
    _say(console, f"errors {document.errors}, warnings {document.warnings}")


def show_power_flow(document: PowerFlowDocument, console: Console) -> None:
    """Print the nominal state."""
    _say(console, f"{document.network}, nominal state{_scales(document)}, engine {document.engine}")
    for failure in document.failures:
        _say(console, f"NO SOLUTION: bus {failure.bus}: {failure.reason}")
    if not document.converged:
        return
    totals = (
        ("load", _mw(document.load_mw)),
        ("generation", _mw(document.generation_mw)),
        ("from the feeding points", f"{_mw(document.source_p_mw)}, {_number(document.source_q_mvar, 6)} Mvar"),
        ("losses", _mw(document.loss_mw)),
        ("buses below, above their band", f"{document.buses_below:,}, {document.buses_above:,}"),
        ("lines and transformers overloaded", f"{document.overloaded:,} ({document.without_limit:,} without limit)"),
    )
    _print(console, "", ("", "nominal state"), totals)
    voltages = (
        (
            row.bus,
            f"{row.vm_pu:.5f}",
            f"{row.v_v:,.1f}",
            f"{row.v_min_v:,.1f} - {row.v_max_v:,.1f}",
            f"{row.margin_percent:.2f}",
        )
        for row in document.voltages
    )
    _print(console, "voltages nearest to or outside a limit", ("bus", "pu", "V", "permitted V", "margin %"), voltages)
    loadings = ((row.element, f"{row.loading_percent:.2f}") for row in document.loadings)
    _print(console, "highest loadings", ("element", "% of rating"), loadings)


def show_period(document: PeriodDocument, console: Console) -> None:
    """Print what a period brought."""
    _say(console, f"{document.network}, {document.start} to {document.end}{_scales(document)}, {document.engine}")
    totals = (
        ("quarter-hours, solved", f"{document.quarter_hours:,}, {document.solved:,}"),
        ("energy lost", f"{document.loss_mwh:,.3f} MWh"),
        ("buses ever below, above their band", f"{document.buses_below:,}, {document.buses_above:,}"),
        ("their hours below, above, added up", f"{document.bus_hours_below:,.2f}, {document.bus_hours_above:,.2f}"),
        ("elements ever overloaded", f"{document.overloaded:,}"),
        ("their hours, added up", f"{document.element_hours_overloaded:,.2f}"),
    )
    _print(console, "", ("", "period"), totals)
    for failure in document.failures[:_FAILURES_SHOWN]:
        _say(console, f"NO SOLUTION at {failure.at}: bus {failure.bus}: {failure.reason}")
    if len(document.failures) > _FAILURES_SHOWN:
        _say(console, f"... {len(document.failures):,} quarter-hours without a solution in all; --json lists them")
    voltages = [
        (
            row.bus,
            f"{row.v_min_pu:.4f} {row.v_min_at}",
            f"{row.v_max_pu:.4f} {row.v_max_at}",
            f"{row.hours_below:,.2f} / {row.hours_above:,.2f}",
            _spread(row.percentiles_pu, 3),
        )
        for row in document.voltages
    ]
    heads = ("bus", "lowest pu", "highest pu", "h below / above", "percentiles pu")
    _print(console, "voltages", *_without_empty_last(heads, voltages))
    loadings = [
        (
            row.element,
            f"{row.loading_max_percent:.2f}",
            row.at,
            f"{row.hours_overloaded:,.2f}",
            _spread(row.percentiles_percent, 1),
        )
        for row in document.loadings
    ]
    heads = ("element", "highest % of rating", "at", "h above", "percentiles %")
    _print(console, "loadings", *_without_empty_last(heads, loadings))
    _print(
        console,
        "energy lost by element",
        ("element", "MWh"),
        ((row.element, f"{row.loss_mwh:,.4f}") for row in document.losses),
    )


def show_hosting(document: HostingDocument, console: Console) -> None:
    """Print totals by binding kind, the smallest and largest capacities, and stations' short-circuit currents."""
    _say_question(document, console)
    if document.hours is not None and document.hours.screened:
        found = document.hours
        _say(
            console,
            f"{found.searches:,} searches in {found.searched:,} of {document.quarter_hours:,} quarter-hours; "
            f"{found.proven:,} buses proven over all of them, which found {len(found.missed)} more",
        )
    totals = (
        (row.kind, f"{row.buses:,}", _number(row.min_mw, 4), _number(row.median_mw, 4), _number(row.max_mw, 4))
        for row in document.totals
    )
    _print(console, "", ("what binds", "buses", "least MW", "median MW", "largest MW"), totals)
    if document.breaches:
        _say(console, f"outside a limit before any plant: {len(document.breaches):,}; --json lists them")
    levels = (document.registered_mw > 0, document.storage_mw > 0)
    ordered = sorted(document.buses, key=_capacity)
    _print_hosting(console, "smallest" if len(ordered) > _LISTED else "all", ordered[:_LISTED], levels)
    if len(ordered) > _LISTED:
        rest = ordered[max(_LISTED, len(ordered) - _LISTED) :]
        _print_hosting(console, "largest", rest[::-1], levels)
    if document.short_circuits is not None:
        _print_short_circuits(console, document.short_circuits)


def show_placement(document: PlacementDocument, console: Console) -> None:
    """Print percentiles, and what binds how often."""
    _say_question(document, console)
    _say(
        console,
        f"{len(document.draws):,} draws of seed {document.seed}: plants of {document.size_min_mw:g} to "
        f"{document.size_max_mw:g} MW at {document.sites:,} buses",
    )
    quantiles = ((f"P{row.percent}", f"{row.mw:,.4f}", f"{row.draws:,}") for row in document.quantiles)
    _print(console, "", ("percentile", "MW", "draws at or below"), quantiles)
    bindings = ((row.kind, row.element, f"{row.draws:,}", f"{row.median_mw:,.4f}") for row in document.bindings)
    _print(console, "what stopped the draws", ("what binds", "element", "draws", "median MW"), bindings)


def show_region(document: RegionDocument, console: Console) -> None:
    """Print the boundary."""
    _say_question(document, console)
    rows = (
        (
            f"{row.angle_degree:.1f}",
            *(_number(row.first_mw, 4), _number(row.second_mw, 4)),
            *(row.kind, row.element, row.at or ""),
        )
        for row in document.points
    )
    heads = ("degrees", f"{document.first} MW", f"{document.second} MW", "what binds", "element", "at")
    _print(console, "what both take together", heads, rows)


def show_grades(document: GradeDocument, console: Console) -> None:
    """Print the list, and what is unverified."""
    grades = ", ".join(f"{grade} {count:,}" for grade, count in document.grades.items())
    _say(console, f"{document.network}, {document.edition}: {grades}")
    rows = (
        (
            *(entry.unit, entry.kind, entry.grade, entry.limited_by, f"{entry.rated_kva:,}"),
            *(f"{entry.connected_kw:,}", f"{entry.c1_kw:,}", f"{entry.open_c2_kw:,}", _kw(entry.hosting_kw)),
        )
        for entry in document.entries
    )
    heads = ("unit", "kind", "grade", "by", "kVA", "connected kW", "C1 kW", "open C2 kW", "AC hosting kW")
    _print(console, "", heads, rows)
    for text in document.unverified:
        _say(console, f"unverified: {text}")


def _say_question(document: HostingQuestionDocument, console: Console) -> None:
    when = "nominal state"
    if document.start is not None:
        when = f"least of {document.quarter_hours:,} quarter-hours, {document.start} to {document.end}"
    _say(console, f"{document.network}, {when}{_scales(document)}, power factor {document.power_factor:g}")
    for what, power_mw in (("registered plants", document.registered_mw), ("storage charging", document.storage_mw)):
        if power_mw:
            _say(console, f"{what}: {power_mw:g} MW")


def _print_hosting(console: Console, title: str, rows: Sequence[HostingRow], levels: tuple[bool, bool]) -> None:
    """Print some buses. levels: whether the columns with registered plants and with storage are shown."""
    heads: tuple[str, ...] = ("bus", "MW", "what binds", "element", "limit", "at")
    heads += tuple(head for head, shown in zip(("with registered MW", "with storage MW"), levels, strict=True) if shown)
    body = [
        (
            *(row.bus, _number(row.capacity_mw, 4), row.kind, row.element, _limit(row), row.at or ""),
            *((_number(row.with_registered_mw, 4),) if levels[0] else ()),
            *((_number(row.with_storage_mw, 4),) if levels[1] else ()),
        )
        for row in rows
    ]
    _print(console, title, heads, body)


def _print_short_circuits(console: Console, rows: Sequence[ShortCircuitRow]) -> None:
    body = (
        (
            *(row.station, row.bus, f"{row.plant_mva:,.3f}", f"{row.without_ka:.3f}", f"{row.with_plants_ka:.3f}"),
            *(f"{row.breaker_ka:g}", row.outcome),
        )
        for row in rows
    )
    heads = ("station", "plant at", "MVA", "without kA", "with plants kA", "breaker kA", "outcome")
    _print(console, "maximum three-phase short-circuit current, IEC 60909", heads, body)


def _print(console: Console, title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = Table(title=title or None, title_justify="left")
    body = list(rows)
    for number, head in enumerate(heads):
        is_figure = all(not row[number] or row[number][0] in "-0123456789" for row in body)
        table.add_column(head, justify="right" if number and is_figure else "left", overflow="fold")
    for row in body:
        table.add_row(*(each.replace("[", r"\[") for each in row))
    console.print(table)


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _without_empty_last(
    heads: Sequence[str], rows: Sequence[Sequence[str]]
) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    if any(row[-1] for row in rows):
        return heads, rows
    return heads[:-1], [row[:-1] for row in rows]


def _capacity(row: HostingRow) -> float:
    return float("inf") if row.capacity_mw is None else row.capacity_mw


def _limit(row: HostingRow) -> str:
    return "" if row.limit is None else f"{row.limit:g} {row.limit_unit}"


def _scales(document: _Scaled) -> str:
    if document.load_scale == document.generation_scale == 1:
        return ""
    return f", load x {document.load_scale:g}, generation x {document.generation_scale:g}"


def _spread(percentiles: dict[str, float] | None, digits: int) -> str:
    if percentiles is None:
        return ""
    return ", ".join(f"P{percent} {value:.{digits}f}" for percent, value in percentiles.items())


def _mw(value: float | None) -> str:
    return f"{_number(value, 6)} MW"


def _kw(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _number(value: float | None, digits: int) -> str:
    return "no limit" if value is None else f"{value:,.{digits}f}"
