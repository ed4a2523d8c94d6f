"""Topics: what is built is parsed back, and nothing else is parsed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.messages import ContractError
from edge.contract.topics import (
    BROADCAST_KINDS,
    DOWN_KINDS,
    UP_KINDS,
    UpTopic,
    broadcast_filter,
    broadcast_topic,
    down_filter,
    down_topic,
    is_name,
    kind_of_down_topic,
    parse_up_topic,
    up_filter,
    up_topic,
)

names = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)


def matches(topic_filter: str, topic: str) -> bool:
    pairs = list(zip(topic_filter.split("/"), topic.split("/"), strict=False))
    return topic_filter.count("/") == topic.count("/") and all(wanted in ("+", given) for wanted, given in pairs)


@given(names, names, names, st.sampled_from(sorted(UP_KINDS)))
def test_an_up_topic_is_parsed_back_and_the_hub_receives_it(county, shard, device, kind):
    topic = up_topic(county, shard, device, kind)
    assert parse_up_topic(topic) == UpTopic(county, shard, device, kind)
    assert matches(up_filter(county), topic)
    assert not matches(down_filter(county, shard, device), topic)


@given(names, names, names, names)
def test_a_device_receives_what_is_for_it_and_for_all(county, shard, device, other):
    for kind in DOWN_KINDS:
        topic = down_topic(county, shard, device, kind)
        assert matches(down_filter(county, shard, device), topic)
        assert matches(down_filter(county, shard, other), topic) == (other == device)
        assert kind_of_down_topic(topic) == kind
    for kind in BROADCAST_KINDS:
        assert matches(broadcast_filter(county), broadcast_topic(county, kind))
        assert kind_of_down_topic(broadcast_topic(county, kind)) == kind


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "cmb/v1/c1/s0/m/G1",
        "cmb/v1/c1/s0/m/G1/iv/x",
        "cmb/v2/c1/s0/m/G1/iv",
        "cmb/v1/c1/s0/d/G1/iv",
        "cmb/v1/c1/s0/m/G1/rcpt",
        "cmb/v1/c1/s0/m//iv",
        "cmb/v1/c 1/s0/m/G1/iv",
        "cmb/v1/c1/s0/m/G.1/iv",
        "cmb/v1/c1/s0/m/G1\n/iv",
        "/cmb/v1/c1/s0/m/G1/iv",
        "cmb/v1/c1/s0/m/" + "G" * 65 + "/iv",
    ],
)
def test_other_topics_are_refused(topic):
    with pytest.raises(ContractError):
        parse_up_topic(topic)


@given(st.text(max_size=5))
def test_a_name_holds_only_what_every_broker_accepts(text):
    allowed = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
    assert is_name(text) == (bool(text) and set(text) <= allowed)


def test_a_down_topic_has_a_known_kind():
    with pytest.raises(ContractError):
        kind_of_down_topic("cmb/v1/c1/s0/d/G1/iv")
