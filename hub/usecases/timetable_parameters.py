"""What a county sets for its timetable: a version of parameters, in force from an interval.

Orders and the exchange have gates of their own: orders freeze before the clearing, the exchange schedule that follows
from it is handed over until its interval begins (row 57).
"""

from dataclasses import dataclass

from sqlmodel import Session

from edge.contract.interval import day_of_interval
from hub.market.registry.participant_classes import MarketStage, OperatingMode
from hub.market.registry.periods import Period
from hub.market.timetable.session_rules import RollingRules, TimetableRules, rule_faults
from hub.store.parameters import NoParametersError, load_parameters

KIND = "timetable"
"""The kind of the version in the store."""

_NAMES = {
    "order_gate_lead_intervals",
    "order_open_intervals",
    "exchange_gate_lead_intervals",
    "market_stage",
    "is_sub_market",
}


@dataclass(frozen=True)
class Timetable:
    """rules: of the sessions that take orders. exchange: of the hand-over. mode: whether results need the province."""

    rules: TimetableRules
    exchange: RollingRules
    mode: OperatingMode


def load_timetable(session: Session, interval: int) -> Timetable | None:
    """Return the timetable that holds in the interval, None for a county that has set none.

    :raises hub.store.parameters.NoParametersError: if the version is not whole, or contradicts itself
    """
    try:
        version_id, values = load_parameters(session, KIND, interval)
    except NoParametersError:
        return None
    if values.keys() != _NAMES:
        raise NoParametersError(
            f"parameter version {version_id!r}: {min(values.keys() ^ _NAMES)} is missing or unknown"
        )
    lead, open_intervals = values["order_gate_lead_intervals"], values["order_open_intervals"]
    rules = TimetableRules(
        province="",
        period=Period(day_of_interval(0)),
        document=version_id,
        source="",
        stage=MarketStage(values["market_stage"]),
        day_ahead=None,
        rolling=RollingRules(gate_lead_intervals=lead, open_intervals=open_intervals),
        mid_term=None,
        listings=(),
        announcement_closes_s=0,
    )
    exchange = RollingRules(gate_lead_intervals=values["exchange_gate_lead_intervals"], open_intervals=open_intervals)
    faults = rule_faults(rules)
    if not 0 <= exchange.gate_lead_intervals < lead:
        faults.append("the exchange's gate must close after that of the orders")
    if faults:
        raise NoParametersError(f"parameter version {version_id!r}: {faults[0]}")
    is_sub_market = values["is_sub_market"] != 0
    return Timetable(rules, exchange, OperatingMode.SUB_MARKET if is_sub_market else OperatingMode.INDEPENDENT)
