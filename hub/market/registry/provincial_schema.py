"""The provincial document: participants, contracts and schedules of a county, to be read by any layer (row 20).

Layers: national, regional, provincial, distribution micro-balance. In the document energy is MWh with six decimals and
price yuan/MWh with three, both exact and signed, as text; a period index counts 1 to 96 and names the quarter-hour
that ends at its label (1: 00:15). Days are county days, `until_day` is the first day that is out. The same export
gives the same document, and the document gives the same export again: nothing is lost. `provincial_json_schema` is
the format's reference; a new format has a new number in `format`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Annotated, Any, Literal

import msgspec

from edge.contract.interval import INTERVALS_PER_DAY
from hub.market.registry.contracts import Contract
from hub.market.registry.identities import LegalIdentity, Operator
from hub.market.registry.outcomes import Refusal, RefusedError
from hub.market.registry.participant_classes import (
    ContractKind,
    OperatingMode,
    ParticipantClass,
    ParticipantStatus,
    SettlementMethod,
)
from hub.market.registry.periods import Period
from hub.market.registry.register import Register, county_of, operator_of, province_of, unit_of_meter

FORMAT: Literal["microbalance-provincial-1"] = "microbalance-provincial-1"
_ENERGY_DECIMALS, _PRICE_DECIMALS = 6, 3
EnergyText = Annotated[str, msgspec.Meta(pattern=r"^-?[0-9]{1,13}\.[0-9]{6}$", description="MWh, exact to the Wh")]
PriceText = Annotated[
    str, msgspec.Meta(pattern=r"^-?[0-9]{1,16}\.[0-9]{3}$", description="yuan/MWh, exact to 0.001, signed")
]


class ProvincialDocumentError(ValueError):
    """A document that is not of this format, or whose numbers are no numbers; the text says where."""


class ParticipantRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A participant on the day of the export. meter_ids: of its metering points and plants, by id."""

    participant_id: str
    participant_class: ParticipantClass
    identity: LegalIdentity
    status: ParticipantStatus
    settlement_account: str
    certificate_account: str | None
    meter_ids: tuple[str, ...]


@dataclass(frozen=True)
class DaySchedule:
    """The scheduled exchange of somebody on an operating day. energy_wh: 96 values, import positive.

    participant_id: the county itself for its exchange with the province.
    """

    schedule_id: str
    participant_id: str
    day: date
    energy_wh: tuple[int, ...]


@dataclass(frozen=True)
class ProvincialExport:
    """What a county tells the other layers on a day; participants, contracts and schedules by id."""

    county: str
    province: str
    as_of: date
    operating_mode: OperatingMode
    operator: Operator | None
    participants: tuple[ParticipantRecord, ...]
    contracts: tuple[Contract, ...]
    schedules: tuple[DaySchedule, ...]


class ContractRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A contract in the document. curve_mwh sums to energy_mwh."""

    contract_id: str
    kind: ContractKind
    seller_id: str
    buyer_id: str
    seller_meter_id: str | None
    buyer_meter_id: str | None
    from_day: date
    until_day: date | None
    energy_mwh: EnergyText
    price_yuan_per_mwh: PriceText
    curve_mwh: tuple[EnergyText, ...]
    settlement: SettlementMethod


class PeriodRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One quarter-hour of a schedule."""

    period_index: Annotated[int, msgspec.Meta(ge=1, le=INTERVALS_PER_DAY)]
    energy_mwh: EnergyText


class ScheduleRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A schedule in the document, all 96 periods in order."""

    schedule_id: str
    participant_id: str
    day: date
    periods: Annotated[tuple[PeriodRow, ...], msgspec.Meta(min_length=INTERVALS_PER_DAY, max_length=INTERVALS_PER_DAY)]


class ProvincialDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole document."""

    format: Literal["microbalance-provincial-1"]
    layer: Literal["DISTRIBUTION_MICRO_BALANCE"]
    energy_unit: Literal["MWh"]
    price_unit: Literal["yuan/MWh"]
    period_minutes: Literal[15]
    county: str
    province: str
    as_of: date
    operating_mode: OperatingMode
    operator: Operator | None
    participants: tuple[ParticipantRecord, ...]
    contracts: tuple[ContractRow, ...]
    schedules: tuple[ScheduleRow, ...]


DOCUMENTS: Mapping[str, object] = MappingProxyType({"provincial": ProvincialDocument})
"""Name -> type, for `microbalance schema`."""


def provincial_json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the document."""
    return msgspec.json.schema(ProvincialDocument)


def export_of(register: Register, county: str, day: date, *, schedules: Sequence[DaySchedule] = ()) -> ProvincialExport:
    """Return what the county exports on the day: everyone with a status then, contracts that have not ended.

    A participant belongs to every county where it has meters; one without any (a retailer, an arm) to all.

    :raises RefusedError: if there is no such unit, or it begins later
    """
    unit = county_of(register, county)
    mode = unit.operating_mode.on(day)
    if mode is None:
        raise RefusedError(Refusal.UNKNOWN_UNIT, f"county {unit.unit_id} begins on {unit.from_day}, after {day}")
    meters = _meters_by_participant(register)
    records = []
    for name, participant in sorted(register.participants.items()):
        status = participant.status.on(day)
        held = meters.get(name, ())
        here = tuple(meter for meter in held if county_of(register, unit_of_meter(register, meter)) == unit)
        if status is None or (held and not here):
            continue
        records.append(
            ParticipantRecord(
                name,
                participant.participant_class,
                participant.identity,
                status,
                participant.settlement_account,
                participant.certificate_account,
                here,
            )
        )
    known = {record.participant_id for record in records}
    contracts = [
        part
        for _, parts in sorted(register.contracts.items())
        for part in parts
        if part.period.overlaps(Period(day)) and {part.seller_id, part.buyer_id} <= known
    ]
    return ProvincialExport(
        county=unit.unit_id,
        province=province_of(register, county),
        as_of=day,
        operating_mode=mode,
        operator=operator_of(register, county, day),
        participants=tuple(records),
        contracts=tuple(contracts),
        schedules=tuple(sorted(schedules, key=lambda one: one.schedule_id)),
    )


def document_from_export(export: ProvincialExport) -> dict[str, Any]:
    """Return the export as a JSON-able dict of the documented format."""
    document = ProvincialDocument(
        format=FORMAT,
        layer="DISTRIBUTION_MICRO_BALANCE",
        energy_unit="MWh",
        price_unit="yuan/MWh",
        period_minutes=15,
        county=export.county,
        province=export.province,
        as_of=export.as_of,
        operating_mode=export.operating_mode,
        operator=export.operator,
        participants=export.participants,
        contracts=tuple(_contract_row(contract) for contract in export.contracts),
        schedules=tuple(_schedule_row(schedule) for schedule in export.schedules),
    )
    built: dict[str, Any] = msgspec.to_builtins(document)
    return built


def export_from_document(document: dict[str, Any]) -> ProvincialExport:
    """Return the export that a document holds.

    :raises ProvincialDocumentError: if it is not of the format, a curve does not sum or periods are out of order
    """
    try:
        read = msgspec.convert(document, ProvincialDocument)
    except msgspec.ValidationError as error:
        raise ProvincialDocumentError(f"not a provincial document: {error}") from None
    return ProvincialExport(
        county=read.county,
        province=read.province,
        as_of=read.as_of,
        operating_mode=read.operating_mode,
        operator=read.operator,
        participants=read.participants,
        contracts=tuple(_contract(row) for row in read.contracts),
        schedules=tuple(_schedule(row) for row in read.schedules),
    )


def _meters_by_participant(register: Register) -> dict[str, tuple[str, ...]]:
    meters: dict[str, set[str]] = {}
    for meter_id, point in register.user_points.items():
        meters.setdefault(point.participant_id, set()).add(meter_id)
    for project in register.projects.values():
        meters.setdefault(project.application.participant_id, set()).update(project.application.meter_ids)
    return {name: tuple(sorted(held)) for name, held in meters.items()}


def _contract_row(contract: Contract) -> ContractRow:
    return ContractRow(
        contract_id=contract.contract_id,
        kind=contract.kind,
        seller_id=contract.seller_id,
        buyer_id=contract.buyer_id,
        seller_meter_id=contract.seller_meter_id,
        buyer_meter_id=contract.buyer_meter_id,
        from_day=contract.period.from_day,
        until_day=contract.period.until_day,
        energy_mwh=_text(contract.energy_wh, _ENERGY_DECIMALS),
        price_yuan_per_mwh=_text(contract.price_uyuan_per_kwh, _PRICE_DECIMALS),
        curve_mwh=tuple(_text(energy, _ENERGY_DECIMALS) for energy in contract.curve_wh),
        settlement=contract.settlement,
    )


def _contract(row: ContractRow) -> Contract:
    where = f"contract {row.contract_id}"
    curve = tuple(_number(text, _ENERGY_DECIMALS, where) for text in row.curve_mwh)
    energy = _number(row.energy_mwh, _ENERGY_DECIMALS, where)
    if sum(curve) != energy:
        raise ProvincialDocumentError(f"{where}: the curve sums to {sum(curve)} Wh, not {energy} Wh")
    return Contract(
        contract_id=row.contract_id,
        kind=row.kind,
        seller_id=row.seller_id,
        buyer_id=row.buyer_id,
        seller_meter_id=row.seller_meter_id,
        buyer_meter_id=row.buyer_meter_id,
        period=Period(row.from_day, row.until_day),
        energy_wh=energy,
        price_uyuan_per_kwh=_number(row.price_yuan_per_mwh, _PRICE_DECIMALS, where),
        curve_wh=curve,
        settlement=row.settlement,
    )


def _schedule_row(schedule: DaySchedule) -> ScheduleRow:
    assert len(schedule.energy_wh) == INTERVALS_PER_DAY, "a schedule has a value for each interval of its day"
    periods = tuple(
        PeriodRow(index, _text(energy, _ENERGY_DECIMALS)) for index, energy in enumerate(schedule.energy_wh, start=1)
    )
    return ScheduleRow(schedule.schedule_id, schedule.participant_id, schedule.day, periods)


def _schedule(row: ScheduleRow) -> DaySchedule:
    where = f"schedule {row.schedule_id}"
    if [period.period_index for period in row.periods] != list(range(1, INTERVALS_PER_DAY + 1)):
        raise ProvincialDocumentError(f"{where}: the periods do not count from 1 to {INTERVALS_PER_DAY}")
    energy = tuple(_number(period.energy_mwh, _ENERGY_DECIMALS, where) for period in row.periods)
    return DaySchedule(row.schedule_id, row.participant_id, row.day, energy)


def _text(value: int, decimals: int) -> str:
    whole, rest = divmod(abs(value), 10**decimals)
    return f"{'-' if value < 0 else ''}{whole}.{rest:0{decimals}d}"


def _number(text: str, decimals: int, where: str) -> int:
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    match = re.fullmatch(rf"([0-9]+)\.([0-9]{{{decimals}}})", digits, re.ASCII)
    if match is None:
        raise ProvincialDocumentError(f"{where}: {text!r} is no number with {decimals} decimals")
    return sign * int(match.group(1) + match.group(2))
