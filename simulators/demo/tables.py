"""The summary for people: tables with thousands separators and units, English and Chinese side by side."""

from collections.abc import Iterable, Mapping

from rich.console import Console, Group, RenderableType
from rich.table import Table

from simulators.demo.summary import Summary

_NANO_YUAN_PER_FEN = 10_000_000
_MEBIBYTE = 1024 * 1024
_MODES = {
    "mode_1": "mode 1, direct trade 直接交易",
    "mode_2": "mode 2, commission 委托代售",
    "mode_3": "mode 3, purchase 收购转售",
    "province_import": "bought from the province 省级购入",
    "province_export": "sold to the province 省级售出",
}
_ENERGY = {
    "gateway_import": "gateway import 关口下网",
    "gateway_export": "gateway export 关口上网",
    "generation": "generation 发电",
    "load": "load 用电",
    "charge": "battery charge 储能充电",
    "discharge": "battery discharge 储能放电",
    "loss": "loss 线损",
}
_VIOLATIONS = {
    "uncontrolled": "without any control 无控制",
    "expected_before": "expected before clearing's measures 出清校核前",
    "expected_after": "expected after clearing and setpoints 出清校核后",
    "metered": "metered state 实测",
    "world": "world as it was 物理实际",
}


def yuan_text(amount_nano_yuan: int) -> str:
    """Return the amount in yuan to the fen, half away from zero, with thousands separators; for reading only."""
    fen = (abs(amount_nano_yuan) + _NANO_YUAN_PER_FEN // 2) // _NANO_YUAN_PER_FEN
    sign = "-" if amount_nano_yuan < 0 and fen else ""
    return f"{sign}{fen // 100:,}.{fen % 100:02d}"


def print_summary(summary: Summary, console: Console) -> None:
    """Print the summary as tables, and what does not hold."""
    console.print(Group(*_parts(summary)))
    for check in summary.failed_checks:
        console.print(f"DOES NOT HOLD 不成立: {check.name}: {check.what}", markup=False, highlight=False)
    held = len(summary.checks) - len(summary.failed_checks)
    console.print(f"checks 校核: {held} of {len(summary.checks)} hold", highlight=False)
    for what, file in summary.hub.report.items():
        console.print(f"report 报告 ({what}): {file}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"result hash 结果哈希: {summary.hub.result_hash}", highlight=False, soft_wrap=True)


def _parts(summary: Summary) -> Iterable[RenderableType]:
    hub, facts = summary.hub, summary.facts
    title = f"{facts.day}, seed {facts.seed}, {hub.intervals} intervals, {hub.metering_points:,} metering points 计量点"
    energy = {_ENERGY[name.removesuffix("_wh")]: getattr(hub.energy, name) for name in hub.energy.__struct_fields__}
    yield _table(title, ("energy 电量", "Wh"), _grouped(energy))
    traded = {_MODES.get(mode, mode): amount for mode, amount in hub.traded_wh.items()}
    yield _table("", ("traded 成交", "Wh"), _grouped(traded))
    money = {account: yuan_text(amount) for account, amount in hub.money_nano_yuan.items()}
    residual = {"residual 残差 (nano-yuan)": f"{hub.residual_nano_yuan:,}"}
    yield _table("", ("money 资金", "yuan 元"), money | residual)
    yield _table("", ("messages 报文", "count"), _message_rows(summary))
    yield _table("", ("network 电网", ""), _network_rows(summary))
    if facts.kills:
        yield _table("", ("kill -9", "messages without receipt 未回执"), _kill_rows(summary))
    yield _table("", ("time and memory 用时与内存", ""), _effort_rows(summary))


def _message_rows(summary: Summary) -> dict[str, str]:
    hub, facts = summary.hub, summary.facts
    rows = {
        "readings published 上报": facts.published_readings,
        "readings admitted 入库": hub.readings.admitted,
        "readings duplicate 重复": hub.readings.duplicate,
        "readings quarantined 隔离": hub.readings.quarantined,
        "orders accepted 申报接受": hub.orders.accepted,
        "orders rejected 申报拒绝": hub.orders.rejected,
    }
    return _grouped(rows | {f"refused 拒绝: {reason}": count for reason, count in sorted(hub.refused.items())})


def _network_rows(summary: Summary) -> dict[str, str]:
    hub, world = summary.hub, summary.world
    counted = {"uncontrolled": world.without_control.violations, **hub.violations}
    counted["world"] = world.with_control.violations
    rows = _grouped({f"violations 越限, {_VIOLATIONS.get(key, key)}": number for key, number in counted.items()})
    free, held = world.without_control, world.with_control
    return rows | {
        "highest voltage, without and with control 最高电压": (
            f"{free.highest_voltage.value:.3f} / {held.highest_voltage.value:.3f} pu"
        ),
        "worst transformer, without and with control 最重变压器": (
            f"{free.worst_transformer.value:.1%} / {held.worst_transformer.value:.1%}"
        ),
        "setpoints 限值指令": f"{hub.setpoints:,}",
        "fills curtailed by rule 按规则弃电": f"{hub.curtailed_wh:,} Wh",
        "generation held back by setpoints 限发电量": f"{world.energy_wh.curtailed:,} Wh",
    }


def _kill_rows(summary: Summary) -> dict[str, str]:
    return {f"{kill.what}": f"{kill.unreceipted:,}" for kill in summary.facts.kills}


def _effort_rows(summary: Summary) -> dict[str, str]:
    facts = summary.facts
    rows = {name: f"{seconds:,.1f} s" for name, seconds in facts.seconds.items()}
    rows |= {f"hub: {name}": f"{seconds:,.1f} s" for name, seconds in facts.hub_seconds.items()}
    return rows | {"peak PSS of all processes 内存峰值": f"{facts.memory.pss_bytes / _MEBIBYTE:,.0f} MiB"}


def _grouped(rows: Mapping[str, int]) -> dict[str, str]:
    return {name: f"{value:,}" for name, value in rows.items()}


def _table(title: str, heads: tuple[str, str], rows: Mapping[str, str]) -> Table:
    table = Table(title=title or None, title_justify="left", min_width=76)
    table.add_column(heads[0])
    table.add_column(heads[1], justify="right")
    for name, value in rows.items():
        table.add_row(name, value)
    return table
