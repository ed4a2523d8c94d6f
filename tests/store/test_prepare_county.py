import json
import stat
from pathlib import Path

import msgspec
import pytest
from sqlmodel import Session, select

from edge.contract.registry import Registry, encode_registry
from hub.store.engine import open_engine
from hub.store.registry import NoCountyError, load_registry, positions_of
from hub.store.tables import BalanceUnitRow
from hub.usecases.prepare_county import HUB_USER, PrepareError, issue_credentials, load_county


def write(folder: Path, registry: Registry) -> Path:
    path = folder / "registry.json"
    path.write_bytes(encode_registry(registry))
    return path


def in_tree_order(registry: Registry) -> Registry:
    by_id = {unit.unit_id: unit for unit in registry.units}
    return msgspec.structs.replace(registry, units=tuple(by_id[name] for name in ("county", "F1", "A001", "A002")))


def test_the_registry_comes_back_as_it_was_written(database_url: str, tmp_path: Path, small_registry: Registry) -> None:
    engine = open_engine(database_url)
    with Session(engine) as session, pytest.raises(NoCountyError):
        load_registry(session)
    assert load_county(engine, write(tmp_path, small_registry)) == small_registry
    assert load_county(engine, write(tmp_path, small_registry)) == small_registry
    with Session(engine) as session:
        assert load_registry(session) == in_tree_order(small_registry)
        units = {row.unit_id: row.parent for row in session.exec(select(BalanceUnitRow)).all()}
    engine.dispose()
    assert units == {"county": -1, "F1": 0, "A001": 1, "A002": 1}
    assert positions_of(small_registry).unit == {"county": 0, "F1": 1, "A001": 2, "A002": 3}
    assert positions_of(small_registry).meter["M000004"] == 3


def test_another_registry_is_refused_and_changes_nothing(
    migrated_sqlite_url: str, tmp_path: Path, small_registry: Registry
) -> None:
    engine = open_engine(migrated_sqlite_url)
    load_county(engine, write(tmp_path, small_registry))
    other = msgspec.structs.replace(small_registry, county="c2")
    with pytest.raises(PrepareError, match="another registry"):
        load_county(engine, write(tmp_path, other))
    with Session(engine) as session:
        assert load_registry(session) == in_tree_order(small_registry)
    engine.dispose()


def test_a_file_that_cannot_be_used_gets_one_line(
    migrated_sqlite_url: str, tmp_path: Path, small_registry: Registry
) -> None:
    engine = open_engine(migrated_sqlite_url)
    point = small_registry.metering_points[0]
    gateways = small_registry.gateways
    replace = msgspec.structs.replace
    unsorted = ("M000006", "M000005", "M000004")
    bad = {
        "meter M000001 has no channels": _with_point(small_registry, replace(point, channels=())),
        "in order of id": replace(small_registry, gateways=(gateways[0], replace(gateways[1], meter_ids=unsorted))),
        "outside A-Z": replace(small_registry, county="no/county"),
        "unit X is unknown": _with_point(small_registry, replace(point, unit_id="X")),
    }
    for what, registry in bad.items():
        with pytest.raises(PrepareError, match=what) as error:
            load_county(engine, write(tmp_path, registry))
        assert "\n" not in str(error.value)
    (tmp_path / "nonsense.json").write_text("{")
    for name in ("nonsense.json", "missing.json"):
        with pytest.raises(PrepareError, match=name):
            load_county(engine, tmp_path / name)
    with Session(engine) as session, pytest.raises(NoCountyError):
        load_registry(session)
    engine.dispose()


def test_credentials_are_private_unguessable_and_stay(tmp_path: Path) -> None:
    folder = tmp_path / "credentials"
    issued = issue_credentials(folder, ["G0001", "G0002", HUB_USER], "127.0.0.1", 1883)
    assert issue_credentials(folder, ["G0001", "G0002", HUB_USER], "127.0.0.1", 1883) == issued
    document = json.loads((folder / "G0001.json").read_text())
    assert set(document) == {"user", "password", "client_id", "host", "port"}
    assert document["user"] == "G0001"
    assert document["client_id"].startswith("G0001-")
    secrets = {part for one in issued.values() for part in (one.password, one.client_id.split("-")[1])}
    assert len(secrets) == 6
    assert all(len(secret) == 32 for secret in secrets)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_credentials_for_another_broker_are_refused(tmp_path: Path) -> None:
    issue_credentials(tmp_path, [HUB_USER], "127.0.0.1", 1883)
    with pytest.raises(PrepareError, match="1883"):
        issue_credentials(tmp_path, [HUB_USER], "127.0.0.1", 1884)
    (tmp_path / "G0001.json").write_text("[]")
    with pytest.raises(PrepareError, match="not a credential"):
        issue_credentials(tmp_path, ["G0001"], "127.0.0.1", 1883)


def _with_point(registry: Registry, point: object) -> Registry:
    return msgspec.structs.replace(registry, metering_points=(point, *registry.metering_points[1:]))
