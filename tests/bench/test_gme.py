"""`microbalance bench gme`: hand-made hours in the format of the real ones, a wrong price, and broken folders."""

import gzip
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from grid_models.bench.cli import app
from grid_models.bench.measuring import BenchError, Workbench
from hub.bench import gme

HOUR = "2025-04-01T00:00:00+02:00"
LINKS = [
    ("CNOR", "CSUD", -100, 100),
    ("CNOR", "NORD", -1000, 1000),
    ("CSUD", "SARD", -50, 50),
    ("CSUD", "SUD", -30, 40),
    ("CALA", "SUD", -500, 500),
    ("CALA", "SICI", -500, 500),
    ("FRAN", "NORD", -20, 60),
    ("COUP", "XAUS", -5, 5),
]
"""South sends at most 30 MWh to CSUD, CNOR at most 100; France takes at most 20 MWh and sells at most 60."""
ORDERS = [
    ("NORD", "supply", "10.0", "200.0"),
    ("NORD", "demand", "4000.0", "50.0"),
    ("CSUD", "demand", "4000.0", "140.0"),
    ("CSUD", "supply", "80.5", "60.0"),
    ("SUD", "supply", "-3.25", "300.000000001"),
    ("SICI", "demand", "4000.0", "20.0"),
]
"""CSUD wants 140: 30 from the south and 100 from the north, 10 of its own at 80.5. The south is left at -3.25. The
north serves its 50 and sends 100; France, at 12, takes 20 of the rest, so that 10.0 is the margin there."""
PRICES = {
    "CSUD": "80.5",
    "SARD": "80.5",
    "SUD": "-3.25",
    "CALA": "-3.25",
    "SICI": "-3.25",
    "CNOR": "10.0",
    "NORD": "10.0",
    "FRAN": "12.0",
    "XAUS": "7.0",
    "COUP": "7.0",
}


def write(folder: Path, name: str, header: str, rows: list[tuple[object, ...]]) -> None:
    lines = [header, *(",".join(map(str, row)) for row in rows)]
    (folder / name).write_bytes(gzip.compress("\n".join(lines).encode()))


def write_folder(folder: Path, prices: dict[str, str] = PRICES) -> Path:
    folder.mkdir(exist_ok=True)
    key = (HOUR, "2025-04-01", 1)
    write(
        folder,
        gme.PRICES,
        "timestamp,delivery_day,period,zone,price_eur_per_mwh",
        [(*key, zone, price) for zone, price in prices.items()],
    )
    write(
        folder,
        gme.LINKS,
        "timestamp,delivery_day,period,id,from_zone,to_zone,min_flow_mwh,max_flow_mwh",
        [(*key, f"{start}_{end}", start, end, low, high) for start, end, low, high in LINKS],
    )
    write(
        folder,
        gme.BOOKS,
        "timestamp,delivery_day,period,zone,side,price_eur_per_mwh,quantity_mwh",
        [(*key, *order) for order in ORDERS],
    )
    return folder


def run_bench(*arguments: str) -> tuple[int, str, str]:
    outcome = CliRunner().invoke(app, list(arguments), obj={"gme": ("hub.bench.gme", "Italian prices.")})
    return outcome.exit_code, outcome.stdout, outcome.stderr


def test_every_published_price_is_reproduced(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "data")
    status, out, err = run_bench("gme", "--data", str(folder), "--runs", "1", "--json")
    assert (status, err) == (0, "")
    (row,) = json.loads(out)["benches"]["gme"]["rows"]
    assert row["agreed"] == "7 of 7 published zone prices"


@pytest.mark.parametrize("zone", gme.ZONES)
def test_a_single_other_price_fails(tmp_path: Path, zone: str) -> None:
    folder = write_folder(tmp_path / "data", PRICES | {zone: "10.00001"})
    status, out, err = run_bench("gme", "--data", str(folder), "--runs", "1")
    assert status == 1
    assert "| clear" not in out
    assert err.startswith("microbalance bench gme: 1 of 7 published prices differ (EUR/MWh): " + zone)
    assert len(err.splitlines()) == 1


def test_a_missing_folder_or_file_is_refused(tmp_path: Path) -> None:
    status, _, err = run_bench("gme", "--data", str(tmp_path / "nowhere"))
    assert status == 2
    assert "no such folder" in err
    status, _, err = run_bench("gme")
    assert (status, len(err.splitlines())) == (1, 1)
    assert "--data FOLDER is needed" in err
    folder = write_folder(tmp_path / "data")
    (folder / gme.LINKS).unlink()
    status, _, err = run_bench("gme", "--data", str(folder))
    assert (status, err.splitlines()) == (1, [f"microbalance bench gme: --data {folder}: no {gme.LINKS} in it"])


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        (gme.BOOKS, ("80.5,60.0", "cheap,60.0"), "line 5: 'cheap' is no number"),
        (gme.BOOKS, ("80.5,60.0", "80.5,nan"), "line 5: 'nan' is out of range"),
        (gme.BOOKS, ("80.5,60.0", "80.5,-60.0"), "line 5: -60.0 MWh is negative"),
        (gme.BOOKS, ("80.5,60.0", "80.5"), "line 5: too few columns"),
        (gme.BOOKS, ("80.5", "80.123456"), "line 5: 80.123456 has more than 5 decimals"),
        (gme.BOOKS, ("CSUD,demand", "ROMA,demand"), "line 4: no zone 'ROMA'"),
        (gme.BOOKS, ("CSUD,demand", "CSUD,barter"), "no side 'barter'"),
        (gme.BOOKS, ("2025-04-01T00", "2025-04-02T00"), "line 2: no published price at '2025-04-02T00"),
        (gme.BOOKS, ("zone,", "area,"), "no column zone"),
        (gme.LINKS, ("CSUD_SARD,CSUD,SARD", "X,NORD,SARD"), "NORD-SARD at 2025-04-01T00:00:00+02:00 is no edge"),
        (gme.LINKS, ("CSUD_SARD,CSUD,SARD", "X,COUP,XAUS"), "no link of SARD"),
        (gme.LINKS, ("SARD,-50,50", "SARD,10,50"), "line 4: flows from 10000000 to 50000000 Wh leave out 0"),
        (gme.PRICES, ("SARD,80.5", "ZZZZ,80.5"), "no price of SARD"),
        (gme.PRICES, ("FRAN", "ZZZZ"), "no price of FRAN"),
    ],
)
def test_a_broken_file_is_refused_with_file_line_and_reason(
    tmp_path: Path, workbench: Workbench, name: str, change: tuple[str, str], reason: str
) -> None:
    workbench.data = write_folder(tmp_path / "data")
    path = workbench.data / name
    text = gzip.decompress(path.read_bytes()).decode()
    assert change[0] in text
    path.write_bytes(gzip.compress(text.replace(*change, 1).encode()))
    with pytest.raises(BenchError) as refused:
        gme.measure(workbench)
    assert str(refused.value).startswith(name)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_truncated_file_is_refused(tmp_path: Path, workbench: Workbench) -> None:
    workbench.data = write_folder(tmp_path / "data")
    path = workbench.data / gme.BOOKS
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BenchError, match="cannot be read"):
        gme.measure(workbench)
    path.write_text("not compressed")
    with pytest.raises(BenchError, match="cannot be read"):
        gme.measure(workbench)
