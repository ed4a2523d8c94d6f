"""What a run came to, as one document: counts, volumes, energy, money by account, laws, violations, result hash."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sqlalchemy import text
from sqlmodel import Session

from edge.contract.interval import end_utc_s, start_utc_s
from edge.contract.messages import BATTERY_CHARGE, BATTERY_DISCHARGE, CHANNELS, EXPORT, GENERATION, IMPORT
from edge.contract.registry import MeterKind
from hub.market.trades import BoolArray, Int64Array
from hub.store.counters import read_counters
from hub.store.readings import registers_at
from hub.usecases.hash_result import hash_result
from hub.usecases.load_county import CountyModel

Document = dict[str, Any]
LAWS = range(1, 9)
ELEMENTARY_KINDS = frozenset({MeterKind.LOAD, MeterKind.GENERATOR, MeterKind.PROSUMER, MeterKind.INTERNAL})


def summarise_run(
    session: Session, county: CountyModel, *, first: int, last: int, report: Mapping[str, str]
) -> Document:
    """Return the summary of the settled intervals first..last (inclusive).

    :param report: what -> file, of the reports that were written
    """
    span = {"first": first, "last": last}
    money = money_by_account_nano_yuan(session, county, first=first, last=last)
    return {
        "metering_points": len(county.points.meter_id),
        "intervals": _number(
            session, "SELECT count(*) FROM settlement_run WHERE run = 0 AND interval BETWEEN :first AND :last", span
        ),
        "readings": _readings(session),
        "orders": _orders(session),
        "refused": _refused(session),
        "traded_wh": _traded_wh(session, span),
        "energy": energy_totals_wh(session, county, first=first, last=last),
        "money_nano_yuan": money,
        "residual_nano_yuan": sum(money.values()),
        "province": _province(session, span),
        "violations": _violations(session, span),
        "setpoints": _number(session, "SELECT count(*) FROM setpoint WHERE interval BETWEEN :first AND :last", span),
        "curtailed_wh": _number(
            session,
            "SELECT coalesce(sum(curtailed_wh), 0) FROM curtailment WHERE interval BETWEEN :first AND :last",
            span,
        ),
        "laws": laws(session),
        "result_hash": hash_result(session),
        "report": dict(report),
    }


def laws(session: Session) -> dict[str, Document]:
    """Return, by law, how often it was checked and every breach in words."""
    counters = read_counters(session)
    found: dict[str, Document] = {
        str(law): {"checked": counters.get(f"law_{law}_checked", 0), "violations": []} for law in LAWS
    }
    rows = session.execute(text("SELECT interval, law, place, what FROM law_violation ORDER BY interval, law, seq"))
    for interval, law, place, what in rows:
        found.setdefault(str(law), {"checked": 0, "violations": []})["violations"].append(f"{interval} {place}: {what}")
    return found


def _readings(session: Session) -> Document:
    counters = read_counters(session)
    return {kind: counters.get(f"readings_{kind}", 0) for kind in ("admitted", "duplicate", "quarantined")}


def _orders(session: Session) -> Document:
    """Return the orders of gateways by outcome; those for intervals behind the run's end were submitted, too."""
    rows = session.execute(
        text('SELECT status, count(*) FROM "order" WHERE party = 0 AND gateway >= 0 GROUP BY status')
    )
    counts = {int(status): int(count) for status, count in rows}
    return {"accepted": counts.get(1, 0), "rejected": counts.get(0, 0)}


def _refused(session: Session) -> dict[str, int]:
    rows = session.execute(text("SELECT reason, sum(count) FROM quarantine GROUP BY reason ORDER BY reason"))
    return {str(reason): int(count) for reason, count in rows}


def _traded_wh(session: Session, span: Mapping[str, int]) -> dict[str, int]:
    rows = session.execute(
        text(
            "SELECT mode, buyer_party = 5, sum(energy_wh) FROM pair "
            "WHERE interval BETWEEN :first AND :last GROUP BY mode, buyer_party = 5"
        ),
        span,
    )
    traded = {"mode_1": 0, "mode_2": 0, "mode_3": 0, "province_import": 0, "province_export": 0}
    for mode, to_province, energy_wh in rows:
        traded["province_import" if mode == 0 else f"mode_{mode}"] += int(energy_wh)
        if to_province:
            traded["province_export"] += int(energy_wh)
    return traded


def energy_totals_wh(session: Session, county: CountyModel, *, first: int, last: int) -> dict[str, int]:
    """Return what the registers say of the intervals first..last: exchange, generation, load, batteries and loss."""
    n_meters = len(county.points.meter_id)
    start = registers_at(session, start_utc_s(first), n_meters)
    end = registers_at(session, end_utc_s(last), n_meters)
    known = start.present & end.present & county.channel_present
    energy = dict(zip(CHANNELS, np.where(known, end.values - start.values, 0).T, strict=True))
    elementary = is_elementary(county)
    charge, discharge = energy[BATTERY_CHARGE], energy[BATTERY_DISCHARGE]
    generation = generation_wh(county, energy)
    load = energy[IMPORT] - energy[EXPORT] + generation + discharge - charge
    gateway = county.gateway_meter
    totals = {
        "gateway_import_wh": int(energy[IMPORT][gateway]),
        "gateway_export_wh": int(energy[EXPORT][gateway]),
        "generation_wh": int(generation[elementary].sum()),
        "load_wh": int(load[elementary].sum()),
        "charge_wh": int(charge[elementary].sum()),
        "discharge_wh": int(discharge[elementary].sum()),
    }
    supplied = totals["gateway_import_wh"] + totals["generation_wh"] + totals["discharge_wh"]
    used = totals["gateway_export_wh"] + totals["load_wh"] + totals["charge_wh"]
    return {**totals, "loss_wh": supplied - used}


def is_elementary(county: CountyModel) -> BoolArray:
    """Return which metering points hold no other one behind them, shape (n_meters,)."""
    return np.array([point.kind in ELEMENTARY_KINDS for point in county.registry.metering_points], dtype=np.bool_)


def generation_wh(county: CountyModel, energy: Mapping[str, Int64Array]) -> Int64Array:
    """Return what each metering point generated: its generation register, or its export where it only generates.

    :param energy: channel -> energy of each metering point
    """
    kinds = [point.kind for point in county.registry.metering_points]
    metered = county.channel_present[:, CHANNELS.index(GENERATION)]
    battery = county.channel_present[:, CHANNELS.index(BATTERY_DISCHARGE)]
    only_generates = np.array([kind is MeterKind.GENERATOR for kind in kinds]) & ~battery
    internal = np.array([kind is MeterKind.INTERNAL for kind in kinds]) & ~battery
    by_export = np.where(only_generates | internal, energy[EXPORT], 0)
    return np.asarray(np.where(metered, energy[GENERATION], by_export), dtype=np.int64)


def money_by_account_nano_yuan(session: Session, county: CountyModel, *, first: int, last: int) -> dict[str, int]:
    """Return what each account received less what it paid in first..last; participants together by seller class."""
    rows = session.execute(
        text("SELECT account, ledger_nano_yuan FROM account_total WHERE interval BETWEEN :first AND :last"),
        {"first": first, "last": last},
    )
    totals: dict[int, int] = {}
    for account, nano_yuan in rows:
        totals[account] = totals.get(account, 0) + int(nano_yuan)
    groups = _account_groups(county)
    money: dict[str, int] = {}
    for account, nano_yuan in sorted(totals.items()):
        money[groups[account]] = money.get(groups[account], 0) + nano_yuan
    return money


def _account_groups(county: CountyModel) -> dict[int, str]:
    """Return the name under which each account is shown: participants by seller class, others by themselves."""
    classes = {one.participant_id: one.seller_class for one in county.registry.participants}
    groups: dict[int, str] = {}
    for account, name in enumerate(county.accounts.names):
        if name not in classes:
            groups[account] = name
            continue
        seller_class = classes[name]
        groups[account] = "USERS" if seller_class is None else seller_class.value
    return groups


def _province(session: Session, span: Mapping[str, int]) -> dict[str, int]:
    legs = {"import_wh": 0, "export_wh": 0, "import_amount_nano_yuan": 0, "export_amount_nano_yuan": 0}
    rows = session.execute(
        text(
            "SELECT kind, energy_wh, amount_nano_yuan, credit FROM posting "
            "WHERE interval BETWEEN :first AND :last AND kind IN ('GATEWAY_IMPORT', 'GATEWAY_EXPORT')"
        ),
        span,
    )
    for kind, energy_wh, amount, _credit in rows:
        leg = "import" if kind == "GATEWAY_IMPORT" else "export"
        legs[f"{leg}_wh"] += int(energy_wh)
        legs[f"{leg}_amount_nano_yuan"] += int(amount)
    return legs


def _violations(session: Session, span: Mapping[str, int]) -> dict[str, int]:
    rows = session.execute(
        text("SELECT stage, count(*) FROM limit_violation WHERE interval BETWEEN :first AND :last GROUP BY stage"),
        span,
    )
    found = {str(stage): int(count) for stage, count in rows}
    return {
        "expected_before": found.get("expected", 0),
        "expected_after": found.get("cleared", 0),
        "metered": found.get("metered", 0),
    }


def _number(session: Session, query: str, span: Mapping[str, int]) -> int:
    return int(session.execute(text(query), span).scalar_one())
