"""MQTT topic names: build them and take them apart.

cmb/v1/{county}/{shard}/m/{device}/{iv|tel|ord|st|rsp|ack}  up
cmb/v1/{county}/{shard}/d/{device}/{rcpt|set|trd|cfg|wdr}   down
cmb/v1/{county}/b/{price|session}                           broadcast, retained
"""

import re
from dataclasses import dataclass

from edge.contract.messages import ContractError

UP_KINDS = frozenset({"iv", "tel", "ord", "st", "rsp", "ack"})
DOWN_KINDS = frozenset({"rcpt", "set", "trd", "cfg", "wdr"})
BROADCAST_KINDS = frozenset({"price", "session"})
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


@dataclass(frozen=True)
class UpTopic:
    """Where an up message came from."""

    county: str
    shard: str
    device: str
    kind: str


def is_name(text: str) -> bool:
    """Tell whether the text may be a county, shard, device, meter or setpoint id."""
    return _NAME.match(text) is not None


def up_topic(county: str, shard: str, device: str, kind: str) -> str:
    """Return the topic on which `device` publishes messages of `kind` (one of UP_KINDS)."""
    assert kind in UP_KINDS
    assert all(map(is_name, (county, shard, device)))
    return f"cmb/v1/{county}/{shard}/m/{device}/{kind}"


def down_topic(county: str, shard: str, device: str, kind: str) -> str:
    """Return the topic on which the hub answers `device` (one of DOWN_KINDS)."""
    assert kind in DOWN_KINDS
    assert all(map(is_name, (county, shard, device)))
    return f"cmb/v1/{county}/{shard}/d/{device}/{kind}"


def broadcast_topic(county: str, kind: str) -> str:
    """Return the topic of a county-wide retained message (one of BROADCAST_KINDS)."""
    assert kind in BROADCAST_KINDS
    assert is_name(county)
    return f"cmb/v1/{county}/b/{kind}"


def up_filter(county: str) -> str:
    """Return the subscription filter with which the hub receives every up message of the county."""
    return f"cmb/v1/{county}/+/m/+/+"


def down_filter(county: str, shard: str, device: str) -> str:
    """Return the subscription filter of one device (`d/{device}/+`, never `#`)."""
    return f"cmb/v1/{county}/{shard}/d/{device}/+"


def broadcast_filter(county: str) -> str:
    """Return the subscription filter of all county-wide retained messages."""
    return f"cmb/v1/{county}/b/+"


def parse_up_topic(topic: str) -> UpTopic:
    """Take an up topic apart.

    :raises ContractError: if it is not one
    """
    parts = topic.split("/")
    if len(parts) != 7 or parts[:2] != ["cmb", "v1"] or parts[4] != "m":
        raise ContractError(f"topic {topic[:120]!r} is not an up topic")
    county, shard, device, kind = parts[2], parts[3], parts[5], parts[6]
    if not (is_name(county) and is_name(shard) and is_name(device)) or kind not in UP_KINDS:
        raise ContractError(f"topic {topic[:120]!r} has a bad name or kind")
    return UpTopic(county, shard, device, kind)


def kind_of_down_topic(topic: str) -> str:
    """Return the last level of a down or broadcast topic.

    :raises ContractError: if that level is no known kind
    """
    kind = topic.rpartition("/")[2]
    if kind not in DOWN_KINDS | BROADCAST_KINDS:
        raise ContractError(f"topic {topic[:120]!r} is neither a down nor a broadcast topic")
    return kind
