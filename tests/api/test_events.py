"""Live events: what a listener hears, after a pause, after a restart of the hub, and when it was too slow."""

import asyncio
import json
import threading

import pytest

from hub.api.events import KEPT_EVENTS, EventStream, Stage, StageEvent

API = "/api/v1"


@pytest.fixture
def stream():
    return EventStream("boot1")


def event(interval, stage=Stage.CLEARED):
    return StageEvent(stage, interval, interval * 900, {"orders": 3})


def heard(stream, count, last_event_id=None, heartbeat_s=5.0, meanwhile=None):
    """Listen for `count` messages and return (event, id, data) of each. meanwhile: called once the line stands."""

    async def listen():
        messages = []
        async with asyncio.timeout(10):
            listening = stream.listen(last_event_id, heartbeat_s)
            async for message in listening:
                messages.append((message.event, message.id, json.loads(message.data)))
                if meanwhile is not None and len(messages) == 1:
                    threading.Thread(target=meanwhile).start()
                if len(messages) == count:
                    break
            await listening.aclose()
        return messages

    return asyncio.run(listen())


def test_what_another_thread_publishes_is_heard_in_order(stream):
    def publish():
        for interval in (7, 8, 9):
            stream.publish(event(interval))

    messages = heard(stream, 4, meanwhile=publish)
    assert [name for name, _, _ in messages] == ["hello", "stage", "stage", "stage"]
    assert [one_id for _, one_id, _ in messages[1:]] == ["boot1-1", "boot1-2", "boot1-3"]
    assert messages[1][2] == {"stage": "cleared", "interval": 7, "at_utc_s": 6300, "figures": {"orders": 3}}


def test_a_new_listener_hears_nothing_of_before(stream):
    stream.publish(event(1))
    messages = heard(stream, 2, meanwhile=lambda: stream.publish(event(2)))
    assert messages[1][2]["interval"] == 2


def test_a_listener_that_comes_back_hears_what_it_missed(stream):
    for interval in range(1, 6):
        stream.publish(event(interval))
    messages = heard(stream, 4, last_event_id="boot1-2")
    assert [data.get("interval") for _, _, data in messages] == [None, 3, 4, 5]


@pytest.mark.parametrize("last_event_id", ["boot0-2", "boot1-99", "boot1-x", "nonsense", "boot1-²"])
def test_a_listener_of_another_run_is_told_to_read_anew(stream, last_event_id):
    stream.publish(event(1))
    messages = heard(stream, 1, last_event_id=last_event_id)
    assert messages[0][0] == "resync"


def test_a_listener_that_was_too_slow_is_told_to_read_anew(stream):
    for interval in range(KEPT_EVENTS + 5):
        stream.publish(event(interval))
    messages = heard(stream, 2, last_event_id="boot1-1")
    assert [name for name, _, _ in messages] == ["hello", "resync"]


def test_silence_is_broken_by_a_heartbeat(stream):
    messages = heard(stream, 3, heartbeat_s=0.01)
    assert [name for name, _, _ in messages] == ["hello", "heartbeat", "heartbeat"]


def test_a_listener_that_left_is_forgotten(stream):
    heard(stream, 1)
    assert stream.listeners == 0


def test_events_go_over_http_until_the_hub_closes(client_of, running_url):
    events = EventStream("boot2")
    client = client_of(running_url, events=events)
    with client.stream("GET", f"{API}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        assert "content-security-policy" in answer.headers
        lines = answer.iter_lines()
        assert next(line for line in lines if line.startswith("event:")) == "event: hello"
        events.publish(event(42, Stage.SETTLED))
        told = [line for line, _ in zip(lines, range(6), strict=False) if line.startswith(("id:", "data:"))]
        assert "id: boot2-1" in told
        assert any('"interval":42' in line and '"stage":"settled"' in line for line in told)
        events.close()
        assert list(lines)[-1:] in ([], [""])
