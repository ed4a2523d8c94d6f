"""The documents of `microbalance grid` from what the models found: pure functions.

A row of the profiles is the quarter-hour that starts row * 15 min after 1 January 00:00 of the profile year.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from math import isfinite
from typing import Final

import numpy as np

from grid_models.checks import Problem, Severity
from grid_models.elements import FloatArray
from grid_models.grid_documents import (
    CheckDocument,
    FailureRow,
    LoadingRangeRow,
    LoadingRow,
    LossRow,
    PeriodDocument,
    PowerFlowDocument,
    ProblemRow,
    VoltageRangeRow,
    VoltageRow,
)
from grid_models.networks import Network
from grid_models.power_flow import PowerFlow, PowerFlowResult
from grid_models.simbench_profiles import NetworkProfiles
from grid_models.year_flow import YearFlow

PROFILE_YEAR: Final = 2016
_YEAR_START: Final = datetime(PROFILE_YEAR, 1, 1)  # noqa: DTZ001 - local time of the profiles, which have no zone
_QUARTER_HOUR: Final = timedelta(minutes=15)
V_PERCENTILES: Final = (1, 5, 50, 95, 99)
LOADING_PERCENTILES: Final = (50, 95, 99)


class PeriodError(ValueError):
    """A time that is none, or not in the profile year."""


def row_of(text: str, *, is_end: bool = False) -> int:
    """Return the row of a time YYYY-MM-DD or YYYY-MM-DDTHH:MM.

    :param is_end: the row after the last one; a day without a time counts whole
    :raises PeriodError: if it is no such time, not on a quarter-hour, or in another year
    """
    try:
        if "T" in text:
            moment = datetime.strptime(text, "%Y-%m-%dT%H:%M")  # noqa: DTZ007 - see _YEAR_START
        else:
            moment = datetime.strptime(text, "%Y-%m-%d") + timedelta(days=int(is_end))  # noqa: DTZ007
    except ValueError:
        raise PeriodError(f"{text!r} is not a time YYYY-MM-DD or YYYY-MM-DDTHH:MM") from None
    row, rest = divmod(moment - _YEAR_START, _QUARTER_HOUR)
    if rest:
        raise PeriodError(f"{text} is not on a quarter-hour")
    if row < 0 or moment > datetime(PROFILE_YEAR + 1, 1, 1):  # noqa: DTZ001
        raise PeriodError(f"{text} is not in the year of the profiles, {PROFILE_YEAR}")
    return row


def time_of(row: int) -> str:
    """Return when a row starts, YYYY-MM-DDTHH:MM."""
    return (_YEAR_START + row * _QUARTER_HOUR).strftime("%Y-%m-%dT%H:%M")


def scaled_profiles(profiles: NetworkProfiles, load_scale: float, generation_scale: float) -> NetworkProfiles:
    """Return the profiles with all loads and all generation multiplied."""
    return NetworkProfiles(
        load_p=replace(profiles.load_p, nominal=profiles.load_p.nominal * load_scale),
        load_q=replace(profiles.load_q, nominal=profiles.load_q.nominal * load_scale),
        generator_p=replace(profiles.generator_p, nominal=profiles.generator_p.nominal * generation_scale),
    )


# --- check ------------------------------------------------------------------------------------------------------------


def check_document(network: Network, problems: Sequence[Problem]) -> CheckDocument:
    """Return what was found wrong, errors first."""
    kinds = ("buses", "lines", "transformers", "sources", "couplers", "shunts", "loads", "generators", "storages")
    errors = sum(problem.severity is Severity.ERROR for problem in problems)
    ordered = sorted(problems, key=lambda problem: problem.severity is not Severity.ERROR)
    return CheckDocument(
        network=network.name,
        counts={kind: len(getattr(network, kind)) for kind in kinds},
        errors=errors,
        warnings=len(problems) - errors,
        problems=[ProblemRow(problem.severity.value, problem.element, problem.what) for problem in ordered],
    )


# --- power flow -------------------------------------------------------------------------------------------------------


def power_flow_document(
    power_flow: PowerFlow, result: PowerFlowResult, load_scale: float, generation_scale: float, top: int
) -> PowerFlowDocument:
    """Return the nominal state's document.

    :param result: of one scenario
    :param top: how many of the worst buses and elements are listed
    """
    network = power_flow.network
    solved = bool(result.converged[0])
    loading = np.concatenate([result.line_loading[0], result.transformer_loading[0]])
    buses = network.buses
    v_v = result.vm_pu[0] * buses.vn_kv * 1e3
    margin = _margin_percent(network, result.vm_pu[0])
    rating = np.concatenate([network.lines.max_i_ka, network.transformers.rating_mva])
    return PowerFlowDocument(
        network=network.name,
        engine=power_flow.engine.value,
        load_scale=load_scale,
        generation_scale=generation_scale,
        converged=solved,
        failures=[FailureRow(None, one.bus, one.reason) for one in result.failures],
        load_mw=float(network.loads.p_mw.sum() * load_scale),
        generation_mw=float(network.generators.p_mw.sum() * generation_scale),
        source_p_mw=number_or_none(result.source_p_mw[0].sum()),
        source_q_mvar=number_or_none(result.source_q_mvar[0].sum()),
        loss_mw=number_or_none(result.loss_mw[0]),
        buses_below=int((v_v < buses.v_min_v).sum()),
        buses_above=int((v_v > buses.v_max_v).sum()),
        overloaded=int((loading > 1).sum()),
        without_limit=int((~np.isfinite(rating)).sum()),
        voltages=[
            VoltageRow(
                bus=buses.name[bus],
                vm_pu=float(result.vm_pu[0, bus]),
                v_v=float(v_v[bus]),
                v_min_v=float(buses.v_min_v[bus]),
                v_max_v=float(buses.v_max_v[bus]),
                margin_percent=float(margin[bus]),
            )
            for bus in _least(margin, top)
        ],
        loadings=[
            LoadingRow(branch_names(network)[branch], float(100 * loading[branch])) for branch in _least(-loading, top)
        ],
    )


def period_document(
    power_flow: PowerFlow, found: YearFlow, load_scale: float, generation_scale: float, top: int
) -> PeriodDocument:
    """Return the document of a finished run over the profiles; `top` as for the nominal state."""
    network, names = power_flow.network, branch_names(power_flow.network)
    margin = np.minimum(_margin_percent(network, found.v_min_pu), _margin_percent(network, found.v_max_pu))
    return PeriodDocument(
        network=network.name,
        engine=power_flow.engine.value,
        load_scale=load_scale,
        generation_scale=generation_scale,
        start=time_of(found.first_row),
        end=time_of(found.next_row),
        quarter_hours=found.row_loss_mw.size,
        solved=int(np.isfinite(found.row_loss_mw).sum()),
        failures=[FailureRow(time_of(one.scenario), one.bus, one.reason) for one in found.failures],
        loss_mwh=float(found.loss_mwh.sum()),
        buses_below=int((found.rows_below > 0).sum()),
        buses_above=int((found.rows_above > 0).sum()),
        overloaded=int((found.rows_overloaded > 0).sum()),
        bus_hours_below=float(found.hours_below.sum()),
        bus_hours_above=float(found.hours_above.sum()),
        element_hours_overloaded=float(found.hours_overloaded.sum()),
        voltages=_voltage_ranges(network, found, margin, top),
        loadings=_loading_ranges(names, found, top),
        losses=[LossRow(names[branch], float(found.loss_mwh[branch])) for branch in _least(-found.loss_mwh, top)],
    )


def branch_names(network: Network) -> tuple[str, ...]:
    """Return the names of lines, then transformers: the order of branches everywhere."""
    return (*network.lines.name, *network.transformers.name)


def _voltage_ranges(network: Network, found: YearFlow, margin: FloatArray, top: int) -> list[VoltageRangeRow]:
    at_percent = (
        None if found.v_histogram is None else {str(each): found.v_percentile_pu(each) for each in V_PERCENTILES}
    )
    return [
        VoltageRangeRow(
            bus=network.buses.name[bus],
            v_min_pu=float(found.v_min_pu[bus]),
            v_min_at=time_of(int(found.v_min_row[bus])),
            v_max_pu=float(found.v_max_pu[bus]),
            v_max_at=time_of(int(found.v_max_row[bus])),
            margin_percent=float(margin[bus]),
            hours_below=float(found.hours_below[bus]),
            hours_above=float(found.hours_above[bus]),
            percentiles_pu=_at(at_percent, bus, 1.0),
        )
        for bus in _least(margin, top)
    ]


def _loading_ranges(names: tuple[str, ...], found: YearFlow, top: int) -> list[LoadingRangeRow]:
    at_percent = (
        None
        if found.loading_histogram is None
        else {str(each): found.loading_percentile(each) for each in LOADING_PERCENTILES}
    )
    return [
        LoadingRangeRow(
            element=names[branch],
            loading_max_percent=float(100 * found.loading_max[branch]),
            at=time_of(int(found.loading_max_row[branch])),
            hours_overloaded=float(found.hours_overloaded[branch]),
            percentiles_percent=_at(at_percent, branch, 100.0),
        )
        for branch in _least(-found.loading_max, top)
    ]


def _at(percentiles: Mapping[str, FloatArray] | None, position: int, scale: float) -> dict[str, float] | None:
    if percentiles is None:
        return None
    return {percent: round(float(values[position] * scale), 6) for percent, values in percentiles.items()}


def _margin_percent(network: Network, vm_pu: FloatArray) -> FloatArray:
    """Return the way to the nearer limit in percent of the nominal voltage; NaN where no limit can bind."""
    buses = network.buses
    v_v = vm_pu * buses.vn_kv * 1e3
    margin = 100 * np.minimum(v_v - buses.v_min_v, buses.v_max_v - v_v) / buses.v_nominal_v
    return np.where(buses.star_point, np.nan, margin)


def _least(values: FloatArray, count: int) -> list[int]:
    """Return the positions of the least finite values, least first, of equals the first."""
    order = np.argsort(values, kind="stable")
    return [int(position) for position in order[np.isfinite(values[order])][:count]]


def number_or_none(value: float) -> float | None:
    """Return what JSON can hold: None for what is not finite."""
    return float(value) if isfinite(value) else None
