"""Figures of the running hub in the Prometheus text format, version 0.0.4."""

from collections.abc import Iterable, Mapping

from sqlmodel import Session

from hub.api.context import ApiContext
from hub.api.day_documents import data_document
from hub.store.counters import read_counters
from hub.store.jobs import last_job_utc_s
from hub.store.read_days import read_newest_interval
from hub.store.read_running import read_gateway_states, read_refusal_reasons

Sample = tuple[Mapping[str, str], int]


def metrics_text(context: ApiContext, session: Session) -> str:
    """Return all metrics. A value that the hub does not have is left out, never 0."""
    now_utc_s = context.now_utc_s()
    data = data_document(read_gateway_states(session), now_utc_s, context.data_age_limit_s)
    newest = read_newest_interval(session)
    summary = context.summaries.read(session, [newest])[0] if newest is not None else None
    root = summary.prices.root_uyuan_per_kwh if summary else None
    families = [
        _family("time_seconds", "gauge", "The hub's time, virtual or of the wall.", _plain(now_utc_s)),
        _family("last_job_seconds", "gauge", "Newest instant whose jobs are done.", _plain(last_job_utc_s(session))),
        _family("cleared_interval", "gauge", "Newest cleared interval, UTC seconds // 900.", _plain(newest)),
        _family("root_price_uyuan_per_kwh", "gauge", "Cleared price at the county gateway.", _plain(root)),
        _family("gateways", "gauge", "Registered gateways.", _plain(data.gateways)),
        _family("gateways_missing", "gauge", "Gateways without fresh data.", _plain(len(data.missing))),
        _family("data_age_seconds", "gauge", "Age of the newest reading of all.", _plain(data.age_s)),
        _family("meters_never_read", "gauge", "Metering points without any reading.", _plain(data.meters_never_read)),
        _family("event_listeners", "gauge", "Open event streams.", _plain(context.events.listeners)),
        _family(
            "refused_total",
            "counter",
            "Refused things, repeats included.",
            [({"kind": one.kind, "reason": one.reason}, one.count) for one in read_refusal_reasons(session)],
        ),
        _family(
            "counted_total",
            "counter",
            "The hub's running totals.",
            [({"name": name}, value) for name, value in sorted(read_counters(session).items())],
        ),
    ]
    return "".join(families)


def _plain(value: int | None) -> list[Sample]:
    return [] if value is None else [({}, value)]


def _family(name: str, kind: str, meaning: str, samples: Iterable[Sample]) -> str:
    full = f"microbalance_{name}"
    lines = [f"# HELP {full} {meaning}", f"# TYPE {full} {kind}"]
    lines += [f"{full}{_labels(labels)} {value}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{pairs}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
