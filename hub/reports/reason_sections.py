"""Two sections of the day report: why each interval's price is what it is, and green energy."""

from collections.abc import Callable, Iterator
from typing import Any

from hub.market.price_reason import PriceReason
from hub.market.trades import Party
from hub.reports.glyphs import printable_text
from hub.reports.reason_figures import GreenFigures, IntervalReason
from hub.reports.wording import NO_DATA, Cell, Wording, bad_if, count, kwh, mwh, price, share

Document = dict[str, Any]
MakeTable = Callable[..., Document]

PLANTS_SHOWN = 15
ELEMENTS_SHOWN = 2


def reason_blocks(reasons: tuple[IntervalReason, ...], words: Wording, table: MakeTable) -> Iterator[Document]:
    """Yield the table of the reasons, one row an interval."""
    names = ("interval", "columnRoot", "columnWhy", "columnApart", "columnShadow", "columnAsked", "columnMethod")
    rows = [_reason_row(one, words) for one in reasons]
    yield table([words.say(name) for name in names], rows, words=words, small=True, texts=(0, 2, 5, 6), wide=(2, 5))


def _reason_row(one: IntervalReason, words: Wording) -> list[Cell]:
    why: Cell = NO_DATA
    if one.reason is not None:
        name = words.of(f"priceReasons.{one.reason.value}")
        why = bad_if(one.reason is PriceReason.UNEXPLAINED, name)
    shown = [
        f"{printable_text(each.element)} ({words.named('coverages', each.coverage)})"
        for each in one.asked[:ELEMENTS_SHOWN]
    ]
    if len(one.asked) > ELEMENTS_SHOWN:
        shown.append(words.say("andMore", count=count(len(one.asked) - ELEMENTS_SHOWN)))
    return [
        one.label,
        price(one.root_price_uyuan_per_kwh, digits=4),
        why,
        count(one.units_apart),
        price(one.shadow_uyuan_per_kwh, digits=4),
        ", ".join(shown) or NO_DATA,
        words.named("methods", one.method) if one.method else NO_DATA,
    ]


def green_blocks(green: GreenFigures, words: Wording, table: MakeTable) -> Iterator[Document]:
    """Yield attributes by mode and buyer, and the plants' accounts of certificates."""
    total_wh = sum(one.delivered_wh for one in green.volumes)
    rows: list[list[Cell]] = [
        [
            words.of(f"modes.{one.mode}"),
            words.named("parties", Party(one.buyer_party).name),
            mwh(one.bound_wh),
            mwh(one.delivered_wh),
            share(one.delivered_wh, total_wh),
        ]
        for one in green.volumes
    ]
    if rows:
        rows.append(
            [words.of("common.total"), "", mwh(green.energy.bound_wh), mwh(total_wh), share(total_wh, total_wh)]
        )
    names = ("mode", "greenBuyer", "greenBound", "greenDelivered", "sharePercent")
    yield table(
        [words.say(name) for name in names],
        rows,
        words=words,
        title=words.say("greenVolumes", generation=mwh(green.energy.generation_wh)),
        texts=(0, 1),
        total=True,
    )
    yield _plants_table(green, words, table)


def _plants_table(green: GreenFigures, words: Wording, table: MakeTable) -> Document:
    shown = sorted(green.plants, key=lambda one: (-one.month_generation_wh, one.meter))[:PLANTS_SHOWN]
    rows: list[list[Cell]] = [
        [
            one.participant,
            one.meter,
            one.unit,
            kwh(one.generation_wh),
            kwh(one.delivered_wh),
            kwh(one.month_generation_wh),
            kwh(one.carried_in_wh),
            count(one.certificates),
            kwh(one.carried_out_wh),
        ]
        for one in shown
    ]
    if rows:
        sums = [
            sum(getattr(one, name) for one in green.plants)
            for name in ("generation_wh", "delivered_wh", "month_generation_wh", "carried_in_wh", "carried_out_wh")
        ]
        whole = count(sum(one.certificates for one in green.plants))
        rows.append([words.of("common.total"), "", "", *(kwh(one) for one in sums[:4]), whole, kwh(sums[4])])
    names = (
        *("participant", "meter", "unit", "greenGenerated", "greenDeliveredKwh", "greenMonth", "greenCarriedIn"),
        *("certificates", "greenCarriedOut"),
    )
    title = words.say("greenPlants", shown=count(len(shown)), count=count(len(green.plants)))
    return table(
        [words.say(name) for name in names], rows, words=words, title=title, texts=(0, 1, 2), total=True, small=True
    )
