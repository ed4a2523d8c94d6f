"""Solve the network on what was metered: which limits were really breached, and whether the loss is the registers'."""

import numpy as np
from sqlmodel import Session

from grid_models.security import CheckedState, UnsolvedState
from hub.market.trades import Violation
from hub.settlement.checks import check_computed_loss
from hub.store.tables import MeteredStateRow
from hub.usecases.load_county import INTERVALS_AN_HOUR, CountyModel
from hub.usecases.measure_energy import MeasuredInterval
from hub.usecases.save_clearing import save_limit_violations
from hub.usecases.secured_interval import violations_of


def check_metered_state(session: Session, county: CountyModel, measured: MeasuredInterval) -> list[Violation]:
    """Save the AC state of an interval's metered energy and return the breaches of law 2 (loss) that were found.

    A register is read in whole Wh, so a meter's interval energy is off by less than 1 Wh: the tolerance between the
    loss by registers and the loss by AC power flow is 1 Wh for each market meter and the gateway. An interval with
    estimated energy says nothing about the loss, which is off by what was estimated wrong; the gap itself is reported.
    """
    meters = county.market_meters
    p_w = np.ascontiguousarray(measured.net_export_wh[meters] * INTERVALS_AN_HOUR)
    q_var = np.ascontiguousarray(measured.net_export_varh[meters] * INTERVALS_AN_HOUR)
    (state,) = county.security.check_states(p_w[np.newaxis], q_var[np.newaxis])
    save_limit_violations(session, measured.interval, "metered", violations_of(state))
    session.add(_row(measured.interval, state))
    session.flush()
    where = f"interval {measured.interval}"
    if isinstance(state, UnsolvedState):
        return [Violation(2, where, f"the metered state has no AC solution: {state.reason}")]
    substituted = measured.metered().substituted
    if substituted[meters].any() or substituted[county.gateway_meter]:
        return []
    return check_computed_loss(
        where=where,
        measured_wh=int(measured.loss_wh(county).sum()),
        computed_wh=state.loss_w // INTERVALS_AN_HOUR,
        tolerance_wh=meters.size + 1,
    )


def _row(interval: int, state: CheckedState | UnsolvedState) -> MeteredStateRow:
    if isinstance(state, UnsolvedState):
        return MeteredStateRow(interval=interval, vm_min_bus="", vm_max_bus="", loading_max_element="", violations=1)
    loadings = [worst for worst in (state.worst_line, state.worst_transformer) if worst is not None]
    worst = max(loadings, key=lambda one: one.per_mille)
    return MeteredStateRow(
        interval=interval,
        vm_min_upu=state.lowest_voltage.per_mille * 1000,
        vm_min_bus=state.lowest_voltage.bus,
        vm_max_upu=state.highest_voltage.per_mille * 1000,
        vm_max_bus=state.highest_voltage.bus,
        loading_max_mpercent=worst.per_mille * 100,
        loading_max_element=worst.element,
        violations=len(state.violations),
        loss_wh=state.loss_w // INTERVALS_AN_HOUR,
    )
