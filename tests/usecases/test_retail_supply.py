"""A county with a retail user, settled for real: its retailer answers for its energy, and everybody else as before."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from sqlmodel import Session

from hub.settlement.inputs import SettlementInputError
from hub.settlement.retail.contract_terms import Fixed, RetailTerms
from hub.store.bill_tables import BillingTermRow
from hub.usecases.load_county import County

METER = 0
OF_THE_GRID = {"NETWORK_COVERED", "NETWORK_UNCOVERED", "LOSS_FEE", "UPSTREAM_LOSS"}


@pytest.fixture(scope="module")
def retail_folder(toy_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy county; its first user, who traded itself, is supplied by a retailer."""
    folder = tmp_path_factory.mktemp("retail") / "county"
    shutil.copytree(toy_folder, folder)
    registry = json.loads((folder / "registry.json").read_text("utf-8"))
    assert registry["metering_points"][METER]["supply_mode"] == "DIRECT"
    registry["metering_points"][METER]["supply_mode"] = "RETAIL"
    (folder / "registry.json").write_text(json.dumps(registry), "utf-8")
    return folder


def market_of(toy: ModuleType, toy_market: ModuleType, folder: Path, url: str, retailer: str | None) -> Any:
    market = toy_market.ToyMarket(toy, url, folder, County(folder))
    package = None
    if retailer is not None:
        user = market.registry.metering_points[METER].participant_id
        terms = RetailTerms("contract-1", user, retailer, 400, "2015", Fixed(401_234))
        package = msgspec.json.encode(terms).decode()
    with Session(market.engine) as session:
        for from_day, held in (("2016-01-01", package), ("2030-01-01", None)):
            session.add(
                BillingTermRow(
                    meter=METER, effective_from=from_day, tariff_type="SINGLE", user_class="",
                    capacity_va=50_000, election="", package=held,
                )
            )  # fmt: skip
        session.commit()
    return market


@pytest.fixture
def open_market(
    toy: ModuleType,
    make_market: Any,  # noqa: ARG001 - it loads the module
    retail_folder: Path,
    database_url: str,
) -> Iterator[Callable[[str | None], Any]]:
    """Return a function that opens the market of the retail county; with this retailer's package, or none."""
    opened = []

    def opening(retailer: str | None) -> Any:
        market = market_of(toy, sys.modules["toy_market"], retail_folder, database_url, retailer)
        opened.append(market)
        return market

    yield opening
    for market in opened:
        market.close()


def test_the_retailer_pays_for_the_energy_and_nobody_else_is_moved(
    open_market: Callable[[str | None], Any], undisturbed: Any
) -> None:
    market = open_market("retailer-7").whole_run()
    assert market.rows("SELECT * FROM law_violation") == []
    paid = "SELECT a.account_id, p.kind, sum(p.amount_nano_yuan) FROM posting p JOIN account a ON a.position = p.debit"
    own = market.rows(f"{paid} WHERE p.meter = 0 AND a.account_id LIKE 'retailer%' GROUP BY 1, 2")
    assert {account for account, _, _ in own} == {"retailer-7"}
    assert {"ENERGY", "IMPORT_DEVIATION"} <= {kind for _, kind, _ in own}
    user = market.registry.metering_points[METER].participant_id
    of_user = market.rows(f"{paid} WHERE p.meter = 0 AND a.account_id = :user GROUP BY 1, 2", user=user)
    assert {kind for _, kind, _ in of_user} <= OF_THE_GRID
    totals = (
        "SELECT a.account_id, t.interval, t.ledger_nano_yuan FROM account_total t "
        "JOIN account a ON a.position = t.account"
    )
    after = {(name, interval): int(held) for name, interval, held in market.rows(totals)}
    before = {(name, interval): int(held) for name, interval, held in undisturbed.rows(totals)}
    for interval in range(market.first, market.last + 1):
        assert sum(held for (_, on), held in after.items() if on == interval) == 0
        of_retailer = after.pop(("retailer-7", interval))
        assert of_retailer < 0
        assert of_retailer + after.pop((user, interval)) == before.pop((user, interval))
    assert after == before
    statements = market.rows("SELECT a.account_id FROM statement s JOIN account a ON a.position = s.account")
    assert ("retailer-7",) in statements


def test_without_a_package_the_elected_retailer_answers(
    open_market: Callable[[str | None], Any], toy_register: ModuleType
) -> None:
    market = open_market(None)
    events = [*toy_register.rules(), *toy_register.party("shop", "POWER_USER")]
    events += [*toy_register.party("retailer-8", "RETAILER"), toy_register.user_point("shop", "M000001")]
    events.append(
        toy_register.supply_elected("retail", "M000001", "RETAIL", date(2016, 5, 1)) | {"retailer_id": "retailer-8"}
    )
    toy_register.stand(market.engine, events, date(2016, 4, 10))
    market.whole_run()
    assert market.rows("SELECT * FROM law_violation") == []
    paid = "SELECT DISTINCT a.account_id FROM posting p JOIN account a ON a.position = p.debit"
    assert market.rows(f"{paid} WHERE p.meter = 0 AND p.kind = 'ENERGY'") == [("retailer-8",)]


def test_a_retail_user_without_a_package_is_refused_with_its_meter(open_market: Callable[[str | None], Any]) -> None:
    with pytest.raises(SettlementInputError, match="M000001 is supplied by RETAIL and has no retailer"):
        open_market(None).whole_run()
