"""`microbalance listing`: file in, result out; a broken line is one line on stderr and nothing else happens."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from hub.listing_cli import app
from hub.market.listing.documents import DOCUMENTS, ListingDocument, PublicDocument
from hub.market.listing.events import Event

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "market"
WEIGHTED_MEAN = GOLDEN / "LIST-13" / "weighted-mean.events.jsonl"
ANONYMOUS = GOLDEN / "DIS-02" / "anonymous.events.jsonl"
OFF_LOT = GOLDEN / "LIST-19" / "logged.events.jsonl"


def call(*arguments: Any) -> Any:
    return CliRunner().invoke(app, [str(one) for one in arguments])


def test_deals_quotas_and_publication_come_out_as_json() -> None:
    ended = call(WEIGHTED_MEAN, "--json")
    assert (ended.exit_code, ended.stderr) == (0, "")
    document = msgspec.json.decode(ended.stdout, type=ListingDocument)
    session = document.sessions[0]
    assert session.results[0].mean_price_uyuan_per_kwh == 566_667
    assert [(deal.seller_id, deal.buyer_id, deal.energy_wh) for deal in session.deals] == [
        ("gen", "ret", 10**9),
        ("gen", "ret", 2 * 10**9),
    ]
    assert [(row.holder_id, row.sold_wh, row.bought_wh) for row in document.quotas] == [
        ("gen", 3 * 10**9, 0),
        ("ret", 0, 3 * 10**9),
    ]
    assert call(WEIGHTED_MEAN, "--json").stdout == ended.stdout


def test_a_refused_event_is_listed_with_line_and_reason() -> None:
    ended = call(OFF_LOT)
    assert ended.exit_code == 0
    number = 1 + next(
        place for place, line in enumerate(OFF_LOT.read_text().splitlines()) if '"energy_wh": 250000000' in line
    )
    assert f"refused line {number} place_listing place_listing-" in ended.stdout
    assert "off-lot" in ended.stdout
    assert "mean price 0.400000 yuan/kWh" in ended.stdout


@pytest.mark.parametrize("options", [["--public"], ["--public", "--json"]])
def test_the_public_view_names_nobody(options: list[str]) -> None:
    ended = call(ANONYMOUS, *options)
    assert ended.exit_code == 0
    assert "secret" not in ended.stdout
    assert "M04" in ended.stdout
    if "--json" in options:
        assert msgspec.json.decode(ended.stdout, type=PublicDocument).sessions[0].listings[0].open_wh == 200 * 10**6


GOOD = '{"event":"open_session","event_id":"a","at":"2026-03-06T10:00:00+08:00","actor":"x","session_id":"s"}'


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "truncated"),
        ("", "empty"),
        ("[]", "object"),
        ("{}", "event"),
        (GOOD.replace("open_session", "nosuch"), "nosuch"),
        (GOOD.replace('"a"', '"a b"'), "event_id"),
        (GOOD.replace('"a"', '"a\\n"'), "event_id"),
        (GOOD.replace("+08:00", ""), "at"),
        (GOOD.replace('"s"}', '"s","more":1}'), "more"),
        (GOOD.replace(',"session_id":"s"', ""), "session_id"),
        ("\udcff".join(("", GOOD)), "line 2"),
    ],
)
def test_a_broken_line_is_named_and_nothing_is_half_done(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes("\n".join((GOOD, line, GOOD, "")).encode(errors="surrogateescape"))
    ended = call(path, "--json")
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert len(ended.stderr.splitlines()) == 1
    assert "line 2: " in ended.stderr
    assert words in ended.stderr


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    ended = call(tmp_path / "nosuch")
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert "No such file" in ended.stderr


def test_an_empty_file_is_no_event(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    document = json.loads(call(tmp_path / "empty", "--json").stdout)
    assert document["counts"] == {"submitted": 0, "accepted": 0, "refused": 0, "repeated": 0}


def test_every_document_has_a_schema_and_the_input_lists_its_events() -> None:
    schemas = {name: msgspec.json.schema(type_) for name, type_ in DOCUMENTS.items()}
    assert list(schemas) == ["listing", "listing-result", "listing-public"]
    kinds = {entry["$ref"].split("/")[-1] for entry in schemas["listing"]["anyOf"]}
    assert kinds == {kind.__name__ for kind in Event.__args__}
    assert "participant_id" not in json.dumps(schemas["listing-public"])
