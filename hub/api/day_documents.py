"""A day's summaries as documents: columns for the charts, sums, and the overview of the running day."""

from collections.abc import Sequence
from datetime import date

from sqlmodel import Session

from edge.contract.interval import (
    day_of_interval,
    end_utc_s,
    interval_from_utc_s,
    iso_utc,
    label_of_interval,
    start_utc_s,
)
from hub.api.amounts import yuan_text_from_nano_yuan
from hub.api.context import ApiContext
from hub.api.documents import DataState, DayTotals, IntervalName, Overview, Series, interval_document
from hub.store.counters import read_counters
from hub.store.read_days import IntervalSummary, ModeVolume, intervals_of_day, read_newest_interval
from hub.store.read_running import (
    GatewayState,
    read_gateway_states,
    read_refusal_reasons,
    read_registry_counts,
)


def shown_day(session: Session, now_utc_s: int) -> date:
    """Return the day that is shown if none is asked for: that of the newest interval, else that of the hub's time.

    At the very end of a day the hub's time is the first instant of the next one, of which there is nothing to see.
    """
    newest = read_newest_interval(session)
    return day_of_interval(interval_from_utc_s(now_utc_s) if newest is None else newest)


def overview_document(context: ApiContext, session: Session, day: date) -> Overview:
    """Return the overview of the day."""
    now_utc_s = context.now_utc_s()
    intervals = intervals_of_day(day)
    summaries = context.summaries.read(session, intervals)
    current = interval_from_utc_s(now_utc_s)
    cleared = [one for one in summaries if one.stage in {"cleared", "settled"}]
    settled = [one for one in summaries if one.stage == "settled"]
    registry = read_registry_counts(session)
    return Overview(
        county=registry.county,
        day=day.isoformat(),
        now_utc_s=now_utc_s,
        now=iso_utc(now_utc_s),
        current=interval_name(current) if current in intervals else None,
        last_cleared=interval_document(cleared[-1]) if cleared else None,
        last_settled=interval_document(settled[-1]) if settled else None,
        series=series_document(summaries),
        totals=totals_document(summaries),
        limits=context.limits,
        data=data_document(read_gateway_states(session), now_utc_s, context.data_age_limit_s),
        refused=read_refusal_reasons(session),
        counters=dict(sorted(read_counters(session).items())),
        registry=registry,
    )


def interval_name(interval: int) -> IntervalName:
    """Return the interval with its label and ends."""
    return IntervalName(
        interval=interval,
        label=label_of_interval(interval),
        starts_at=iso_utc(start_utc_s(interval)),
        ends_at=iso_utc(end_utc_s(interval)),
    )


def series_document(summaries: Sequence[IntervalSummary]) -> Series:
    """Return the summaries in columns; the network's values are metered ones where there are any, else expected."""
    states = [one.metered or one.expected for one in summaries]
    return Series(
        interval=[one.interval for one in summaries],
        label=[one.label for one in summaries],
        stage=[one.stage for one in summaries],
        root_uyuan_per_kwh=[one.prices.root_uyuan_per_kwh for one in summaries],
        indicative_uyuan_per_kwh=[one.prices.indicative_uyuan_per_kwh for one in summaries],
        real_time_uyuan_per_kwh=[one.prices.real_time_uyuan_per_kwh for one in summaries],
        scheduled_import_wh=[one.exchange.scheduled_import_wh for one in summaries],
        scheduled_export_wh=[one.exchange.scheduled_export_wh for one in summaries],
        metered_import_wh=[one.exchange.metered_import_wh for one in summaries],
        metered_export_wh=[one.exchange.metered_export_wh for one in summaries],
        deviation_wh=[one.exchange.deviation_wh for one in summaries],
        vm_min_upu=[state.vm_min_upu if state else None for state in states],
        vm_max_upu=[state.vm_max_upu if state else None for state in states],
        loading_max_mpercent=[state.loading_max_mpercent if state else None for state in states],
        violations_before=[one.expected.violations_before if one.expected else None for one in summaries],
        violations_after=[one.expected.violations_after if one.expected else None for one in summaries],
        metered_violations=[one.metered.violations if one.metered else None for one in summaries],
        curtailed_wh=[one.limitation.curtailed_wh for one in summaries],
        binding_edges=[one.limitation.binding_export_edges + one.limitation.binding_import_edges for one in summaries],
        law_violations=[one.law_violations for one in summaries],
    )


def totals_document(summaries: Sequence[IntervalSummary]) -> DayTotals:
    """Return the sums of a day. loss_wh: null unless every settled interval's loss is known."""
    settled = [one for one in summaries if one.stage == "settled"]
    expected = [one.expected for one in summaries if one.expected is not None]
    losses = [one.loss_wh for one in settled]
    known_losses = [loss for loss in losses if loss is not None]
    account_sums = [one.account_sum_nano_yuan for one in settled if one.account_sum_nano_yuan is not None]
    return DayTotals(
        cleared_intervals=len(expected),
        settled_intervals=len(settled),
        import_wh=sum(one.exchange.metered_import_wh or 0 for one in settled),
        export_wh=sum(one.exchange.metered_export_wh or 0 for one in settled),
        loss_wh=sum(known_losses) if settled and len(known_losses) == len(losses) else None,
        curtailed_wh=sum(one.limitation.curtailed_wh for one in summaries),
        violations_before=sum(state.violations_before for state in expected),
        violations_after=sum(state.violations_after for state in expected),
        metered_violations=sum(one.metered.violations for one in summaries if one.metered is not None),
        law_violations=sum(one.law_violations for one in summaries),
        substitutions=sum(one.substitutions for one in summaries),
        setpoints=sum(one.limitation.setpoints for one in summaries),
        modes=add_modes(summaries),
        account_sum_yuan=yuan_text_from_nano_yuan(sum(account_sums)) if account_sums else None,
    )


def add_modes(summaries: Sequence[IntervalSummary]) -> list[ModeVolume]:
    """Return pairs and energy by mode over all the summaries."""
    added: dict[int, ModeVolume] = {}
    for volume in (volume for one in summaries for volume in one.modes):
        before = added.get(volume.mode, ModeVolume(volume.mode, 0, 0, 0))
        added[volume.mode] = ModeVolume(
            mode=volume.mode,
            pairs=before.pairs + volume.pairs,
            energy_wh=before.energy_wh + volume.energy_wh,
            to_province_wh=before.to_province_wh + volume.to_province_wh,
        )
    return [added[mode] for mode in sorted(added)]


def data_document(gateways: Sequence[GatewayState], now_utc_s: int, limit_s: int) -> DataState:
    """Return how fresh the data is."""
    newest = max((one.newest_reading_utc_s for one in gateways if one.newest_reading_utc_s is not None), default=None)
    return DataState(
        limit_s=limit_s,
        gateways=len(gateways),
        metering_points=sum(one.meters for one in gateways),
        meters_never_read=sum(one.meters_never_read for one in gateways),
        newest_reading_utc_s=newest,
        age_s=None if newest is None else max(0, now_utc_s - newest),
        missing=[one for one in gateways if is_missing(one, now_utc_s, limit_s)],
    )


def is_missing(gateway: GatewayState, now_utc_s: int, limit_s: int) -> bool:
    """Tell whether the gateway's data is not there: never heard of, offline, or older than the limit."""
    newest = gateway.newest_reading_utc_s
    return newest is None or gateway.state == "offline" or now_utc_s - newest > limit_s
