"""The real process against a real broker: nothing lost, nothing twice, whatever is killed."""

import signal
import subprocess
import sys

from edge.agent import AgentState, Outgoing, assignments_of, sample
from edge.contract.codec import decode_up
from edge.contract.control import Advance, Answer, Ask, Failed, Progress
from edge.contract.messages import MESSAGE_BYTES_MAX, Reading, SessionMessage, Setpoint, SetpointsMessage
from edge.mqtt import GatewayClient, PublishOutcome, read_credential
from edge.outbox import Changes, Outbox

WAIT_S = 60


def instants(rig, number):
    return [rig.T0 + 900 * i for i in range(number)]


def readings_expected(rig, moments):
    return {(meter, t): rig.registers_at(meter, t) for meter in rig.meter_ids for t in moments}


def test_a_day_part_arrives_whole_and_orders_follow_the_past(rig):
    edge = rig.start_edge()
    moments = instants(rig, 4)
    for t in moments:
        quiet = rig.conductor.advance(t)
    summary = rig.stop(edge)

    assert rig.hub.readings == readings_expected(rig, moments)
    assert quiet.counts == summary["counts"]
    assert quiet.counts["published_readings"] == len(rig.meter_ids) * len(moments)
    assert quiet.counts["published_orders"] == len(rig.hub.orders)
    assert set(quiet.seconds) >= {"read", "decide", "commit", "publish"}
    # The first interval energy is known at the second instant; three of each gateway's five meters trade directly.
    by_interval = {}
    for _, interval, meter, number in rig.hub.orders:
        assert number == 1
        by_interval.setdefault(interval, set()).add(meter)
    first = moments[0] // 900
    assert sorted(by_interval) == [first + 2, first + 3, first + 4]
    assert rig.hub.statuses.count(("G0001", "online")) == 1


def test_without_disturbance_and_with_kills_the_hub_gets_the_same(rig):
    moments = instants(rig, 5)
    for t in moments:
        edge = rig.start_edge()
        rig.hub.gives_receipts = False
        rig.conductor.say(Advance(t))
        if t // 900 % 2:
            rig.kill(edge)  # at some moment: the instant is committed whole, or not at all
        else:
            told = rig.conductor.next()
            assert isinstance(told, Progress)
            assert told.pending > 0
            rig.kill(edge)  # committed, and nothing has a receipt
            reads_committed = len(rig.world.reads)
        if t == moments[2]:
            rig.broker.stop(signal.SIGKILL)
            rig.broker.start()
        rig.hub.gives_receipts = True
        edge = rig.start_edge()
        quiet = rig.conductor.advance(t)
        if t // 900 % 2 == 0:
            assert len(rig.world.reads) == reads_committed, "a committed instant was sampled again"
        rig.kill(edge)

    assert rig.hub.readings == readings_expected(rig, moments)
    assert quiet.counts["published_readings"] == len(rig.meter_ids) * len(moments)
    assert quiet.counts["published_orders"] == len(rig.hub.orders)
    assert quiet.counts["resent_messages"] > 0
    assert rig.hub.orders == undisturbed_orders(rig, moments)


def undisturbed_orders(rig, moments):
    """The orders of agents that were never disturbed, by the pure functions alone."""
    orders = {}
    for gateway_id, assignment in assignments_of(rig.registry, rig.gateway_ids).items():
        state = AgentState(gateway_id, "boot")
        for t in moments:
            readings = [Reading(meter, t, rig.registers_at(meter, t)) for meter in assignment.points]
            step = sample(assignment, state, readings, instant_utc_s=t, submitted_utc_s=t)
            state = step.state
            for message in step.messages:
                if message.kind == "ord":
                    for o in decode_up("ord", message.payload).o:
                        key = (gateway_id, o.interval, o.meter, o.number)
                        orders[key] = (o.side.value, o.energy_wh, o.price_uyuan_per_kwh, o.submitted_utc_s)
    return orders


def test_nothing_is_deleted_because_the_broker_acknowledged(rig):
    rig.hub.gives_receipts = False
    edge = rig.start_edge()
    rig.conductor.say(Advance(rig.T0))
    told = rig.conductor.next()
    # The hub has every message, so the broker has acknowledged it; the repeat shows that the edge still holds it.
    rig.hub.wait(lambda: len(rig.hub.messages) >= 2 * told.pending)
    rig.kill(edge)
    outbox = Outbox(rig.state_path)
    kept = sum(len(outbox.without_receipt(gateway_id)) for gateway_id in rig.gateway_ids)
    outbox.close()
    assert kept == told.pending == 3
    assert rig.hub.duplicates >= told.pending


def test_a_broker_killed_in_between_costs_nothing(rig):
    edge = rig.start_edge()
    rig.conductor.advance(rig.T0)
    rig.hub.gives_receipts = False
    rig.conductor.say(Advance(rig.T0 + 900))
    assert rig.conductor.next().pending > 0
    rig.broker.stop(signal.SIGKILL)
    rig.broker.start()
    rig.hub.speak_again()
    rig.conductor.quiet(rig.T0 + 900)
    assert rig.hub.readings == readings_expected(rig, instants(rig, 2))
    rig.stop(edge)


def test_the_same_advance_again_samples_nothing_and_is_quiet_again(rig):
    edge = rig.start_edge()
    first = rig.conductor.advance(rig.T0)
    reads = len(rig.world.reads)
    again = rig.conductor.advance(rig.T0)
    earlier = rig.conductor.advance(rig.T0 - 900)
    assert len(rig.world.reads) == reads == len(rig.gateway_ids)
    assert first.counts == again.counts == earlier.counts
    rig.stop(edge)


def test_setpoints_are_applied_and_answered_while_the_process_is_idle(rig):
    edge = rig.start_edge()
    rig.conductor.advance(rig.T0)
    interval = rig.T0 // 900 + 1
    message = SetpointsMessage(
        "s-1", interval, (Setpoint("M000002", 700), Setpoint("M000099", 5), Setpoint("M000003", 0))
    )
    rig.hub.gives_receipts = False
    rig.hub.down("G0001", "set", message)
    rig.hub.wait(lambda: len(rig.hub.responses) == 1)
    (device, response) = rig.hub.responses[0]
    assert (device, response.setpoints_id, response.interval) == ("G0001", "s-1", interval)
    assert [(a.meter, a.outcome) for a in response.a] == [
        ("M000002", "ok"),
        ("M000099", "foreign-meter"),
        ("M000003", "ok"),
    ]
    limits = [("G0001", interval, "M000002", 700), ("G0001", interval, "M000003", 0)]
    assert rig.world.limits == limits

    rig.hub.down(
        "G0001", "set", message
    )  # a repeat while the answer waits for its receipt: the answer is resent anyway
    rig.hub.speak_again()
    rig.conductor.advance(rig.T0)  # quiet again: the answer has its receipt
    assert rig.world.limits == limits

    rig.hub.down("G0001", "set", message)  # a repeat after the receipt: the hub wants the answer again
    rig.hub.wait(lambda: len(rig.hub.responses) == 2)
    assert rig.hub.responses[1][1].a == response.a
    quiet = rig.conductor.advance(rig.T0 + 900)
    assert quiet.counts["setpoints_applied"] == 2
    assert quiet.counts["setpoints_refused"] == 1
    rig.stop(edge)


def test_refusals_are_kept_and_counted_once(rig):
    rig.hub.reject = lambda reading: "backwards" if reading.meter == "M000002" else None
    edge = rig.start_edge()
    quiet = rig.conductor.advance(rig.T0)
    assert quiet.counts["rejected_readings"] == 1
    quiet = rig.conductor.advance(rig.T0 + 900)
    assert quiet.counts["rejected_readings"] == 2
    rig.conductor.say(Ask("summary"))
    answer = rig.conductor.next()
    assert isinstance(answer, Answer)
    assert b'{"kind":"iv","reason":"backwards","number":2}' in bytes(answer.document)
    rig.stop(edge)


def test_the_session_message_sets_the_limits(rig):
    cap = 60_000
    rig.hub.broadcast("session", SessionMessage(0, 0, cap, 7_000, 250))
    edge = rig.start_edge()
    for t in instants(rig, 3):
        rig.conductor.advance(t)
    rig.stop(edge)
    assert rig.hub.orders
    for _side, energy_wh, price, _submitted in rig.hub.orders.values():
        assert 0 < price <= cap
        assert price % 7_000 == 0
        assert energy_wh % 250 == 0


def test_garbage_from_above_is_counted_and_changes_nothing(rig):
    edge = rig.start_edge()
    rig.conductor.advance(rig.T0)
    for payload in (b"", b"{}", b"\xff", b'{"boot":"x","upto":"y"}', b"[" * 500):
        rig.hub.client.publish("cmb/v1/c1/s0/d/G0001/rcpt", payload)
        rig.hub.client.publish("cmb/v1/c1/s0/d/G0001/set", payload)
    rig.hub.down("G0001", "set", SetpointsMessage("s-1", rig.T0 // 900 + 1, (Setpoint("M000002", 1),)))
    rig.hub.wait(lambda: len(rig.hub.responses) == 1)
    quiet = rig.conductor.advance(rig.T0 + 900)
    assert quiet.counts["malformed_received"] == 10
    assert rig.hub.readings == readings_expected(rig, instants(rig, 2))
    rig.stop(edge)


def test_sigterm_ends_in_good_order_and_a_kill_leaves_the_last_will(rig):
    edge = rig.start_edge()
    rig.conductor.advance(rig.T0)
    rig.hub.wait(lambda: ("G0003", "online") in rig.hub.statuses)
    edge.send_signal(signal.SIGTERM)
    out, err = edge.communicate(timeout=WAIT_S)
    assert (edge.returncode, err) == (0, "")
    assert '"published_readings":15' in out
    rig.hub.wait(lambda: all((g, "offline") in rig.hub.statuses for g in rig.gateway_ids))

    edge = rig.start_edge()
    rig.hub.wait(lambda: rig.hub.statuses.count(("G0003", "online")) == 2)
    rig.kill(edge)
    rig.hub.wait(lambda: rig.hub.statuses.count(("G0003", "offline")) == 2)


def test_a_world_that_refuses_ends_the_run_with_its_reason(rig):
    rig.world.stands_at = rig.T0
    edge = rig.start_edge()
    rig.conductor.advance(rig.T0)
    rig.conductor.say(Advance(rig.T0 + 900))
    failed = rig.conductor.next()
    assert isinstance(failed, Failed)
    assert "that instant is not there yet" in failed.reason
    _out, err = edge.communicate(timeout=WAIT_S)
    assert edge.returncode == 1
    assert len(err.splitlines()) == 1


def test_a_conductor_that_goes_away_ends_the_process(rig):
    edge = rig.start_edge()
    rig.conductor.hang_up()
    _out, err = edge.communicate(timeout=WAIT_S)
    assert edge.returncode == 1
    assert "conductor" in err


def test_a_second_process_with_the_same_state_file_is_refused(rig):
    edge = rig.start_edge()
    second = subprocess.run(
        [str(part) for part in edge.args[:-2]], capture_output=True, text=True, check=False, timeout=WAIT_S
    )
    assert second.returncode == 2
    assert second.stderr.splitlines() == [
        f"microbalance edge: Invalid value: state file {rig.state_path}: database is locked"
    ]
    rig.stop(edge)
    assert sys.executable in edge.args


def test_an_oversized_message_is_kept_aside_and_the_rest_goes_on(rig):
    outbox = Outbox(rig.state_path)
    giant = Outgoing("earlier", 1, "iv", "cmb/v1/c1/s0/m/G0001/iv", b" " * (MESSAGE_BYTES_MAX + 1))
    outbox.commit(Changes(messages=[("G0001", giant)]))
    outbox.close()
    edge = rig.start_edge()
    quiet = rig.conductor.advance(rig.T0)
    rig.kill(edge)
    assert quiet.counts["refused_messages"] == 1
    assert ("G0001", "iv", "earlier", 1) in rig.hub.messages
    assert rig.hub.readings == readings_expected(rig, [rig.T0])


def test_what_cannot_be_sent_is_not_handed_to_the_connection(rig_files):
    folder, _ = rig_files
    client = GatewayClient(
        "G0001",
        read_credential(folder / "credentials" / "G0001.json"),
        status_topic="cmb/v1/c1/s0/m/G0001/st",
        filters=(),
        boot="b",
        enqueue=lambda _event: None,
        reconnect_s_max=1,
    )
    assert client.publish("t", b"x" * (MESSAGE_BYTES_MAX + 1)) is PublishOutcome.TOO_LARGE
    assert client.publish("t", b"x" * MESSAGE_BYTES_MAX) is PublishOutcome.OFFLINE
