"""A county of users of every kind with both ledgers: what intervals post, and each account of a month."""

from dataclasses import dataclass, field
from datetime import date
from types import ModuleType
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import Engine
from sqlmodel import Session

from edge.contract.interval import first_interval_of_day
from edge.contract.messages import CHANNELS, IMPORT
from edge.contract.registry import MeterKind, Registry, SaleMode, SupplyMode, UserCategory
from hub.settlement.retail.contract_terms import Fixed, RetailTerms
from hub.store.bill_tables import BillingTermRow, SettledEnergyRow, SettlementDifferenceRow
from hub.store.bills import read_bill
from hub.store.bulk import insert_columns
from hub.store.joined_ledger import open_month_accounts
from hub.store.registry import save_registry
from hub.store.tables import PostingRow
from hub.store.trial_balance import month_balance_nano_yuan, read_month_trial_balance
from hub.usecases.join_ledgers import check_joined_month, join_resettled
from hub.usecases.open_accounts import open_accounts

USER, SHOP, HOME, WORKS, FARM, PROSUMER, SELLER, SERVED = range(8)
BUSINESS = UserCategory.COMMERCIAL_INDUSTRIAL
POINTS = (
    (SupplyMode.DIRECT, SaleMode.NONE, BUSINESS, "<1kV"),
    (SupplyMode.AGENCY, SaleMode.NONE, BUSINESS, "<1kV"),
    (SupplyMode.GUARANTEED, SaleMode.NONE, UserCategory.RESIDENTIAL, "<1kV"),
    (SupplyMode.AGENCY, SaleMode.NONE, BUSINESS, "10(20)kV"),
    (SupplyMode.GUARANTEED, SaleMode.NONE, UserCategory.AGRICULTURAL, "10(20)kV"),
    (SupplyMode.DIRECT, SaleMode.DIRECT, BUSINESS, "10(20)kV"),
    (SupplyMode.NONE, SaleMode.DIRECT, None, "10(20)kV"),
    (SupplyMode.RETAIL, SaleMode.NONE, BUSINESS, "<1kV"),
)
RETAILER, PACKAGE_PRICE = "retailer-1", 401_234
MODES = {meter: row[0] for meter, row in enumerate(POINTS)}
TARIFFS = {"<1kV": 200_000, "10(20)kV": 180_000}

Row = tuple[str, str | int, str | int, int, int, int]
"""Kind, payer and payee (a meter for its participant, or an account), meter, energy, price."""


def registry_of(made: Registry) -> Registry:
    points = []
    for number, point in enumerate(made.metering_points):
        internal = (SupplyMode.NONE, SaleMode.NONE, None, point.voltage_class)
        supply, sale, category, voltage = POINTS[number] if number < len(POINTS) else internal
        kind = MeterKind.INTERNAL if number >= len(POINTS) else MeterKind.PROSUMER
        points.append(
            msgspec.structs.replace(
                point, supply_mode=supply, sale_mode=sale, category=category, voltage_class=voltage, kind=kind
            )
        )
    return msgspec.structs.replace(made, metering_points=tuple(points))


@dataclass
class Joined:
    """A county with both ledgers. accounts: position by name; names: of the participants by meter."""

    billed: ModuleType
    county: Any
    accounts: dict[str, int]
    names: list[str]
    reads: dict[date, Any] = field(default_factory=dict)

    def position(self, who: str | int) -> int:
        return self.accounts[self.names[who] if isinstance(who, int) else who]

    def post(self, interval: int, rows: list[Row], *, run: int = 0, first_seq: int = 0) -> None:
        """Post what an interval settles to, a row a transfer."""
        kinds, payers, payees, meters, energies, prices = (list(column) for column in zip(*rows, strict=True))
        with Session(self.county.engine) as session:
            insert_columns(
                session,
                PostingRow,
                {
                    "interval": interval,
                    "seq": range(first_seq, first_seq + len(rows)),
                    "run": run,
                    "kind": kinds,
                    "debit": [self.position(one) for one in payers],
                    "credit": [self.position(one) for one in payees],
                    "amount_nano_yuan": [wh * price for wh, price in zip(energies, prices, strict=True)],
                    "meter": meters,
                    "energy_wh": energies,
                    "price_uyuan_per_kwh": prices,
                },
            )
            session.commit()

    def settle_again(self, interval: int, before: list[Row], after: list[Row], *, posting_month: int) -> None:
        """Reverse what an interval settled to, post it anew, and join it as `resettle_interval` does."""
        undone: list[Row] = [(*row[:4], -row[4], row[5]) for row in before]
        self.post(interval, [*undone, *after], run=1, first_seq=len(before))
        moved: dict[int, int] = {}
        for _, payer, payee, _, wh, price in (*undone, *after):
            for who, sign in ((payer, -1), (payee, 1)):
                moved[self.position(who)] = moved.get(self.position(who), 0) + sign * wh * price
        with Session(self.county.engine) as session:
            session.add_all(
                SettlementDifferenceRow(
                    interval=interval, run=1, account=account, corrected_month=202601, posting_month=posting_month,
                    amount_nano_yuan=amount, rule_version="x",
                )
                for account, amount in moved.items()
                if amount
            )  # fmt: skip
            month = 202601
            join_resettled(session, interval, 1, MODES, month=month, posting_month=posting_month)
            session.commit()

    def balance(self, month: int) -> dict[str, int]:
        """Every account of a month over both ledgers, participants by meter."""
        with Session(self.county.engine) as session:
            found = month_balance_nano_yuan(session, month)
            assert sum(found.values()) == 0
            shown = read_month_trial_balance(session, date(month // 100, month % 100, 1))
        assert sum(one.balance_nano_yuan for one in shown) == 0
        assert {one.account: one.balance_nano_yuan for one in shown if not one.group} == {
            name: found.get(name, 0) for name in self.accounts | {"market": 0, "unbilled": 0} if name[0] != "P"
        }
        return found

    def laws(self, month: int) -> list[Any]:
        with Session(self.county.engine) as session:
            return check_joined_month(session, month)

    def total_fen(self, month: int, meter: int) -> int:
        with Session(self.county.engine) as session:
            bill = read_bill(session, month, meter)
        assert bill is not None
        return int(bill.total_fen)

    def assert_joined(self, month: int, receipts: dict[int, int]) -> dict[str, int]:
        """Each participant's account is its bill and what it earned in intervals; nothing waits."""
        found = self.balance(month)
        for meter, name in enumerate(self.names[: len(POINTS)]):
            owed = 0 if MODES[meter] is SupplyMode.NONE else self.total_fen(month, meter) * 10**7
            assert found.get(name, 0) == receipts.get(meter, 0) - owed, POINTS[meter]
        assert (found.get("market", 0), found.get("unbilled", 0)) == (0, 0)
        assert self.laws(month) == []
        return found


def prepare(engine: Engine, registry: Registry) -> None:
    """Write registry, accounts and billing terms into an empty database."""
    with Session(engine) as session:
        save_registry(session, registry, "0" * 64)
        open_accounts(session, registry)
        open_month_accounts(session, [RETAILER])  # as the first interval of a retail user does
        for meter, (_, _, category, _) in enumerate(POINTS):
            user = registry.metering_points[meter].participant_id
            package = RetailTerms("contract-1", user, RETAILER, 400, "2025", Fixed(PACKAGE_PRICE))
            if category is BUSINESS:
                session.add(
                    BillingTermRow(
                        meter=meter, effective_from="2025-12-01", tariff_type="SINGLE", user_class="",
                        capacity_va=50_000, election="",
                        package=msgspec.json.encode(package).decode() if meter == SERVED else None,
                    )
                )  # fmt: skip
        session.commit()


def only_user_uses(joined: Joined, wh: int) -> None:
    """Replace all metered energy of January by what the user takes in one interval."""
    first = first_interval_of_day(joined.billed.JANUARY)
    number = np.arange(joined.reads[joined.billed.JANUARY].shape[0])
    with Session(joined.county.engine) as session:
        for meter in range(len(POINTS)):
            insert_columns(
                session,
                SettledEnergyRow,
                {
                    "interval": first + number, "run": 1, "meter": meter, "channel": CHANNELS.index(IMPORT),
                    "energy_wh": np.where((number == 40) & (meter == USER), wh, 0), "rule": "",
                },
            )  # fmt: skip
        session.commit()


def captive_rows(energies: dict[int, int], *, served_wh: int = 0) -> list[Row]:
    """What an interval posts for captive users, as worked-interval.md does, all mode 2 energy serving <1kV."""
    rows: list[Row] = []
    by_class: dict[str, int] = {}
    for meter, wh in energies.items():
        is_agency = MODES[meter] is SupplyMode.AGENCY
        price = 400_000 + TARIFFS[POINTS[meter][3]] if is_agency else 600_000
        rows.append(("AGENCY_BILL" if is_agency else "GUARANTEED_BILL", meter, "D_sup", meter, wh, price))
        rows.append(("LOSS_FEE", meter, "loss_fund", meter, wh, 10_000))
        by_class[POINTS[meter][3]] = by_class.get(POINTS[meter][3], 0) + wh
    for voltage, tariff in TARIFFS.items():
        own = by_class.get(voltage, 0) - (served_wh if voltage == "<1kV" else 0)
        if own:
            rows.append(("NETWORK_CAPTIVE", "D_sup", "D_net", -1, own, tariff))
    if served_wh:
        rows.append(("NETWORK_COMMISSION", "D_sup", "D_net", -1, served_wh, 20_000))
    return rows


def booked(joined: Joined, account: str) -> int:
    """What the month's bills book to an account."""
    ((received,),) = joined.county.rows(
        f"SELECT coalesce(sum(amount_nano_yuan), 0) FROM bill_posting WHERE payee = '{account}'"  # noqa: S608
    )
    ((paid,),) = joined.county.rows(
        f"SELECT coalesce(sum(amount_nano_yuan), 0) FROM bill_posting WHERE payer = '{account}'"  # noqa: S608
    )
    return int(received) - int(paid)


def direct_rows(scale: int, user: int = USER) -> list[Row]:
    """What an interval posts for a direct user: pairs, rent, deviation, network and loss; and what a seller earns."""
    return [
        ("ENERGY", user, SELLER, user, 30 * scale, 250_000),
        ("ENERGY", user, "D_sup", user, 15, 290_000),
        ("CONGESTION_RENT", user, "congestion", user, 35 * scale, 230_000),
        ("IMPORT_DEVIATION", user, "D_sup", user, -2 * scale, 350_000),
        ("NETWORK_COVERED", user, "D_net", user, 30 * scale, 20_000),
        ("LOSS_FEE", user, "loss_fund", user, 45 * scale, 10_000),
        ("EXPORT_DEVIATION", "D_sup", SELLER, SELLER, -scale, 350_000),
    ]


def retail_rows(scale: int) -> list[Row]:
    """What an interval posts for a retail user: its retailer answers for energy, it pays for the grid itself."""
    return [
        ("ENERGY", RETAILER, SELLER, SERVED, 30 * scale, 250_000),
        ("ENERGY", RETAILER, "D_sup", SERVED, 15 * scale, 290_000),
        ("CONGESTION_RENT", RETAILER, "congestion", SERVED, 35 * scale, 230_000),
        ("IMPORT_DEVIATION", RETAILER, "D_sup", SERVED, 7 * scale, 350_000),
        ("UPSTREAM_LOSS", SERVED, "D_sup", SERVED, 15 * scale, 4_000),
        ("NETWORK_COVERED", SERVED, "D_net", SERVED, 30 * scale, 20_000),
        ("NETWORK_UNCOVERED", SERVED, "D_net", SERVED, 22 * scale, 200_000),
        ("LOSS_FEE", SERVED, "loss_fund", SERVED, 52 * scale, 10_000),
    ]


def earned(rows: list[Row]) -> dict[int, int]:
    """What participants are paid by an interval's rows, by meter."""
    found: dict[int, int] = {}
    for _, _, payee, _, wh, price in rows:
        if isinstance(payee, int):
            found[payee] = found.get(payee, 0) + wh * price
    return found
