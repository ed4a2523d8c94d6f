"""Limits inside meshes in the network check of one interval: what is breached, the rows to clear with, what is left."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from grid_models.security import FACTOR_ONE, CheckedState, LimitViolation, MeshedLoading, StateOutcome
from hub.market.meshed_rows import (
    BranchLoading,
    MeshedRow,
    bought_wh,
    meshed_row,
    own_reductions_wh,
    without_small_factors,
)
from hub.market.trades import Int64Array, OrderBatch
from hub.usecases.load_county import INTERVALS_AN_HOUR, CountyModel
from hub.usecases.stage_times import Stage, StageTimes


@dataclass(frozen=True)
class BreachedRow:
    """A breach inside a mesh and the row that would cure it."""

    violation: LimitViolation
    row: MeshedRow


@dataclass(frozen=True)
class MeshedBreaches:
    """What a checked state breaches inside meshes.

    curable: what the sparse program can cure, worst first. rows: theirs, and those asked for before, as of this state.
    loadings: of the curable ones. export_wh: shape (n_units,), what the units' own sellers export in the state.
    """

    curable: tuple[BreachedRow, ...]
    rows: tuple[MeshedRow, ...]
    loadings: tuple[BranchLoading, ...]
    export_wh: Int64Array

    @property
    def own_reductions_wh(self) -> Int64Array:
        """Return by how much each unit's own sellers must do less to cure them, shape (n_units,)."""
        return own_reductions_wh(self.loadings, self.export_wh)


@dataclass(frozen=True)
class MeshedCheck:
    """The limits inside meshes that one interval has met. asked: the first breach of each branch, by name.

    known: the last checked state and what was found of it.
    """

    county: CountyModel
    orders: OrderBatch
    stages: StageTimes
    asked: dict[str, LimitViolation] = field(default_factory=dict)
    known: list[tuple[CheckedState, MeshedBreaches]] = field(default_factory=list)

    def breaches(self, state: StateOutcome, expected_wh: Int64Array, filled_wh: Int64Array) -> MeshedBreaches:
        """Return what the state breaches.

        :param expected_wh: shape (n_meters,), what the state was asked with
        :param filled_wh: fills of the clearing that led to it
        """
        n_units = len(self.county.units)
        nothing = MeshedBreaches((), (), (), np.zeros(n_units, np.int64))
        if not isinstance(state, CheckedState):
            return nothing
        if self.known and self.known[-1][0] is state:
            return self.known[-1][1]
        security = self.county.security
        breached = {one.element: one for one in state.violations if security.lies_in_mesh(one)}
        found = nothing
        if breached:
            with self.stages.timed(Stage.TIGHTEN):
                found = self._found(state, breached, expected_wh, filled_wh)
        self.known[:] = [(state, found)]
        return found

    def left_to_edges(self, state: CheckedState, breaches: MeshedBreaches) -> tuple[LimitViolation, ...]:
        """Return the state's violations that edges of the tree must answer for: all but those the program cures."""
        curable = {one.violation.element for one in breaches.curable}
        security = self.county.security
        return tuple(one for one in state.violations if not (one.element in curable and security.lies_in_mesh(one)))

    def _found(
        self,
        state: CheckedState,
        breached: dict[str, LimitViolation],
        expected_wh: Int64Array,
        filled_wh: Int64Array,
    ) -> MeshedBreaches:
        county, n_units = self.county, len(self.county.units)
        controllable_wh = np.maximum(expected_wh[county.market_meters], 0)
        export_wh = np.zeros(n_units, np.int64)
        np.add.at(export_wh, county.points.unit[county.market_meters], controllable_wh)
        bought = bought_wh(self.orders, filled_wh, n_units=n_units)
        wanted = {**self.asked, **breached}
        least = county.security.parameters.mesh_factor_least_per_mille * FACTOR_ONE // 1000
        loadings = tuple(
            _branch_loading(one, least)
            for one in county.security.meshed_loadings(
                state, tuple(wanted.values()), controllable_wh * INTERVALS_AN_HOUR
            )
        )
        rows = [meshed_row(one, export_wh=export_wh, bought_wh=bought) for one in loadings]
        curable = tuple(BreachedRow(breached[row.name], row) for row in rows if row.name in breached and row.is_curable)
        names = {one.row.name for one in curable}
        for one in curable:
            self.asked.setdefault(one.row.name, one.violation)
        return MeshedBreaches(
            curable=curable,
            rows=tuple(row for row in rows if row.name in self.asked) if curable else (),
            loadings=tuple(one for one in loadings if one.name in names),
            export_wh=export_wh,
        )


def _branch_loading(one: MeshedLoading, factor_least: int) -> BranchLoading:
    return BranchLoading(
        name=one.violation.element,
        unit_factor=without_small_factors(one.unit_factor, factor_least),
        denominator=FACTOR_ONE,
        outside_wh=-(-one.outside_w // INTERVALS_AN_HOUR),
    )


def same_rows(rows: Sequence[MeshedRow], others: Sequence[MeshedRow]) -> bool:
    """Return whether another clearing with these rows would find what the one with the others found."""
    return len(rows) == len(others) and all(
        one.name == other.name and one.limit_wh == other.limit_wh and np.array_equal(one.unit_factor, other.unit_factor)
        for one, other in zip(rows, others, strict=True)
    )
