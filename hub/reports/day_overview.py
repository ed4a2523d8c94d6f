"""Page one of the day report: title, the zero, the day in eight numbers, what needs attention, four charts."""

from collections.abc import Iterator, Sequence
from typing import Any

from edge.contract.interval import iso_utc, label_of_interval, start_utc_s
from hub.reports.day_charts import exchange_chart, loading_chart, price_chart, voltage_chart
from hub.reports.day_figures import DayFigures, IntervalFigures, VoltageLimits
from hub.reports.glyphs import printable_text
from hub.reports.number_text import mean_rounded
from hub.reports.wording import Wording, count, exact_yuan, kwh, mwh, per_mille_as_percent, price, share

Document = dict[str, Any]


def overview(figures: DayFigures, words: Wording, limits: VoltageLimits | None) -> Document:
    """Return the parts of the document that the template puts on page one, and the document's own data."""
    day = figures.day
    return {
        "language": words.language.partition("-")[0],
        "region": "CN" if words.language.startswith("zh") else "GB",
        "date": [day.year, day.month, day.day],
        "date_text": day.isoformat(),
        "county": printable_text(figures.county),
        "system": words.of("app.title"),
        "title": words.say("title"),
        "running": f"{printable_text(figures.county)}  {day.isoformat()}",
        "facts": list(_facts(figures, words)),
        "zero": _zero(figures, words),
        "tiles": [*_energy_tiles(figures, words), *_market_tiles(figures, words)],
        "alerts_title": words.say("alerts"),
        "no_alerts": words.say("alertsNone"),
        "alerts": [*_money_alerts(figures, words), *_network_alerts(figures, words), *_data_alerts(figures, words)],
        "overview": [
            [price_chart(figures, words)],
            [exchange_chart(figures, words)],
            [loading_chart(figures, words), voltage_chart(figures, words, limits)],
        ],
        "footer": words.say("footer"),
    }


def _facts(figures: DayFigures, words: Wording) -> Iterator[str]:
    yield words.say("factCounty", county=printable_text(figures.county))
    if figures.published_by is not None:
        who = figures.published_by.operator
        yield words.say("factOperator", operator=printable_text(who.operator_id), signing=printable_text(who.key_id))
    begins = iso_utc(start_utc_s(figures.first))[11:16]
    ends = label_of_interval(figures.last)
    yield words.say("factIntervals", count=count(len(figures.intervals)), begins=begins, ends=ends)
    yield words.say("factPoints", count=count(figures.metering_points))
    yield words.say("factGateways", count=count(figures.gateways))
    yield words.say("factParticipants", count=count(figures.participants))


def _zero(figures: DayFigures, words: Wording) -> Document:
    residual, accounts = figures.residual_nano_yuan, sum(account.accounts for account in figures.accounts)
    holds = residual == 0 and bool(figures.accounts)
    return {
        "holds": holds,
        "value": words.say("zeroValue", residual=count(residual)),
        "verdict": words.say("zeroHolds" if holds else "zeroBroken"),
        "text": words.say("zeroText", accounts=count(accounts)),
    }


def _tile(name: str, value: str, unit: str, note: str, *, bad: bool = False) -> Document:
    return {"name": name, "value": f"▲ {value}" if bad else value, "unit": unit, "note": note, "bad": bad}


def _energy_tiles(figures: DayFigures, words: Wording) -> Iterator[Document]:
    energy, province = figures.energy_wh, figures.province
    unit = words.of("units.mwh")
    discharge, charge = mwh(energy["discharge_wh"]), mwh(energy["charge_wh"])
    yield _tile(
        words.say("generation_wh"), mwh(energy["generation_wh"]), unit, words.say("tileDischarge", mwh=discharge)
    )
    yield _tile(words.say("load_wh"), mwh(energy["load_wh"]), unit, words.say("tileCharge", mwh=charge))
    scheduled = words.say("tileScheduled", mwh=mwh(province.scheduled_import_wh))
    yield _tile(words.say("gateway_import_wh"), mwh(energy["gateway_import_wh"]), unit, scheduled)
    scheduled = words.say("tileScheduled", mwh=mwh(province.scheduled_export_wh))
    yield _tile(words.say("gateway_export_wh"), mwh(energy["gateway_export_wh"]), unit, scheduled)


def _market_tiles(figures: DayFigures, words: Wording) -> Iterator[Document]:
    energy = figures.energy_wh
    supplied_wh = energy["gateway_import_wh"] + energy["generation_wh"] + energy["discharge_wh"]
    loss_share = words.say("tileLossShare", share=share(energy["loss_wh"], supplied_wh))
    is_negative = energy["loss_wh"] < 0
    yield _tile(words.say("loss_wh"), mwh(energy["loss_wh"]), words.of("units.mwh"), loss_share, bad=is_negative)
    traded = [mode for mode in figures.modes if mode.mode]
    local_wh = sum(mode.energy_wh - mode.exported_wh for mode in traded)
    local_share = words.say("tileLocalShare", share=share(local_wh, sum(mode.energy_wh for mode in traded)))
    yield _tile(words.say("tileLocal"), mwh(local_wh), words.of("units.mwh"), local_share)
    prices = [one.root_price_uyuan_per_kwh for one in figures.intervals if one.root_price_uyuan_per_kwh is not None]
    mean = price(mean_rounded(sum(prices), len(prices)), digits=4)
    lowest, highest = price(min(prices, default=None), digits=4), price(max(prices, default=None), digits=4)
    extremes = words.say("tileExtremes", lowest=lowest, highest=highest)
    yield _tile(words.say("tilePrice"), mean, words.of("units.price"), extremes)
    before, after, metered = (_broken(figures.intervals, stage)[0] for stage in ("expected", "cleared", "metered"))
    note = words.say("tileMetered", count=count(metered))
    yield _tile(words.say("tileViolations"), f"{count(before)} → {count(after)}", "", note, bad=after > 0)


def _broken(intervals: Sequence[IntervalFigures], stage: str) -> tuple[int, int]:
    """Return how many limits were broken in a stage, and in how many intervals."""
    counts = [getattr(one, f"violations_{stage}") or 0 for one in intervals]
    return sum(counts), sum(1 for one in counts if one)


def _money_alerts(figures: DayFigures, words: Wording) -> Iterator[str]:
    if figures.residual_nano_yuan:
        yield words.say("alertResidual", residual=count(figures.residual_nano_yuan))
    differing = sum(1 for one in figures.accounts if one.ledger_nano_yuan != one.independent_nano_yuan)
    if differing:
        yield words.say("alertIndependent", count=count(differing))
    unsettled = len(figures.intervals) - figures.settled
    if unsettled:
        yield words.say("alertUnsettled", count=count(unsettled))
    ours, theirs = figures.province.ledger_nano_yuan, figures.province.province_nano_yuan
    if ours is not None and theirs is not None and ours != theirs:
        cell = exact_yuan(theirs - ours)
        yield words.say("alertProvince", yuan=cell if isinstance(cell, str) else cell["text"] + cell["fine"])
    breaches = sum(len(law.breaches) for law in figures.laws)
    if breaches:
        laws = ", ".join(str(law.law) for law in figures.laws if law.breaches)
        yield words.say("alertLaws", count=count(breaches), laws=laws)


def _network_alerts(figures: DayFigures, words: Wording) -> Iterator[str]:
    cleared, intervals = _broken(figures.intervals, "cleared")
    if cleared:
        yield words.say("alertCleared", count=count(cleared), intervals=count(intervals))
    metered, intervals = _broken(figures.intervals, "metered")
    if metered:
        excess = max((one.excess_per_mille for one in figures.violations if one.stage == "metered"), default=0)
        yield words.say(
            "alertMetered", count=count(metered), intervals=count(intervals), excess=per_mille_as_percent(excess)
        )
    unanswered = sum(one.refused + one.open for one in figures.setpoints)
    if unanswered:
        yield words.say("alertSetpoints", count=count(unanswered))
    if figures.limited:
        unsold = mwh(sum(one.unsold_wh for one in figures.limited))
        curtailed = kwh(sum(one.curtailed_wh for one in figures.limited))
        yield words.say("alertLimited", count=count(len(figures.limited)), unsold=unsold, curtailed=curtailed)


def _data_alerts(figures: DayFigures, words: Wording) -> Iterator[str]:
    if figures.meters_unread:
        yield words.say("alertUnread", count=count(figures.meters_unread))
    estimated = sum(one.registers for one in figures.gap_rules)
    if estimated:
        yield words.say("alertGaps", count=count(estimated), gateways=count(len(figures.gap_gateways)))
    refused = sum(one.distinct for one in figures.refused)
    if refused:
        yield words.say("alertRefused", count=count(refused))
