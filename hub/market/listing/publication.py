"""The official result of a session: rows 39, 42. Settlement reads nothing else, by number and hash."""

from collections.abc import Iterable
from hashlib import sha256

import msgspec

from hub.market.listing.products import ListingProduct
from hub.market.listing.session_calendar import Delivery


class PublishedDeal(msgspec.Struct, frozen=True):
    """One effective deal. Energy Wh, price micro-yuan/kWh. periods_sha256: of its curve's energies."""

    deal: int
    seller_id: str
    seller_unit_id: str | None
    buyer_id: str
    buyer_unit_id: str | None
    contract_id: str | None
    delivery: Delivery
    energy_wh: int
    price_uyuan_per_kwh: int
    periods_sha256: str


class Publication(msgspec.Struct, frozen=True):
    """One result. number: 1 for the first, one more after each reversal; previous_sha256: "" for the first.

    value_nano_yuan: sum of energy x price, exact, as text: a province's year does not fit 64 bits.
    mean_price_uyuan_per_kwh: value over energy (row 42), rounded half-up once for display, None without deals.
    reversed_deal, document: what a reversal took back, and why.
    """

    session_id: str
    product: ListingProduct
    number: int
    previous_sha256: str
    reversed_deal: int | None
    document: str
    deals: tuple[PublishedDeal, ...]
    energy_wh: int
    value_nano_yuan: str
    mean_price_uyuan_per_kwh: int | None
    sha256: str = ""


def mean_price(value_nano_yuan: int, energy_wh: int) -> int | None:
    """Return value / energy, micro-yuan/kWh, rounded half away from zero; None without energy (row 42)."""
    return divide_half_up(value_nano_yuan, energy_wh) if energy_wh else None


def divide_half_up(numerator: int, denominator: int) -> int:
    """Return numerator / denominator rounded half away from zero: the one step of a derived price (DESIGN 3).

    :param denominator: > 0
    """
    assert denominator > 0
    magnitude = (2 * abs(numerator) + denominator) // (2 * denominator)
    return magnitude if numerator >= 0 else -magnitude


def make_publication(
    session_id: str,
    product: ListingProduct,
    deals: Iterable[PublishedDeal],
    *,
    previous: Publication | None,
    reversed_deal: int | None,
    document: str,
) -> Publication:
    """Return the next result of a session, with the hash of all of it."""
    rows = tuple(deals)
    energy_wh = sum(row.energy_wh for row in rows)
    value_nano_yuan = sum(row.energy_wh * row.price_uyuan_per_kwh for row in rows)
    unsealed = Publication(
        session_id=session_id,
        product=product,
        number=1 if previous is None else previous.number + 1,
        previous_sha256="" if previous is None else previous.sha256,
        reversed_deal=reversed_deal,
        document=document,
        deals=rows,
        energy_wh=energy_wh,
        value_nano_yuan=str(value_nano_yuan),
        mean_price_uyuan_per_kwh=mean_price(value_nano_yuan, energy_wh),
    )
    return msgspec.structs.replace(unsealed, sha256=publication_sha256(unsealed))


def publication_sha256(publication: Publication) -> str:
    """Return the hash of everything in a result but its hash."""
    return sha256(msgspec.json.encode(msgspec.structs.replace(publication, sha256=""))).hexdigest()
