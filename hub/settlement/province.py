"""The exchange with the province and the upper grid, on the metered county gateway; import and export are not netted.

Sources: requirements rows 27, 52, 107, 110; DESIGN 5 "The province".
"""

from hub.settlement.accounts import SystemAccount
from hub.settlement.inputs import SettlementInputs
from hub.settlement.transfers import TransferBlock, TransferKind, block


def province_transfers(inputs: SettlementInputs) -> list[TransferBlock]:
    """Return D_sup's settlement with the province and the gateway's network tariff.

    Import: scheduled x P_DA + (metered - scheduled) x P_RT, D_sup to province; export likewise, province to D_sup.
    Upstream loss: metered import x u, D_sup to province. Gateway tariff: metered import x T(gateway), D_net to upper
    grid (row 107).
    """
    accounts, gateway, prices, parameters = inputs.accounts, inputs.gateway, inputs.prices, inputs.parameters
    d_sup, province = accounts.position(SystemAccount.D_SUP), accounts.position(SystemAccount.PROVINCE)
    legs = (
        (TransferKind.DAY_AHEAD_IMPORT, d_sup, province, gateway.day_ahead_import_wh, prices.day_ahead_uyuan_per_kwh),
        (TransferKind.DAY_AHEAD_EXPORT, province, d_sup, gateway.day_ahead_export_wh, prices.day_ahead_uyuan_per_kwh),
        (
            TransferKind.GATEWAY_IMPORT,
            d_sup,
            province,
            gateway.import_wh - gateway.day_ahead_import_wh,
            prices.real_time_uyuan_per_kwh,
        ),
        (
            TransferKind.GATEWAY_EXPORT,
            province,
            d_sup,
            gateway.export_wh - gateway.day_ahead_export_wh,
            prices.real_time_uyuan_per_kwh,
        ),
    )
    blocks = [
        block(kind, payer=payer, payee=payee, quantity_wh=energy_wh, price_uyuan_per_kwh=price)
        for kind, payer, payee, energy_wh, price in legs
    ]
    upstream, tariff = parameters.upstream_loss, parameters.gateway_tariff
    blocks.append(
        block(
            TransferKind.GATEWAY_LOSS,
            payer=d_sup,
            payee=province,
            quantity_wh=gateway.import_wh,
            price_uyuan_per_kwh=upstream.value_uyuan_per_kwh,
            rule_version=(upstream.version_id,),
        )
    )
    blocks.append(
        block(
            TransferKind.GATEWAY_TARIFF,
            payer=accounts.position(SystemAccount.D_NET),
            payee=accounts.position(SystemAccount.UPPER_GRID),
            quantity_wh=gateway.import_wh,
            price_uyuan_per_kwh=tariff.value_uyuan_per_kwh,
            rule_version=(tariff.version_id,),
        )
    )
    return blocks
