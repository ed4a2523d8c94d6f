"""A made-up province for benchmarks and tests: prices of every voltage class by coefficients, and two calendars.

No province is complete enough in what it publishes to bill a whole county. The numbers are of the size of published
ones; none of them is one.
"""

from datetime import date

from hub.market.registry.periods import next_month
from hub.settlement.provinces.catalogue import ProvincialParameter
from hub.settlement.provinces.documents import (
    CalendarRow,
    CalendarScope,
    ClockPeriod,
    DayPatternRow,
    HolidayYear,
    ProvinceDocument,
    Publication,
    ValueRow,
)
from hub.settlement.provinces.keys import DayType, Mark, TariffType

PROVINCE = "made-up"
VOLTAGE_CLASSES = ("<1kV", "10(20)kV", "35kV", "110kV", "220kV")
INDUSTRY = "industry"
"""The class of users that has a calendar of its own."""

_SOURCE = "made up"
_AGENCY_ENERGY_UYUAN_PER_KWH = 384_471
_COMPONENTS = (
    (ProvincialParameter.UPSTREAM_LOSS, "0.013643"),
    (ProvincialParameter.SYSTEM_OPERATION, "0.072273"),
    (ProvincialParameter.GOVERNMENT_FUNDS, "0.045203"),
    (ProvincialParameter.GUARANTEED_PRICE, "0.558001"),
)
_SYSTEM_ITEMS = (("coal_capacity", "0.036657"), ("pumped_storage", "0.002316"), ("mechanism_difference", "0.019244"))
_FACTORS = (("SHARP", "2.04"), ("PEAK", "1.7"), ("FLAT", "1"), ("VALLEY", "0.45"), ("DEEP_VALLEY", "0.2"))
_NETWORK = {TariffType.SINGLE: (210_307, 190_303, 170_309), TariffType.TWO_PART: (136_301, 126_309, 106_501)}
_WORKDAY = "VALLEY 00:00 06:00, FLAT 06:00 12:00, DEEP_VALLEY 12:00 14:00, FLAT 14:00 16:00, PEAK 16:00 18:00, "
_WORKDAY += "SHARP 18:00 20:00, PEAK 20:00 24:00"
_INDUSTRY = "VALLEY 00:00 08:00, PEAK 08:00 11:15, FLAT 11:15 17:00, PEAK 17:00 22:00, FLAT 22:00 24:00"
_WEEKEND = "VALLEY 00:00 08:00, FLAT 08:00 24:00"


def made_up_province(*months: date, energy_less_uyuan_per_kwh: int = 0) -> ProvinceDocument:
    """Return the province's document: prices of each of the months, named by their first days, and the calendars.

    :param energy_less_uyuan_per_kwh: what the agency's energy costs less in each month than in the one before
    """
    return ProvinceDocument(
        province=PROVINCE,
        voltage_classes=VOLTAGE_CLASSES,
        publications=tuple(
            Publication(
                publication_id=f"table-{month:%Y-%m}",
                document=f"made up, {month:%Y-%m}",
                source=_SOURCE,
                mark=Mark.SECONDARY,
                effective_from=month,
                effective_to=next_month(month),
                values=_values(_AGENCY_ENERGY_UYUAN_PER_KWH - number * energy_less_uyuan_per_kwh),
            )
            for number, month in enumerate(months)
        ),
        calendars=tuple(
            calendar
            for month in months
            for calendar in (
                _calendar(month, "ordinary", CalendarScope(), _WORKDAY),
                _calendar(month, INDUSTRY, CalendarScope(user_classes=(INDUSTRY,)), _INDUSTRY),
            )
        ),
        holiday_years=tuple(HolidayYear(year, ()) for year in sorted({month.year for month in months})),
    )


def _values(agency_energy_uyuan_per_kwh: int) -> tuple[ValueRow, ...]:
    values = [ValueRow(parameter=parameter, value=text, unit="yuan/kWh") for parameter, text in _COMPONENTS]
    values.append(_price(ProvincialParameter.AGENCY_ENERGY, agency_energy_uyuan_per_kwh))
    values += [
        ValueRow(parameter=ProvincialParameter.SYSTEM_OPERATION_ITEM, value=text, unit="yuan/kWh", item=item)
        for item, text in _SYSTEM_ITEMS
    ]
    for tariff_type, prices in _NETWORK.items():
        values += [
            _price(ProvincialParameter.NETWORK_TARIFF, price, voltage_class=voltage, tariff_type=tariff_type)
            for voltage, price in zip(VOLTAGE_CLASSES, prices, strict=False)
        ]
    for parameter, text, unit in (
        (ProvincialParameter.DEMAND_PRICE, "42", "yuan/kW-month"),
        (ProvincialParameter.CAPACITY_PRICE, "26.3", "yuan/kVA-month"),
    ):
        values += [ValueRow(parameter=parameter, value=text, unit=unit, voltage_class=one) for one in VOLTAGE_CLASSES]
    values += [
        ValueRow(parameter=ProvincialParameter.TOU_FACTOR, value=text, unit="1", period=period)
        for period, text in _FACTORS
    ]
    floating = "energy+loss+system"
    values.append(ValueRow(parameter=ProvincialParameter.FLOATING_COMPONENTS, value=floating, unit="components"))
    return tuple(values)


def _price(
    parameter: ProvincialParameter,
    uyuan: int,
    *,
    voltage_class: str | None = None,
    tariff_type: TariffType | None = None,
) -> ValueRow:
    text = f"{uyuan // 1_000_000}.{uyuan % 1_000_000:06d}"
    return ValueRow(
        parameter=parameter, value=text, unit="yuan/kWh", voltage_class=voltage_class, tariff_type=tariff_type
    )


def _calendar(month: date, name: str, scope: CalendarScope, workday: str) -> CalendarRow:
    name_of_month = f"{name}-{month:%Y-%m}"
    months = tuple(range(1, 13))
    return CalendarRow(
        calendar_id=name_of_month,
        document=_SOURCE,
        source=_SOURCE,
        mark=Mark.SECONDARY,
        effective_from=month,
        effective_to=next_month(month),
        replaces=None if name != INDUSTRY else f"ordinary-{month:%Y-%m}",
        scope=scope,
        publicised_as=_SOURCE,
        patterns=(
            DayPatternRow(months=months, day_types=(DayType.WORKDAY,), periods=_periods(workday)),
            DayPatternRow(months=months, day_types=(DayType.WEEKEND, DayType.HOLIDAY), periods=_periods(_WEEKEND)),
        ),
    )


def _periods(text: str) -> tuple[ClockPeriod, ...]:
    return tuple(ClockPeriod(*period.split()) for period in text.split(", "))
