"""The demo county: what hangs where, who trades how, which rows drive the day, the same bytes for the same seed."""

import hashlib
import json
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import fields
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from edge.contract.interval import first_interval_of_day
from edge.contract.messages import BATTERY_CHARGE, BATTERY_DISCHARGE, GENERATION, IMPORT
from edge.contract.registry import (
    MeterKind,
    SaleMode,
    SellerClass,
    SupplyMode,
    UnitKind,
    UserCategory,
    decode_registry,
    encode_registry,
)
from simulators.county.county_builder import County, build_county
from simulators.county.network_cache import CachedCase, case_folder
from simulators.county.parameters import ROWS_AFTER_DAY, ROWS_BEFORE_DAY
from simulators.county.world_files import profile_rows
from simulators.world.county_files import ProfileColumns, read_profile_columns, read_world_file
from simulators.world.model import WorldModel

MARKET_KINDS = {MeterKind.LOAD, MeterKind.GENERATOR, MeterKind.PROSUMER, MeterKind.MICROGRID_GATEWAY}


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_another_seed_is_another_county_and_another_day_the_same_one(case: CachedCase, county: County) -> None:
    other_seed = build_county(case.network, case.profiles, 2, date(2016, 5, 17))
    assert other_seed.registry != county.registry
    other_day = build_county(case.network, case.profiles, 1, date(2016, 12, 21))
    assert other_day.registry == county.registry
    assert not np.array_equal(other_day.profiles.load_p_factor, county.profiles.load_p_factor)


def test_every_load_and_generator_is_behind_exactly_one_meter_of_its_bus(county: County) -> None:
    points = county.registry.metering_points
    for columns, point_of_element in (
        (county.network.loads, county.profiles.load_point),
        (county.network.generators, county.profiles.generator_point),
    ):
        assert len(point_of_element) == len(columns) > 0
        for element, point in enumerate(point_of_element.tolist()):
            assert points[point].bus == county.network.buses.name[int(columns.bus[element])]
    driven = set(county.profiles.load_point.tolist()) | set(county.profiles.generator_point.tolist())
    batteries = {battery.meter_id for battery in county.world.batteries}
    for position, point in enumerate(points):
        has_devices = position in driven or point.meter_id in batteries
        assert has_devices == (point.kind in MARKET_KINDS - {MeterKind.MICROGRID_GATEWAY} | {MeterKind.INTERNAL})
    assert len(batteries) == len(county.world.batteries) == 253


def test_registry_reads_back_and_covers_the_tree(county: County) -> None:
    registry = decode_registry(encode_registry(county.registry))
    assert registry == county.registry
    units = {unit.unit_id: position for position, unit in enumerate(registry.units)}
    assert registry.units[0].kind is UnitKind.COUNTY
    assert all(units[unit.parent_id] < units[unit.unit_id] for unit in registry.units if unit.parent_id is not None)
    kinds = Counter(unit.kind for unit in registry.units)
    assert (kinds[UnitKind.AREA], kinds[UnitKind.MICROGRID], kinds[UnitKind.STATION]) == (89, 1, 1)
    edge_meters = defaultdict(list)
    for point in registry.metering_points:
        if point.kind in {MeterKind.AREA_SUMMARY, MeterKind.MICROGRID_GATEWAY, MeterKind.COUNTY_GATEWAY}:
            edge_meters[point.unit_id].append(point.kind)
    for unit in registry.units:
        expected = {
            UnitKind.AREA: [MeterKind.AREA_SUMMARY],
            UnitKind.MICROGRID: [MeterKind.MICROGRID_GATEWAY],
            UnitKind.COUNTY: [MeterKind.COUNTY_GATEWAY],
        }
        assert edge_meters[unit.unit_id] == expected.get(unit.kind, [])


def test_one_gateway_for_each_area_each_medium_voltage_bus_and_the_county(county: County) -> None:
    registry = county.registry
    by_id = {point.meter_id: point for point in registry.metering_points}
    listed = [meter_id for gateway in registry.gateways for meter_id in gateway.meter_ids]
    assert sorted(listed) == sorted(by_id)
    kind_of_unit = {unit.unit_id: unit.kind for unit in registry.units}
    for gateway in registry.gateways:
        points = [by_id[meter_id] for meter_id in gateway.meter_ids]
        assert {point.unit_id for point in points} == {gateway.unit_id}
        if kind_of_unit[gateway.unit_id] in {UnitKind.STATION, UnitKind.FEEDER}:
            assert len({point.bus for point in points}) == 1
    per_unit = Counter(gateway.unit_id for gateway in registry.gateways)
    areas = [unit for unit, kind in kind_of_unit.items() if kind in {UnitKind.AREA, UnitKind.MICROGRID}]
    assert all(per_unit[unit] == 1 for unit in [*areas, "county"])
    medium_voltage_buses = {point.bus for point in registry.metering_points if point.voltage_class == "10(20)kV"}
    assert len(registry.gateways) == len(areas) + 1 + len(medium_voltage_buses) == 107


def test_edge_limits_are_the_ratings_of_the_named_elements(county: County) -> None:
    transformers = county.network.transformers
    rating_mva = dict(zip(transformers.name, transformers.rating_mva.tolist(), strict=True))
    for unit in county.registry.units:
        if unit.kind in {UnitKind.AREA, UnitKind.MICROGRID, UnitKind.STATION}:
            rating = sum(rating_mva[name] for name in unit.elements)
            assert unit.import_limit_wh == round(rating * 250_000)
            assert unit.export_limit_wh == round(rating * 200_000)


def test_the_microgrid_trades_at_its_gateway_only(county: County) -> None:
    unit = next(unit for unit in county.registry.units if unit.kind is UnitKind.MICROGRID)
    inside = [point for point in county.registry.metering_points if point.unit_id == unit.unit_id]
    gateway, *internal = inside
    assert gateway.kind is MeterKind.MICROGRID_GATEWAY
    assert (gateway.supply_mode, gateway.sale_mode) == (SupplyMode.DIRECT, SaleMode.DIRECT)
    assert {point.kind for point in internal} == {MeterKind.INTERNAL}
    assert {(point.supply_mode, point.sale_mode) for point in internal} == {(SupplyMode.NONE, SaleMode.NONE)}
    owners = {p.participant_id: p.seller_class for p in county.registry.participants}
    assert {owners[point.participant_id] for point in inside} == {SellerClass.MICROGRID_OPERATOR}
    (microgrid,) = county.world.microgrids
    assert set(microgrid.inside_meter_ids) == {point.meter_id for point in internal}
    battery = next(b for b in county.world.batteries if b.name == microgrid.battery)
    assert not battery.valley_charging
    assert battery.name in county.network.storages.name
    assert battery.meter_id in microgrid.inside_meter_ids


def test_installed_capacity_is_the_networks_and_each_plant_counts_once(county: County) -> None:
    """42.12 MW stand in the network; the meters may export 1.5 times as much, margin and batteries included."""
    network_w = round(float(county.network.generators.p_mw.sum()) * 1e6)
    installed = [point.installed_capacity_w for point in county.registry.metering_points]
    assert all(power_w is not None for power_w in installed)
    assert sum(filter(None, installed)) == network_w == 42_122_500
    for point in county.registry.metering_points:
        assert point.installed_capacity_w is not None
        if point.kind in {MeterKind.COUNTY_GATEWAY, MeterKind.AREA_SUMMARY, MeterKind.MICROGRID_GATEWAY}:
            assert point.installed_capacity_w == 0
        assert point.installed_capacity_w <= point.export_capacity_w


def test_channels_and_modes_fit_what_stands_behind_the_meter(county: County) -> None:
    world = {prosumer.meter_id: prosumer for prosumer in county.world.prosumers}
    owners = {p.participant_id: p.seller_class for p in county.registry.participants}
    for point in county.registry.metering_points:
        prosumer = world.get(point.meter_id)
        assert point.channels[0] == IMPORT
        assert (GENERATION in point.channels) == bool(prosumer and prosumer.generators)
        assert (BATTERY_CHARGE in point.channels) == bool(prosumer and prosumer.battery)
        assert (BATTERY_DISCHARGE in point.channels) == (BATTERY_CHARGE in point.channels)
        match point.kind:
            case MeterKind.LOAD:
                assert (point.sale_mode, point.export_capacity_w) == (SaleMode.NONE, 0)
                assert point.import_capacity_w > 1000
            case MeterKind.GENERATOR:
                assert point.sale_mode is not SaleMode.NONE
                assert point.clean
                utility = owners[point.participant_id] is SellerClass.DSO_OWN_GENERATION
                assert not utility or point.sale_mode is SaleMode.PURCHASE
                assert point.export_capacity_w > 1000
            case MeterKind.PROSUMER:
                assert owners[point.participant_id] is SellerClass.PROSUMER
                assert point.sale_mode is not SaleMode.NONE
            case MeterKind.AREA_SUMMARY | MeterKind.COUNTY_GATEWAY:
                assert (point.supply_mode, point.sale_mode) == (SupplyMode.NONE, SaleMode.NONE)
        if point.kind in MARKET_KINDS:
            assert point.supply_mode is not SupplyMode.NONE
            assert point.category is not None
            commercial = point.category is UserCategory.COMMERCIAL_INDUSTRIAL
            assert point.supply_mode in {SupplyMode.DIRECT, SupplyMode.AGENCY if commercial else SupplyMode.GUARANTEED}


def test_shares_are_about_what_the_parameters_say(county: County, case: CachedCase) -> None:
    points = county.registry.metering_points
    pv = [g for g, kind in enumerate(case.network.generators.kind) if kind.startswith("PV")]
    loads = case.network.loads
    households = {bus for bus, name in zip(loads.bus.tolist(), loads.profile, strict=True) if name.startswith("H0")}
    kind_of = [points[point].kind for point in county.profiles.generator_point.tolist()]
    bus_of = case.network.generators.bus.tolist()
    at_household = [g for g in pv if bus_of[g] in households and kind_of[g] is not MeterKind.INTERNAL]
    assert np.mean([kind_of[g] is MeterKind.PROSUMER for g in at_household]) == pytest.approx(0.7, abs=0.06)
    owners = {p.participant_id: p.seller_class for p in county.registry.participants}
    owner_of = [owners[points[point].participant_id] for point in county.profiles.generator_point.tolist()]
    assert np.mean([owner_of[g] is SellerClass.DSO_OWN_GENERATION for g in pv]) == pytest.approx(0.1, abs=0.04)
    sellers = [
        p for p in points if p.kind is MeterKind.GENERATOR or (p.kind in MARKET_KINDS and GENERATION in p.channels)
    ]
    modes = Counter(point.sale_mode for point in sellers)
    assert modes[SaleMode.DIRECT] / len(sellers) == pytest.approx(0.5, abs=0.08)
    assert modes[SaleMode.COMMISSION] / len(sellers) == pytest.approx(0.25, abs=0.08)
    shares = {UserCategory.RESIDENTIAL: 0.35, UserCategory.AGRICULTURAL: 0.4, UserCategory.COMMERCIAL_INDUSTRIAL: 0.6}
    for category, share in shares.items():
        users = [p for p in points if p.kind in {MeterKind.LOAD, MeterKind.PROSUMER} and p.category is category]
        direct = sum(point.supply_mode is SupplyMode.DIRECT for point in users)
        assert direct / len(users) == pytest.approx(share, abs=0.07)


def test_rows_count_from_new_year_whatever_their_labels_say(case: CachedCase, county: County) -> None:
    first = first_interval_of_day(date(2016, 5, 17))
    columns = county.profiles
    for position in (-2, 0, 50, 95):
        row = columns.row_of_interval(first + position)
        year_row = 137 * 96 + position
        assert np.array_equal(columns.load_p_factor[row], case.profiles.load_p.factor[year_row])
        assert np.array_equal(columns.load_q_factor[row], case.profiles.load_q.factor[year_row])
        assert np.array_equal(columns.generator_p_factor[row], case.profiles.generator_p.factor[year_row])


@pytest.mark.parametrize(
    ("day", "position", "year_row"),
    [("2016-01-01", -2, 35_134), ("2016-12-31", 96, 0), ("2016-05-17", 0, 137 * 96), ("2025-05-17", 0, 137 * 96)],
)
def test_rows_wrap_at_the_edges_of_the_year(day: str, position: int, year_row: int) -> None:
    rows = profile_rows(date.fromisoformat(day), 366 * 96)
    assert rows[ROWS_BEFORE_DAY + position] == year_row
    assert len(rows) == 96 + ROWS_BEFORE_DAY + ROWS_AFTER_DAY


def test_a_world_past_its_rows_repeats_the_last_day(county: County) -> None:
    columns = county.profiles
    last = int(columns.first_interval) + len(columns.load_p_factor) - 1
    assert columns.row_of_interval(last + 1) == columns.row_of_interval(last + 1 - 96)
    assert columns.row_of_interval(last + 5 * 96) == columns.row_of_interval(last)


def test_files_read_back(county: County, county_folder: Path, model: WorldModel) -> None:
    assert read_world_file(county_folder) == county.world
    columns = read_profile_columns(county_folder)
    for field in fields(ProfileColumns):
        assert np.array_equal(getattr(columns, field.name), getattr(county.profiles, field.name))
    assert model.registry == county.registry
    assert model.network.storages.name == county.network.storages.name


def test_the_same_seed_gives_the_same_bytes_from_another_process(county_folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "microbalance", "county", "--out", str(tmp_path / "c"), "--seed", "1"]
    result = subprocess.run([*command, "--day", "2016-05-17", "--json"], capture_output=True, text=True, check=True)
    assert hashes(tmp_path / "c") == hashes(county_folder)
    assert sorted(hashes(county_folder)) == ["network.json", "profiles.npz", "registry.json", "world.json"]
    document = json.loads(result.stdout)
    assert document["network_from_cache"] is True
    assert document["counts"]["total"]["metering_points"] == sum(document["counts"]["metering_points"].values())


@pytest.mark.parametrize("arguments", [["--day", "2016-02-30"], ["--out", "/dev/null/county"]])
def test_bad_command_line_says_one_line_and_ends_with_2(arguments: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "microbalance", "county", "--out", str(tmp_path / "c"), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, len(result.stderr.splitlines())) == (2, "", 1)


def test_a_damaged_cache_is_named(tmp_path: Path) -> None:
    damaged = case_folder(tmp_path)
    damaged.mkdir()
    (damaged / "network.json").write_text("{}")
    command = [sys.executable, "-m", "microbalance", "county", "--out", str(tmp_path / "c"), "--cache", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, len(result.stderr.splitlines())) == (2, 1)
    assert str(damaged) in result.stderr
