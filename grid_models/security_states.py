"""What the network check tells the hub: violations, checked states, tightened limits; integers, names, enums only."""

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from grid_models.elements import Int64Array, freeze


class LimitKind(Enum):
    """Which limit a violation breaches, and so the unit of its value: mV, mV, mA, W, W."""

    VOLTAGE_HIGH = "voltage_high"
    VOLTAGE_LOW = "voltage_low"
    CURRENT = "current"
    REVERSE_POWER = "reverse_power"
    FORWARD_POWER = "forward_power"


class FlowDirection(Enum):
    """Which way less energy must flow over the covering edge to cure a violation."""

    EXPORT = "export"
    IMPORT = "import"


@dataclass(frozen=True)
class LimitViolation:
    """One breached limit. element: name of the bus, line or transformer; for power limits, of the edge's elements.

    unit: position of the lowest covering tree edge: the unit whose edge to the parent must be tightened.
    value, limit: mV line to line, mA, or W, by `kind`. excess_per_mille: how far outside, per mille of the limit, >= 1.
    """

    kind: LimitKind
    element: str
    unit: int
    direction: FlowDirection
    value: int
    limit: int
    excess_per_mille: int


@dataclass(frozen=True)
class WorstVoltage:
    """The bus farthest to one side of its nominal voltage: name, mV line to line, per mille of nominal."""

    bus: str
    voltage_mv: int
    per_mille: int


@dataclass(frozen=True)
class WorstLoading:
    """The most loaded line or transformer, in per mille of its rated current."""

    element: str
    per_mille: int


@dataclass(frozen=True, eq=False)
class CheckedState:
    """One solved state. violations: worst first.

    worst_line, worst_transformer: None where the network has none. unit_export_w: shape (n_units,), flow up each edge,
    the root's to the province (negative: import). unit_loss_w: shape (n_units,), loss inside each unit, >= 0.
    Exactly, in integers and for each unit: its points' export + its children's unit_export_w = unit_loss_w +
    unit_export_w; the losses sum to loss_w. p_w, q_var: shape (n_points,), the state that was asked about.
    """

    violations: tuple[LimitViolation, ...]
    highest_voltage: WorstVoltage
    lowest_voltage: WorstVoltage
    worst_line: WorstLoading | None
    worst_transformer: WorstLoading | None
    loss_w: int
    gateway_import_w: int
    gateway_export_w: int
    unit_export_w: Int64Array
    unit_loss_w: Int64Array
    p_w: Int64Array
    q_var: Int64Array

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True)
class UnsolvedState:
    """A state for which the power flow found no solution, and what the solver said."""

    scenario: int
    reason: str


StateOutcome: TypeAlias = CheckedState | UnsolvedState


@dataclass(frozen=True)
class TightenedLimit:
    """A new limit for one edge. unit: position; limit_w: highest flow in `direction`, may be negative.

    reduction_w: by how much the controllable power behind the edge must fall, >= 0, edges below it included.
    sufficient: whether, by the estimate, that cures every violation it answers for; if not, no edge can, and this one,
    the lowest that covers the violation, gives all that is controllable behind it. cures: the violations that it
    answers for, worst first; each lies at or below the edge.
    """

    unit: int
    direction: FlowDirection
    limit_w: int
    reduction_w: int
    sufficient: bool
    cures: tuple[LimitViolation, ...]


@dataclass(frozen=True, eq=False)
class LoadingParts:
    """Who loads a line or transformer in a checked state. flow_w: towards the feeding points, negative away from them.

    point_w: shape (n_points,), what each metering point contributes to it; loss_w: what is lost behind it (in a meshed
    part, with what circulates there). Exactly: the sum of point_w = flow_w + loss_w.
    """

    element: str
    flow_w: int
    loss_w: int
    point_w: Int64Array

    def __post_init__(self) -> None:
        freeze(self)
