"""The sections of the day report behind page one: tables and charts, each with its unit and a note on what it says."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from edge.contract.interval import end_utc_s, iso_utc, label_of_interval
from grid_models.capacity_list import CapacityEntry
from grid_models.standard_2041 import Grade
from hub.reports.day_charts import loss_chart, mode_chart, violation_chart
from hub.reports.day_figures import STAGES, AccountFigures, DayFigures, GapFigures, IntervalFigures, VoltageLimits
from hub.reports.day_overview import overview
from hub.reports.glyphs import printable_text, texts_of
from hub.reports.number_text import mean_rounded
from hub.reports.read_day import seen_between_utc_s
from hub.reports.reason_sections import green_blocks, reason_blocks
from hub.reports.wording import (
    NO_DATA,
    Cell,
    Wording,
    bad_if,
    count,
    exact_yuan,
    kwh,
    mwh,
    per_mille_as_percent,
    per_unit,
    percent_of_mpercent,
    price,
    share,
    yuan_of_fen,
)

Document = dict[str, Any]

ROWS_SHOWN = 15
BREACHES_SHOWN = 20
TIGHTEST_SHOWN = 8
WHOLE_ROWS_MAX, WHOLE_CHARACTERS_MAX = 24, 2500
"""A table up to this size is never broken over pages."""
NEW_PAGES = frozenset({"intervals"})
NARROW_PERCENT, WIDE_PERCENT = 62, 85
"""Widths of tables of few columns, so that the eye finds the number that belongs to a name."""
GRADES = tuple(grade.value for grade in Grade)
ACCOUNT_ORDER = (
    *("PROSUMER", "MICROGRID_OPERATOR", "INDEPENDENT_DG_DEVELOPER", "DSO_OWN_GENERATION", "USERS"),
    *("D_sup", "D_net", "operator", "province", "upper_grid", "loss_fund", "congestion", "rounding"),
    *("system-items", "government-funds"),
)


def day_document(figures: DayFigures, language: str, limits: VoltageLimits | None) -> Document:
    """Return the whole document of the day in one language, as templates/day.typ reads it.

    :param limits: the voltage band to draw; without it the chart has no limits and no state without control
    """
    words = Wording(language)
    sections: tuple[tuple[str, Callable[[DayFigures, Wording], Iterator[Document]]], ...] = (
        ("energy", _energy),
        ("modes", _modes),
        ("green", _green),
        ("accounts", _accounts),
        ("limits", _limits),
        ("limited", _limited),
        ("data", _data),
        ("laws", _laws),
        ("hosting", _hosting),
        ("intervals", _intervals),
        ("why", _why),
        ("provenance", _provenance),
    )
    return {
        **overview(figures, words, limits),
        "sections": [
            {
                "title": words.say(name),
                "note": words.say(f"{name}Note"),
                "new_page": name in NEW_PAGES,
                "blocks": list(make(figures, words)),
            }
            for name, make in sections
        ],
    }


def _table(
    columns: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    *,
    words: Wording,
    title: str = "",
    note: str = "",
    texts: Sequence[int] = (0,),
    total: bool = False,
    small: bool = False,
    width: int = 100,
    wide: Sequence[int] = (),
) -> Document:
    """Return a table. texts: columns of words, at the left. total: whether the last row is one.

    width: percent of the page's. wide: columns that share what room is left, by default the first of words.
    """
    return {
        "kind": "table",
        "title": title,
        "note": note,
        "columns": [
            {"name": name, "right": position not in texts, "wide": position in (wide or texts[:1])}
            for position, name in enumerate(columns)
        ],
        "rows": [list(row) for row in rows],
        "empty": words.of("common.none"),
        "total": total and bool(rows),
        "small": small,
        "whole": len(rows) <= WHOLE_ROWS_MAX and sum(len(text) for text in texts_of(rows)) <= WHOLE_CHARACTERS_MAX,
        "width": width,
    }


def _row(*blocks: Document, weights: Sequence[int] = (1, 1)) -> Document:
    """Return two blocks side by side, their widths by weight."""
    return {"kind": "row", "blocks": list(blocks), "weights": list(weights)}


def _chart(chart: Document) -> Document:
    return {"kind": "chart", **chart}


def _energy(figures: DayFigures, words: Wording) -> Iterator[Document]:
    energy = figures.energy_wh
    unit = words.of("units.mwh")
    sides = (("supplied", ("generation_wh", "gateway_import_wh", "discharge_wh")),
             ("used", ("load_wh", "gateway_export_wh", "charge_wh", "loss_wh")))  # fmt: skip
    tables = []
    for side, names in sides:
        total_wh = sum(energy[name] for name in names)
        rows: list[list[Cell]] = [
            [words.say(name), bad_if(energy[name] < 0, mwh(energy[name])), share(energy[name], total_wh)]
            for name in names
        ]
        rows.append([words.of("common.total"), mwh(total_wh), share(total_wh, total_wh)])
        columns = (words.say(side), unit, words.of("units.percent"))
        tables.append(_table(columns, rows, words=words, total=True))
    yield _row(*tables)
    yield _gateway_table(figures, words)
    yield _chart(loss_chart(figures, words))


def _gateway_table(figures: DayFigures, words: Wording) -> Document:
    """Return the three reconciliations: schedule against meter, money by both sides, loss by registers and by AC."""
    province, unit = figures.province, words.of("units.mwh")
    losses = [one.loss_wh for one in figures.intervals if one.loss_wh is not None]
    computed = [one.ac_loss_wh for one in figures.intervals if one.ac_loss_wh is not None]
    ours, theirs = province.ledger_nano_yuan, province.province_nano_yuan
    money = None if ours is None or theirs is None else ours - theirs
    rows: list[list[Cell]] = [
        _compared(
            words, "gateway_import_wh", ("scheduled", "metered"), province.scheduled_import_wh, province.import_wh
        ),
        _compared(
            words, "gateway_export_wh", ("scheduled", "metered"), province.scheduled_export_wh, province.export_wh
        ),
        _compared(words, "loss_wh", ("lossComputed", "lossRegisters"), sum(computed), sum(losses)),
        [
            f"{words.say('provinceMoney')} ({words.of('units.yuan')})",
            words.say("byProvince"),
            exact_yuan(theirs),
            words.say("byLedger"),
            exact_yuan(ours),
            exact_yuan(money),
        ],
    ]
    name, first, second = words.say("quantity"), words.say("oneSide"), words.say("otherSide")
    columns = (name, first, unit, second, unit, words.say("difference"))
    return _table(
        columns, rows, words=words, title=words.say("reconciled"), note=words.say("reconciledNote"), texts=(0, 1, 3)
    )


def _compared(words: Wording, name: str, sides: tuple[str, str], one_wh: int, other_wh: int) -> list[Cell]:
    one, other = (words.say(side) for side in sides)
    return [words.say(name), one, mwh(one_wh), other, mwh(other_wh), mwh(other_wh - one_wh)]


def _modes(figures: DayFigures, words: Wording) -> Iterator[Document]:
    yield _chart(mode_chart(figures, words))
    total_wh = sum(mode.energy_wh for mode in figures.modes)
    rows: list[list[Cell]] = []
    for mode in figures.modes:
        paid, received = mode.paid_nano_yuan, mode.received_nano_yuan
        spread = mean_rounded(paid - received, mode.energy_wh)
        rows.append([
            words.of(f"modes.{mode.mode}"), count(mode.pairs), mwh(mode.energy_wh), share(mode.energy_wh, total_wh),
            mwh(mode.exported_wh), price(mean_rounded(paid, mode.energy_wh)),
            price(mean_rounded(received, mode.energy_wh)), price(spread),
        ])  # fmt: skip
    sums = [sum(getattr(mode, name) for mode in figures.modes) for name in
            ("pairs", "exported_wh", "paid_nano_yuan", "received_nano_yuan")]  # fmt: skip
    rows.append([
        words.of("common.total"), count(sums[0]), mwh(total_wh), share(total_wh, total_wh), mwh(sums[1]),
        price(mean_rounded(sums[2], total_wh)), price(mean_rounded(sums[3], total_wh)),
        price(mean_rounded(sums[2] - sums[3], total_wh)),
    ])  # fmt: skip
    names = ("mode", "pairs", "volume", "sharePercent", "exportedVolume", "pricePaid", "priceReceived", "priceSpread")
    yield _table([words.say(name) for name in names], rows, words=words, total=True)
    yield _price_table(figures, words)


def _price_table(figures: DayFigures, words: Wording) -> Document:
    rows: list[list[Cell]] = []
    for key, name in (
        ("clearingPrice", "root_price"),
        ("indicativePrice", "indicative"),
        ("realTimePrice", "real_time"),
    ):
        known = [
            (value, one.label)
            for one in figures.intervals
            if (value := getattr(one, f"{name}_uyuan_per_kwh")) is not None
        ]
        lowest, highest = min(known, default=None), max(known, default=None, key=lambda pair: pair[0])
        mean = mean_rounded(sum(value for value, _ in known), len(known))
        below = sum(1 for value, _ in known if value < 0)
        cells = [price(mean), *_extreme(lowest), *_extreme(highest), count(below)]
        rows.append([words.say(key), *cells])
    names = ("priceUnit", "mean", "lowest", "at", "highest", "at", "negativePrices")
    return _table(
        [words.say(name) for name in names], rows, words=words, title=words.say("prices"), note=words.say("pricesNote")
    )


def _extreme(found: tuple[int, str] | None) -> tuple[str, str]:
    return (NO_DATA, NO_DATA) if found is None else (price(found[0]), found[1])


def _accounts(figures: DayFigures, words: Wording) -> Iterator[Document]:
    order = {name: position for position, name in enumerate(ACCOUNT_ORDER)}
    accounts = sorted(figures.accounts, key=lambda one: (order.get(one.name, len(order)), one.name))
    rows = [_account_row(words.named("accounts", one.name), one, words) for one in accounts]
    issued = [one for one in accounts if one.statement_fen is not None]
    total = AccountFigures(
        name="",
        accounts=sum(one.accounts for one in accounts),
        ledger_nano_yuan=figures.residual_nano_yuan,
        independent_nano_yuan=sum(one.independent_nano_yuan for one in accounts),
        statement_fen=sum(one.statement_fen or 0 for one in issued) if issued else None,
        rounding_nano_yuan=sum(one.rounding_nano_yuan or 0 for one in issued) if issued else None,
    )
    rows.append(_account_row(words.of("common.sum"), total, words))
    names = ("account", "accountCount", "ledger", "independent", "statement", "rounding")
    yield _table([words.say(name) for name in names], rows, words=words, total=True)
    flows: list[list[Cell]] = [
        [words.named("lines", flow.kind), mwh(flow.energy_wh), exact_yuan(flow.amount_nano_yuan)]
        for flow in figures.flows
    ]
    columns = [words.say(name) for name in ("flow", "volume", "yuan")]
    yield {"kind": "heading", "title": words.say("flows"), "note": words.say("flowsNote")}
    half = -(-len(flows) // 2)
    halves = [_table(columns, rows, words=words) for rows in (flows[:half], flows[half:])]
    yield _row(*halves) if flows else halves[0]


def _account_row(name: str, account: AccountFigures, words: Wording) -> list[Cell]:
    difference = account.independent_nano_yuan - account.ledger_nano_yuan
    return [
        name,
        count(account.accounts),
        exact_yuan(account.ledger_nano_yuan),
        bad_if(difference != 0, words.say("nanoYuan", count=count(difference))) if difference else "0",
        yuan_of_fen(account.statement_fen),
        exact_yuan(account.rounding_nano_yuan),
    ]


def _limits(figures: DayFigures, words: Wording) -> Iterator[Document]:
    yield _chart(violation_chart(figures, words))
    found = {(one.stage, one.kind): one for one in figures.violations}
    rows: list[list[Cell]] = []
    for kind in sorted({one.kind for one in figures.violations}):
        cells: list[Cell] = []
        for stage in STAGES:
            one = found.get((stage, kind))
            shown = (
                ("0", NO_DATA) if one is None else (count(one.violations), per_mille_as_percent(one.excess_per_mille))
            )
            cells += [bad_if(stage == "cleared" and one is not None, shown[0]), shown[1]]
        rows.append([words.named("violations", kind), *cells])
    totals = [sum(one.violations for one in figures.violations if one.stage == stage) for stage in STAGES]
    if rows:
        rows.append([words.of("common.total"), *(cell for total in totals for cell in (count(total), ""))])
    columns = [words.say("limitKind")]
    for stage in STAGES:
        columns += [words.say(f"stage_{stage}"), words.say("worstExcess")]
    yield _table(
        columns, rows, words=words, title=words.say("violationKinds"), note=words.say("violationKindsNote"), total=True
    )
    yield {
        "kind": "row",
        "weights": [7, 5],
        "blocks": [_violated_table(figures, words), _binding_table(figures, words)],
    }


def _violated_table(figures: DayFigures, words: Wording) -> Document:
    shown = figures.violated[:ROWS_SHOWN]
    rows: list[list[Cell]] = [
        [printable_text(one.element), one.unit, words.named("violations", one.kind), count(one.intervals),
         per_mille_as_percent(one.excess_per_mille)]
        for one in shown
    ]  # fmt: skip
    columns = [words.say(name) for name in ("element", "unit", "limitKind", "intervalCount", "worstExcess")]
    title = words.say("violated", shown=count(len(shown)), count=count(len(figures.violated)))
    return _table(columns, rows, words=words, title=title, texts=(0, 1, 2))


def _binding_table(figures: DayFigures, words: Wording) -> Document:
    shown = figures.binding[:ROWS_SHOWN]
    rows: list[list[Cell]] = [
        [f"{one.unit} {words.named('kinds', one.kind)}", count(one.intervals), kwh(one.flow_max_wh),
         price(one.shadow_uyuan_per_kwh)]
        for one in shown
    ]  # fmt: skip
    columns = [words.say(name) for name in ("unit", "intervalCount", "flowUp", "shadow")]
    title = words.say("binding", shown=count(len(shown)), count=count(len(figures.binding)))
    return _table(columns, rows, words=words, title=title, note=words.say("bindingNote"))


def _limited(figures: DayFigures, words: Wording) -> Iterator[Document]:
    setpoints: list[list[Cell]] = [
        [words.named("causes", one.cause), count(one.setpoints), count(one.ok),
         bad_if(one.refused > 0, count(one.refused)), bad_if(one.open > 0, count(one.open))]
        for one in figures.setpoints
    ]  # fmt: skip
    columns = [words.say(name) for name in ("cause", "setpoints", "answeredOk", "answeredOther", "unanswered")]
    cuts: list[list[Cell]] = [
        [
            words.named("causes", one.cause),
            count(one.intervals),
            count(one.meters),
            count(one.cuts),
            kwh(one.curtailed_wh),
        ]
        for one in figures.curtailments
    ]
    cut_columns = [words.say(name) for name in ("rule", "intervalCount", "meters", "cuts", "curtailedKwh")]
    yield _row(
        _table(columns, setpoints, words=words, title=words.say("setpointsTitle")),
        _table(cut_columns, cuts, words=words, title=words.say("curtailmentsTitle")),
    )
    yield _classes_table(figures, words)
    shown = figures.limited[:ROWS_SHOWN]
    rows: list[list[Cell]] = [
        [one.participant, words.named("accounts", one.participant_class or "USERS"), one.meter, one.unit,
         count(one.setpoints), kwh(one.unsold_wh), kwh(one.curtailed_wh)]
        for one in shown
    ]  # fmt: skip
    names = ("participant", "class", "meter", "unit", "setpoints", "unsoldKwh", "curtailedKwh")
    title = words.say("limitedTitle", shown=count(len(shown)), count=count(len(figures.limited)))
    yield _table(
        [words.say(name) for name in names],
        rows,
        words=words,
        title=title,
        texts=range(4),
        wide=(1,),
        width=WIDE_PERCENT,
    )


def _classes_table(figures: DayFigures, words: Wording) -> Document:
    sums: dict[str, list[int]] = {}
    for one in figures.limited:
        row = sums.setdefault(one.participant_class or "USERS", [0, 0, 0, 0])
        for position, value in enumerate((1, one.setpoints, one.unsold_wh, one.curtailed_wh)):
            row[position] += value
    ordered = sorted(sums.items(), key=lambda item: (-item[1][2] - item[1][3], item[0]))
    rows: list[list[Cell]] = [
        [words.named("accounts", name), count(row[0]), count(row[1]), kwh(row[2]), kwh(row[3])] for name, row in ordered
    ]
    total = [sum(row[position] for row in sums.values()) for position in range(4)]
    if rows:
        rows.append([words.of("common.total"), count(total[0]), count(total[1]), kwh(total[2]), kwh(total[3])])
    columns = [words.say(name) for name in ("class", "meters", "setpoints", "unsoldKwh", "curtailedKwh")]
    return _table(columns, rows, words=words, title=words.say("classesTitle"), total=True, width=NARROW_PERCENT)


def _data(figures: DayFigures, words: Wording) -> Iterator[Document]:
    orders: list[list[Cell]] = [
        [words.of(f"sides.{one.side}"), count(one.accepted), count(one.rejected), mwh(one.offered_wh),
         mwh(one.filled_wh), share(one.filled_wh, one.offered_wh)]
        for one in figures.orders
    ]  # fmt: skip
    names = ("orders", "ordersAccepted", "ordersRejected", "offered", "filled", "filledShare")
    yield _table(
        [words.say(name) for name in names], orders, words=words, title=words.say("ordersTitle"), width=NARROW_PERCENT
    )
    window = {
        name: iso_utc(at)[:16].replace("T", " ") for name, at in seen_between_utc_s(figures.first, figures.last).items()
    }
    refused: list[list[Cell]] = [
        [words.named("refused", one.kind), words.named("reasons", one.reason), count(one.distinct), count(one.times)]
        for one in figures.refused
    ]
    yield _table(
        [words.say(name) for name in ("refusedKind", "reason", "distinct", "times")],
        refused,
        words=words,
        title=words.say("refusedTitle"),
        note=words.say("refusedNote", **window),
        texts=(1, 0),
        width=WIDE_PERCENT,
    )
    by_rule = _gap_rows(figures.gap_rules, lambda rule: words.named("report", f"rule-{rule}"))
    by_gateway = _gap_rows(figures.gap_gateways[:ROWS_SHOWN], printable_text)
    columns = [words.say(name) for name in ("registers", "meters", "intervalCount")]
    rules = _table(
        [words.say("rule"), *columns], by_rule, words=words, title=words.say("gapsTitle"), note=words.say("gapsNote")
    )
    shown, all_gateways = count(len(by_gateway)), count(len(figures.gap_gateways))
    title = words.say("gapGateways", shown=shown, count=all_gateways)
    gateways = _table([words.say("gateway"), *columns], by_gateway, words=words, title=title)
    yield _row(rules, gateways) if by_gateway else rules


def _gap_rows(gaps: Sequence[GapFigures], name_of: Callable[[str], str]) -> list[list[Cell]]:
    return [[name_of(one.name), count(one.registers), count(one.meters), count(one.intervals)] for one in gaps]


def _laws(figures: DayFigures, words: Wording) -> Iterator[Document]:
    rows: list[list[Cell]] = [
        [words.named("report", f"law{one.law}"), bad_if(one.checked == 0, count(one.checked)),
         bad_if(bool(one.breaches), count(len(one.breaches)))]
        for one in figures.laws
    ]  # fmt: skip
    columns = [words.say(name) for name in ("law", "checked", "breaches")]
    yield _table(columns, rows, words=words, width=NARROW_PERCENT)
    breaches = [(law.law, *breach) for law in figures.laws for breach in law.breaches]
    shown: list[list[Cell]] = [
        [printable_text(f"{place}: {what}"), str(law), label_of_interval(interval)]
        for law, interval, place, what in breaches[:BREACHES_SHOWN]
    ]
    if shown:
        title = words.say("breachesTitle", shown=count(len(shown)), count=count(len(breaches)))
        yield _table([words.say(name) for name in ("what", "law", "interval")], shown, words=words, title=title)


def _hosting(figures: DayFigures, words: Wording) -> Iterator[Document]:
    units, omitted = figures.hosting.units, figures.hosting.omitted
    kinds = dict.fromkeys(one.kind for one in units)
    of_kind = {kind: [one.grade for one in units if one.kind == kind] for kind in kinds}
    rows: list[list[Cell]] = [[words.named("kinds", kind), *_grade_counts(found)] for kind, found in of_kind.items()]
    if rows:
        rows.append([words.of("common.total"), *_grade_counts([one.grade for one in units])])
    title = (
        words.say("hostingGrades", at=units[0].assessed_at[:16].replace("T", " "), edition=units[0].edition)
        if (units)
        else words.of("hosting.none")
    )
    columns = [words.say("unitKind"), *(words.of(f"grades.{grade}") for grade in GRADES)]
    note = words.say("hostingOmitted", reason=words.named("hostingOmissions", omitted)) if omitted else ""
    yield _table(columns, rows, words=words, title=title, note=note, total=True, width=NARROW_PERCENT)
    if units:
        yield _tightest_table(units, words)


def _grade_counts(grades: Sequence[str]) -> list[Cell]:
    return [bad_if(grade == "red" and grade in grades, count(grades.count(grade))) for grade in GRADES]


def _tightest_table(units: Sequence[CapacityEntry], words: Wording) -> Document:
    """Return the units whose edges carried most reverse power of their rating, most first."""
    known = [one for one in units if one.reverse_load_mpercent is not None]
    shown = sorted(known, key=lambda one: -(one.reverse_load_mpercent or 0))[:TIGHTEST_SHOWN]
    rows: list[list[Cell]] = [
        [f"{one.unit} {words.named('kinds', one.kind)}", words.named("grades", one.grade), one.limited_by,
         bad_if(bool(one.reverse_alert), percent_of_mpercent(one.reverse_load_mpercent)), count(one.c1_kw),
         count(one.c2_kw), count(one.open_c1_kw), count(one.hosting_kw)]
        for one in shown
    ]  # fmt: skip
    columns = [words.say("unit"), words.of("hosting.grade"), words.of("hosting.limitedShort")]
    columns.append(words.of("hosting.reverse_load_mpercent"))
    powers = ("c1Short", "c2Short", "openC1Short", "hostingShort")
    columns += [f"{words.of(f'hosting.{name}')} {words.of('units.kw')}" for name in powers]
    title = words.say("hostingTightest", shown=count(len(shown)), count=count(len(units)))
    return _table(columns, rows, words=words, title=title, texts=(0, 1, 2))


def _intervals(figures: DayFigures, words: Wording) -> Iterator[Document]:
    names = (
        "interval", "columnRoot", "columnIndicative", "columnRealTime", "columnImport", "columnExport", "columnTraded",
        "columnLoss", "columnViolations", "columnSetpoints", "columnCurtailed", "columnVoltage", "columnLoading",
    )  # fmt: skip
    rows = [_interval_row(one) for one in figures.intervals]
    yield _table(
        [words.say(name) for name in names], rows, words=words, small=True, wide=(names.index("columnViolations"),)
    )


def _interval_row(one: IntervalFigures) -> list[Cell]:
    stages = (one.violations_expected, one.violations_cleared, one.violations_metered)
    traded_wh = one.mode_1_wh + one.mode_2_wh + one.mode_3_wh + one.mode_0_wh
    return [
        one.label,
        price(one.root_price_uyuan_per_kwh, digits=4),
        price(one.indicative_uyuan_per_kwh, digits=4),
        price(one.real_time_uyuan_per_kwh, digits=4),
        kwh(one.import_wh),
        kwh(one.export_wh),
        kwh(traded_wh),
        kwh(one.loss_wh),
        bad_if(bool(one.violations_cleared), " / ".join(count(stage) for stage in stages)),
        count(one.setpoints),
        kwh(one.curtailed_wh),
        per_unit(one.vm_max_metered_upu),
        percent_of_mpercent(one.loading_metered_mpercent),
    ]


def _why(figures: DayFigures, words: Wording) -> Iterator[Document]:
    yield from reason_blocks(figures.reasons, words, _table)


def _green(figures: DayFigures, words: Wording) -> Iterator[Document]:
    yield from green_blocks(figures.green, words, _table)


def _provenance(figures: DayFigures, words: Wording) -> Iterator[Document]:
    given = figures.provenance
    rows: list[list[Cell]] = [
        [words.say("registrySha256"), given.registry_sha256 or NO_DATA],
        [words.say("inputHash"), given.input_hash or NO_DATA],
        [words.say("priceRule"), printable_text(", ".join(given.price_rules)) or NO_DATA],
        [words.say("method"), printable_text(", ".join(given.methods)) or NO_DATA],
        [words.say("ruleVersions"), printable_text(", ".join(given.rule_versions)) or NO_DATA],
        [words.say("writtenFor"), iso_utc(end_utc_s(figures.last))],
    ]
    yield _table((words.say("quantity"), words.say("value")), rows, words=words, texts=(1, 0))
