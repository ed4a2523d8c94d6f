"""How plants outside the market and users with a risk band meet the spot price (requirements rows 61, 62, 64).

The amounts are the market's formulas (hub/market/province/spot_rules.py); here each becomes the lines of a statement.
"""

from hub.market.province.spot_rules import collar_nano_yuan
from hub.settlement.exact_shares import share_half_up
from hub.settlement.rule_lines import QuantityUnit, RuleLine, amount_line, priced_lines

NON_MARKET_RULE = "non-market-spot-share-1"
BASE_QUANTITY_RULE = "base-quantity-1"
RISK_BAND_RULE = "user-risk-band-1"


def non_market_lines(
    energy_wh: int,
    *,
    spot_share_ppm: int,
    approved_uyuan_per_kwh: int,
    spot_uyuan_per_kwh: int,
    plant: str,
    d_sup: str,
    price_versions: tuple[str, str],
) -> list[RuleLine]:
    """Return R = Q [(1 - s) P_appr + s P_spot], a line each; s Q is rounded half up to 1 Wh (row 61).

    :param price_versions: of the approved price, and of the spot price
    """
    at_spot = share_half_up(energy_wh, spot_share_ppm)
    approved, spot = price_versions
    outside = [("approved-price-energy", d_sup, plant, energy_wh - at_spot, approved_uyuan_per_kwh)]
    inside = [("spot-share-energy", d_sup, plant, at_spot, spot_uyuan_per_kwh)]
    return [
        *priced_lines(outside, rule_version=NON_MARKET_RULE, price_versions=(approved,)),
        *priced_lines(inside, rule_version=NON_MARKET_RULE, price_versions=(spot,)),
    ]


def base_quantity_lines(
    energy_wh: int,
    *,
    base_share_ppm: int,
    node_uyuan_per_kwh: int,
    approved_uyuan_per_kwh: int,
    reference_uyuan_per_kwh: int,
    plant: str,
    d_sup: str,
    price_versions: tuple[str, str],
) -> list[RuleLine]:
    """Return R = Q P_node + b Q (P_appr - P_ref): energy at the node, and the base contract's difference (row 62).

    :param price_versions: of the spot prices, and of the approved price
    """
    base = share_half_up(energy_wh, base_share_ppm)
    rows = (
        ("node-energy", d_sup, plant, energy_wh, node_uyuan_per_kwh),
        ("base-quantity-difference", d_sup, plant, base, approved_uyuan_per_kwh - reference_uyuan_per_kwh),
    )
    return priced_lines(rows, rule_version=BASE_QUANTITY_RULE, price_versions=price_versions)


def risk_band_line(
    energy_wh: int,
    *,
    band_ppm: int,
    contract_uyuan_per_kwh: int,
    mean_uyuan_per_kwh: int,
    user: str,
    account: str,
    version: str,
) -> RuleLine:
    """Return the collar's cash, from its named account to the user where the mean is above the band (row 64).

    :param mean_uyuan_per_kwh: the month's mean settled price
    """
    return amount_line(
        "risk-band-compensation",
        payer=account,
        payee=user,
        amount_nano_yuan=collar_nano_yuan(
            energy_wh, band_ppm=band_ppm, contract_uyuan=contract_uyuan_per_kwh, mean_uyuan=mean_uyuan_per_kwh
        ),
        quantity=energy_wh,
        unit=QuantityUnit.WATT_HOUR,
        rule_version=RISK_BAND_RULE,
        price_versions=(version,),
    )
