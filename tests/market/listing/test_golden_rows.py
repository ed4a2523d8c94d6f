"""The acceptance lines of rows 3, 6-8, 30-49, 58, 135, 159-161, 166-180, in numbers, from golden folders."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from hub.market.event_log import check_log, record_of
from hub.market.listing.agency_purchase import (
    AgencyRules,
    agency_price_uyuan_per_kwh,
    annual_target_wh,
    mean_absolute_error_ppm,
    monthly_supplement_wh,
    price_of_period,
)
from hub.market.listing.available import available_wh
from hub.market.listing.checks import check_replayed, check_step
from hub.market.listing.contract_transfer import loss_without_transfer_nano_yuan, transfer_cash
from hub.market.listing.cross_province import (
    ExportLimits,
    benefit_adjustment,
    fair_export_wh,
    is_bid_within,
    settled_day_prices,
    settlement_factor_ppm,
)
from hub.market.listing.curves import Shares, decompose
from hub.market.listing.event_log import run
from hub.market.listing.events import decode_event, encode_event
from hub.market.listing.joint_storage import demand_response_nano_yuan, joint_net_wh
from hub.market.listing.listing_step import step
from hub.market.listing.market_state import Market, Trader
from hub.market.listing.session_calendar import Delivery
from hub.market.listing.views import listing_document, participant_session, public_document
from hub.market.registry.participant_classes import Direction
from hub.market.registry.periods import Period

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "market"
ALWAYS = Period(date(2025, 1, 1))


def case_of(row: str) -> dict[str, Any]:
    shared, own = GOLDEN / row / "case.json", GOLDEN / row / "listing.json"
    return json.loads((own if own.exists() else shared).read_text())


def event_cases() -> list[Any]:
    found = []
    for folder in sorted(GOLDEN.iterdir()):
        if list(folder.glob("*.events.jsonl")):
            found += [
                pytest.param(folder, one, id=f"{folder.name}/{one['name']}") for one in case_of(folder.name)["cases"]
            ]
    return found


def events_of(row: str, name: str) -> list[Any]:
    return [decode_event(line) for line in (GOLDEN / row / f"{name}.events.jsonl").read_bytes().splitlines()]


def after(row: str, name: str, *, until: str | None = None) -> Market:
    market = Market()
    for event in events_of(row, name):
        market, _ = step(market, event)
        if event.event_id == until:
            break
    return market


def is_part(expected: Any, actual: Any) -> bool:
    """Whether every key of `expected` has its value in `actual`; lists agree row by row."""
    if isinstance(expected, dict):
        return isinstance(actual, dict) and all(
            key in actual and is_part(value, actual[key]) for key, value in expected.items()
        )
    if isinstance(expected, list):
        return len(expected) == len(actual) and all(map(is_part, expected, actual))
    return bool(expected == actual)


def test_every_row_of_the_issue_has_a_golden_case() -> None:
    rows = [f"LIST-{number:02d}" for number in range(1, 21)]
    rows += ["ACT-03", "ACT-06", "ACT-07", "ACT-08", "STO-08", "SPOT-09", "DIS-01", "DIS-02", "DIS-03"]
    rows += [f"TRF-0{number}" for number in (1, 2, 3)]
    rows += [f"AGY-0{number}" for number in range(1, 8)] + [f"XPR-0{number}" for number in range(1, 6)]
    assert all(case_of(row)["row"] == row and case_of(row)["source"] for row in rows)


@pytest.mark.parametrize(("folder", "case"), event_cases())
def test_acceptance(folder: Path, case: dict[str, Any]) -> None:
    market, records = Market(), []
    for event in events_of(folder.name, case["name"]):
        before = market
        market, outcomes = step(before, event)
        records.append(record_of(records[-1] if records else None, event, outcomes))
        assert check_step(before, event, outcomes, market) == []
        said = json.loads(msgspec.json.encode(outcomes))
        wanted = case["outcomes"].get(event.event_id)
        if wanted is None:
            assert said[0]["outcome"] != "Refused", (event.event_id, said)
        else:
            assert is_part(wanted, said), (event.event_id, said)
    document = json.loads(msgspec.json.encode(listing_document(market, records)))
    assert is_part(case.get("document", {}), document), document
    assert check_replayed(records, market) == []


def test_row_36_and_160_nobodys_name_is_in_the_public_view_nor_in_the_other_partys_before_publication() -> None:
    market, records = run(events_of("DIS-02", "anonymous"))
    assert b"secret" not in msgspec.json.encode(public_document(market, records))
    session = market.sessions["M04"]
    seen_by_seller = msgspec.json.encode(participant_session(session, "secret-generator"))
    assert b"secret-retailer" not in seen_by_seller
    assert len(participant_session(session, "secret-generator").own_deals) == 1
    assert participant_session(session, "somebody").own_deals == []


def test_row_160_the_counterparty_is_named_after_publication() -> None:
    market = after("LIST-13", "weighted-mean")
    own = participant_session(market.sessions["M04"], "ret").own_deals
    assert [deal.counterparty_id for deal in own] == ["gen", "gen"]


def test_row_46_available_is_12000_mwh_in_lots_of_100() -> None:
    market = after("LIST-17", "occupied")
    session = market.sessions["M04"]
    assert available_wh(market, session, Trader("gen", None), Direction.SELL) == 12_000 * 10**6
    closed = after("LIST-17", "released")
    assert available_wh(closed, closed.sessions["M04"], Trader("gen", None), Direction.SELL) == 17_000 * 10**6


def test_row_47_thirds_of_1000_kwh() -> None:
    case = case_of("LIST-18")
    given = case["given"]
    delivery = Delivery(date.fromisoformat(given["from_day"]), date.fromisoformat(given["until_day"]))
    curve = Shares(month_weights=tuple(given["month_weights"]))
    periods = decompose(given["energy_wh"], delivery, curve, periods_per_day=24, step_wh=given["step_wh"])
    assert isinstance(periods, np.ndarray)
    months = np.split(periods, np.cumsum([30 * 24, 31 * 24]))
    assert [int(month.sum()) for month in months] == case["expected"]["months_wh"]


def test_row_48_an_altered_record_fails_and_all_after_it() -> None:
    _, records = run(events_of("LIST-19", "logged"))
    assert check_log(records) == []
    for place in range(len(records)):
        event = msgspec.structs.replace(records[place].event, actor="somebody else")
        altered = [*records[:place], msgspec.structs.replace(records[place], event=event), *records[place + 1 :]]
        assert [violation.where for violation in check_log(altered)] == [
            f"record {number}" for number in range(place + 1, len(records) + 1)
        ]
        resealed = record_of(records[place - 1] if place else None, event, records[place].outcomes)
        altered[place] = resealed
        assert len(check_log(altered)) == len(records) - place - 1
    missing = records[:2] + records[3:]
    assert len(check_log(missing)) == len(missing) - 2


def test_row_39_the_hash_of_a_result_depends_on_all_of_it() -> None:
    results = after("LIST-10", "published-stays").sessions["M04"].publications
    assert results[1].previous_sha256 == results[0].sha256
    assert results == after("LIST-10", "published-stays").sessions["M04"].publications
    assert len({result.sha256 for result in results}) == 2


def test_events_read_back_what_was_written() -> None:
    for folder in sorted(GOLDEN.iterdir()):
        for path in folder.glob("*.events.jsonl"):
            for line in path.read_bytes().splitlines():
                assert decode_event(encode_event(decode_event(line))) == decode_event(line)


def test_row_166_and_167_the_money_of_a_transfer() -> None:
    loss, transfer = case_of("TRF-01"), case_of("TRF-02")
    without = loss_without_transfer_nano_yuan(**loss["given"])
    assert without == loss["expected"]["loss_nano_yuan"]
    given, expected = transfer["given"], transfer["expected"]
    cash = transfer_cash(
        given["energy_wh"],
        contract_uyuan_per_kwh=given["contract_uyuan_per_kwh"],
        transfer_uyuan_per_kwh=given["transfer_uyuan_per_kwh"],
    )
    sides = (cash.user_nano_yuan, cash.transferor_nano_yuan, cash.transferee_nano_yuan)
    assert sides == tuple(expected[f"{name}_nano_yuan"] for name in ("user", "transferor", "transferee"))
    assert sum(sides) == 0
    assert cash.transferor_nano_yuan + without == expected["saved_nano_yuan"]


def test_row_169_the_agency_price() -> None:
    case = case_of("AGY-01")
    given = case["given"]
    price = agency_price_uyuan_per_kwh(
        given["purchases"], carry_nano_yuan=given["carry_nano_yuan"], pool_wh=given["pool_wh"]
    )
    assert price == case["expected"]["price_uyuan_per_kwh"]


def test_row_170_four_fifths_a_year_ahead() -> None:
    case = case_of("AGY-02")
    given = case["given"]
    rules = AgencyRules("Guangdong", ALWAYS, "golden case", given["annual_share_ppm"])
    assert annual_target_wh(rules, given["year_forecast_wh"]) == case["expected"]["annual_wh"]
    monthly = monthly_supplement_wh(given["month_forecast_wh"], given["annual_part_wh"])
    assert monthly == case["expected"]["monthly_wh"]
    assert monthly_supplement_wh(given["annual_part_wh"], given["month_forecast_wh"]) == 0


def test_row_171_and_175_forecast_error_and_period_price() -> None:
    case = case_of("AGY-03")
    assert mean_absolute_error_ppm(case["given"]["pairs"]) == case["expected"]["mean_absolute_error_ppm"]
    case = case_of("AGY-07")
    assert price_of_period(**case["given"]) == case["expected"]["price_uyuan_per_kwh"]


def test_row_176_the_uniform_load_curve() -> None:
    deal = after("XPR-01", "uniform-curve").sessions["E04"].deals[1]
    assert deal.periods_wh[:4].tolist() == [*case_of("XPR-01")["expected"]["first_hours_wh"], 0]
    assert int(deal.periods_wh[3:].sum()) == 0


def test_row_178_to_180_limits_and_adjustment() -> None:
    case = case_of("XPR-03")
    given, expected = case["given"], case["expected"]
    caps = (given["bid_cap_uyuan_per_kwh"], given["day_mean_cap_uyuan_per_kwh"])
    limits = ExportLimits("inter-provincial", ALWAYS, "golden case", *caps, new_energy_weight_ppm=None)
    assert [is_bid_within(limits, bid) for bid in given["bids_uyuan_per_kwh"]] == expected["bids_within"]
    day = tuple(given["day_prices_uyuan_per_kwh"])
    assert settlement_factor_ppm(limits, day) == expected["factor_ppm"]
    assert list(settled_day_prices(limits, day)) == expected["settled_uyuan_per_kwh"]
    assert settled_day_prices(limits, (caps[1],) * 96) == (caps[1],) * 96
    case = case_of("XPR-04")
    given = dict(case["given"])
    assert fair_export_wh(given.pop("requested_wh"), **given) == case["expected"]["export_wh"]
    case = case_of("XPR-05")
    lines = benefit_adjustment("golden case", case["given"]["to_county_nano_yuan"])
    assert lines.province_nano_yuan == case["expected"]["province_nano_yuan"]
    assert lines.county_nano_yuan == case["expected"]["county_nano_yuan"]
    assert lines.province_nano_yuan + lines.county_nano_yuan == 0


def test_row_135_a_user_with_storage_is_one_settlement_unit() -> None:
    case = case_of("STO-08")
    given, expected = case["given"], case["expected"]
    columns = (np.array([given[name]], np.int64) for name in ("load_wh", "charged_wh", "discharged_wh"))
    drawn, fed_in = joint_net_wh(*columns)
    assert (drawn.tolist(), fed_in.tolist()) == ([expected["drawn_wh"]], [expected["fed_in_wh"]])
    income = demand_response_nano_yuan(given["effective_wh"], given["price_uyuan_per_kwh"])
    assert income == expected["income_nano_yuan"]
