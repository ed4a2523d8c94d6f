"""The registry file: what is written is read back, and a reference that leads nowhere is named."""

import msgspec
import pytest

from edge.contract.registry import (
    BalanceUnit,
    Gateway,
    MeteringPoint,
    MeterKind,
    Participant,
    Registry,
    RegistryError,
    SaleMode,
    SupplyMode,
    UnitKind,
    decode_registry,
    encode_registry,
)

ROOT = BalanceUnit("county", None, UnitKind.COUNTY, "110kV", 5, 5, ("trafo 1",))
AREA = BalanceUnit("A001", "county", UnitKind.AREA, "<1kV", None, None, ())
POINT = MeteringPoint(
    meter_id="M000001",
    gateway_id="G0001",
    unit_id="A001",
    bus="bus 1",
    kind=MeterKind.LOAD,
    channels=("1-0:1.8.0",),
    voltage_class="<1kV",
    participant_id="P00001",
    supply_mode=SupplyMode.DIRECT,
    sale_mode=SaleMode.NONE,
    category=None,
    clean=False,
    export_capacity_w=0,
    import_capacity_w=9_000,
)
GOOD = Registry(
    "c1", (ROOT, AREA), (Gateway("G0001", "s0", "A001", ("M000001",)),), (POINT,), (Participant("P00001", None),)
)
change = msgspec.structs.replace


def test_a_registry_is_read_back():
    assert decode_registry(encode_registry(GOOD)) == GOOD
    assert encode_registry(decode_registry(encode_registry(GOOD))) == encode_registry(GOOD)


@pytest.mark.parametrize(
    ("registry", "says"),
    [
        (change(GOOD, metering_points=(POINT, POINT)), "twice"),
        (change(GOOD, units=(ROOT, change(AREA, parent_id="A009"))), "A009"),
        (change(GOOD, units=(ROOT, change(AREA, parent_id=None))), "exactly one"),
        (change(GOOD, units=(change(ROOT, parent_id="A001"), AREA)), "exactly one"),
        (change(GOOD, metering_points=(change(POINT, unit_id="A009"),)), "A009"),
        (change(GOOD, metering_points=(change(POINT, participant_id="P9"),)), "P9"),
        (change(GOOD, metering_points=(change(POINT, gateway_id="G0009"),)), "G0009"),
        (change(GOOD, gateways=(Gateway("G0001", "s0", "A001", ()),)), "does not list"),
    ],
)
def test_a_reference_that_leads_nowhere_is_named(registry, says):
    with pytest.raises(RegistryError, match=says):
        decode_registry(encode_registry(registry))


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", b'{"x":' + b"[" * 100_000])
def test_what_is_no_registry_is_refused(data):
    with pytest.raises(RegistryError, match="not a registry"):
        decode_registry(data)
