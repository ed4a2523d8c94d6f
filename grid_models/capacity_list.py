"""The list of hosting capacity that a county publishes (requirements rows 137 and 164), as CSV, GeoJSON and JSON.

The same entries give the same bytes. Power is in whole kW, room rounded down, what uses room rounded up.
"""

import csv
import io
from collections.abc import Iterable, Sequence

import msgspec

GEOJSON_MEDIA_TYPE = "application/geo+json"
CSV_MEDIA_TYPE = "text/csv; charset=utf-8"


class CapacityEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One county, station, feeder, transformer area or microgrid of the list.

    unit, parent: ids, no parent for the county. elements: names of the lines or transformers of its edge.
    connected_kw: distributed generation installed in it and below; registered_kw: registered, not connected yet.
    capacity_min_kw, capacity_max_kw: what it can carry by its own figures, what is connected included, without and with
    all planned storage (by the 2019 edition both are what is connected and what can be added).
    c1_kw: capacity_min less connected; c2_kw: C1 less registered; negative where there is too much.
    open_c1_kw, open_c2_kw: what can be connected now: the least of it and its superiors, at least 0, 0 where red.
    grade: green, yellow or red, never better than a superior's; limited_by: the unit that decides it.
    hosting_kw: further generation that the AC power flow allows, with the element and limit that bind; None where it
    was not computed. reverse_kw: largest reverse power of the period, negative: it always imports;
    reverse_load_mpercent: of the rating, thousandths of a percent; reverse_alert: above the limit;
    reverse_into_high_voltage: up into 110 kV and above. None: not known.
    short_circuit, voltage_deviation, harmonics: "passed", "failed" or "not_assessed".
    edition: of the standard. assessed_at: local time (UTC+8).
    """

    unit: str
    parent: str | None
    kind: str
    elements: str
    rated_kva: int
    connected_kw: int
    registered_kw: int
    capacity_min_kw: int
    capacity_max_kw: int
    c1_kw: int
    c2_kw: int
    open_c1_kw: int
    open_c2_kw: int
    grade: str
    limited_by: str
    hosting_kw: int | None
    hosting_element: str | None
    hosting_limit: str | None
    reverse_kw: int | None
    reverse_load_mpercent: int | None
    reverse_alert: bool | None
    reverse_into_high_voltage: bool | None
    short_circuit: str
    voltage_deviation: str
    harmonics: str
    edition: str
    assessed_at: str


class CapacityFeature(msgspec.Struct, frozen=True):
    """An entry and where it is. geometry: GeoJSON geometry as text, None where the network has no coordinates."""

    entry: CapacityEntry
    geometry: str | None


ENTRY_FIELDS = CapacityEntry.__struct_fields__
"""Names of an entry's fields in their order: the header of the CSV file and the properties in GeoJSON."""


def csv_bytes(entries: Iterable[CapacityEntry]) -> bytes:
    """Return the list as CSV (RFC 4180) in UTF-8 with a header; the unit is the last part of a column's name.

    A byte-order mark tells spreadsheets that the text is UTF-8. What is not known is an empty field.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(ENTRY_FIELDS)
    writer.writerows([_field(getattr(entry, name)) for name in ENTRY_FIELDS] for entry in entries)
    return text.getvalue().encode("utf-8-sig")


def geojson_bytes(features: Sequence[CapacityFeature]) -> bytes:
    """Return the list as a GeoJSON FeatureCollection (RFC 7946), a feature an entry, its id the unit's."""
    return msgspec.json.encode(
        {
            "type": "FeatureCollection",
            "features": [
                {
                    "type": "Feature",
                    "id": feature.entry.unit,
                    "geometry": None if feature.geometry is None else msgspec.Raw(feature.geometry.encode()),
                    "properties": feature.entry,
                }
                for feature in features
            ],
        }
    )


def json_bytes(entries: Sequence[CapacityEntry]) -> bytes:
    """Return the list as a JSON array."""
    return msgspec.json.encode(entries)


def _field(value: str | int | bool | None) -> str | int:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case _:
            return value
