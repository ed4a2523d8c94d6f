"""The county's exchange with the province, interval by interval, from its cleared net position (rows 17, 27, 57).

The day-ahead schedule is what the day-ahead session cleared at the root; the real-time schedule adds what the rolling
sessions traded since. In one interval the county imports or exports, never both; what is left over locally is traded
with the province, so no interval stays unbalanced.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hub.market.trades import BalanceTree, ClearingResult, Int64Array, Violation


class ScheduleError(ValueError):
    """Two schedules that do not belong together; the text says why."""


@dataclass(frozen=True)
class ExchangePlan:
    """The exchange of consecutive intervals, shape (n_intervals,) each, >= 0, one of the two 0 in each interval."""

    first_interval: int
    import_wh: Int64Array
    export_wh: Int64Array

    @property
    def end_interval(self) -> int:
        """The interval after the last one."""
        return self.first_interval + self.import_wh.size


def plan_from_clearing(first_interval: int, results: Sequence[ClearingResult]) -> ExchangePlan:
    """Return the exchange that a session's clearings of consecutive intervals found at the root."""
    return plan_from_net(first_interval, np.array([int(one.flow_up_wh[0]) for one in results], np.int64))


def plan_from_net(first_interval: int, net_export_wh: Int64Array) -> ExchangePlan:
    """Return the exchange of a net position, positive where the county exports."""
    columns = (np.maximum(-net_export_wh, 0), np.maximum(net_export_wh, 0))
    for column in columns:
        column.setflags(write=False)
    return ExchangePlan(first_interval, *columns)


def with_increments(day_ahead: ExchangePlan, rolling: ExchangePlan) -> ExchangePlan:
    """Return the real-time schedule: the day-ahead net position plus the increments that rolling sessions traded.

    :raises ScheduleError: if the two cover other intervals
    """
    if (day_ahead.first_interval, day_ahead.end_interval) != (rolling.first_interval, rolling.end_interval):
        raise ScheduleError(
            f"day-ahead covers {day_ahead.first_interval}..{day_ahead.end_interval}, "
            f"rolling {rolling.first_interval}..{rolling.end_interval}"
        )
    return plan_from_net(day_ahead.first_interval, net_export_wh(day_ahead) + net_export_wh(rolling))


def net_export_wh(plan: ExchangePlan) -> Int64Array:
    """Return export less import of each interval."""
    return np.asarray(plan.export_wh - plan.import_wh, dtype=np.int64)


def check_plan(plan: ExchangePlan, trees: Sequence[BalanceTree]) -> list[Violation]:
    """Law 2 at the root: import or export in an interval, not both, none negative, and both inside the tie.

    :param trees: of each interval
    """
    found = []
    assert len(trees) == plan.import_wh.size
    rows = zip(plan.import_wh.tolist(), plan.export_wh.tolist(), trees, strict=True)
    for number, (imported, exported, tree) in enumerate(rows):
        faults = (
            (imported > 0 and exported > 0, "import and export in one interval"),
            (min(imported, exported) < 0, "a negative exchange"),
            (imported > tree.import_limit_wh[0], f"import {imported} Wh is beyond the tie"),
            (exported > tree.export_limit_wh[0], f"export {exported} Wh is beyond the tie"),
        )
        found += [Violation(2, f"interval {plan.first_interval + number}", what) for bad, what in faults if bad]
    return found


def check_balanced(plan: ExchangePlan, results: Sequence[ClearingResult]) -> list[Violation]:
    """Row 27: the schedule takes up the whole of each interval's cleared net position; nothing stays unbalanced."""
    net = net_export_wh(plan).tolist()
    cleared = [int(one.flow_up_wh[0]) for one in results]
    return [
        Violation(2, f"interval {plan.first_interval + number}", f"schedules {planned} Wh, cleared {found} Wh")
        for number, (planned, found) in enumerate(zip(net, cleared, strict=True))
        if planned != found
    ]
