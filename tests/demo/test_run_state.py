"""Which process owes what."""

import msgspec
import pytest

from edge.contract.control import Advance, Answer, Ask, Failed, Hello, Progress, Quiet
from simulators.demo.run_state import NotQuietError, ProcessDiedError, ProcessFailedError, RunState, Send, Start

NOON = 1_463_457_600


def announced(*names: str, quiet_limit_s: float = 60.0) -> RunState:
    state = RunState(quiet_limit_s)
    for name in names:
        state.expect(name, 0.0, restartable=name != "world")
        assert state.received(name, Hello("edge", name, 1), 0.0) == []
    return state


def test_nobody_is_quiet_before_all_have_announced_themselves() -> None:
    state = RunState()
    state.expect("hub", 0.0, restartable=True)
    state.expect("edge-1", 0.0, restartable=True)
    state.received("hub", Hello("hub", "hub", 1), 0.0)
    assert not state.is_quiet()
    assert "edge-1 has not announced itself" in state.waiting_text()


def test_time_may_move_only_when_all_are_quiet() -> None:
    state = announced("edge-1", "edge-2")
    assert state.advance(["edge-1", "edge-2"], NOON, 1.0) == [
        Send("edge-1", Advance(NOON)),
        Send("edge-2", Advance(NOON)),
    ]
    state.received("edge-1", Quiet(NOON), 2.0)
    assert not state.is_quiet()
    with pytest.raises(AssertionError, match="edge-2 is not quiet"):
        state.advance(["edge-1"], NOON + 900, 3.0)
    state.received("edge-2", Quiet(NOON), 3.0)
    assert state.is_quiet()


def test_a_restarted_process_is_told_the_same_advance_and_its_old_words_count_no_more() -> None:
    state = announced("edge-1")
    state.advance(["edge-1"], NOON, 1.0)
    assert state.exited("edge-1", -9, 2.0) == [Start("edge-1")]
    # what the dead process had still sent arrives late
    assert state.received("edge-1", Quiet(NOON, {"published_readings": 1}), 2.1) == []
    assert not state.is_quiet()
    assert state.process("edge-1").counts == {}
    assert state.received("edge-1", Hello("edge", "edge-1", 2), 3.0) == [Send("edge-1", Advance(NOON))]
    state.received("edge-1", Quiet(NOON, {"published_readings": 5}), 4.0)
    assert state.is_quiet()
    assert state.process("edge-1").counts == {"published_readings": 5}


def test_a_process_killed_between_its_turns_is_told_its_last_advance_and_holds_up_the_others() -> None:
    state = announced("hub", "edge-1")
    state.advance(["hub"], NOON, 1.0)
    state.received("hub", Quiet(NOON), 1.1)
    state.advance(["edge-1"], NOON + 900, 2.0)
    state.exited("hub", -9, 2.1)
    state.received("edge-1", Quiet(NOON + 900), 2.2)
    assert not state.is_quiet()
    assert state.received("hub", Hello("hub", "hub", 9), 3.0) == [Send("hub", Advance(NOON))]
    state.received("hub", Quiet(NOON), 3.1)
    assert state.is_quiet()


def test_a_process_killed_while_it_was_asked_is_asked_again_after_its_advance() -> None:
    state = announced("hub")
    state.advance(["hub"], NOON, 1.0)
    state.received("hub", Quiet(NOON), 1.1)
    state.ask("hub", "summary", 2.0)
    state.exited("hub", -9, 2.1)
    assert state.received("hub", Hello("hub", "hub", 9), 3.0) == [Send("hub", Advance(NOON))]
    assert state.received("hub", Quiet(NOON), 3.1) == [Send("hub", Ask("summary"))]
    assert not state.is_quiet()
    state.received("hub", Answer("summary", msgspec.Raw(b"{}")), 3.2)
    assert state.is_quiet()
    assert state.process("hub").answers == {"summary": b"{}"}


def test_a_process_killed_before_its_first_advance_owes_nothing_after_hello() -> None:
    state = announced("edge-1")
    state.exited("edge-1", -9, 1.0)
    assert state.received("edge-1", Hello("edge", "edge-1", 3), 2.0) == []
    assert state.is_quiet()


def test_an_answer_to_an_earlier_instant_does_not_count() -> None:
    state = announced("edge-1")
    state.advance(["edge-1"], NOON, 1.0)
    state.received("edge-1", Quiet(NOON - 900), 1.1)
    assert not state.is_quiet()


def test_an_answer_to_an_instant_that_nobody_named_ends_the_run() -> None:
    state = announced("edge-1")
    state.advance(["edge-1"], NOON, 1.0)
    with pytest.raises(ProcessFailedError, match="nobody told it"):
        state.received("edge-1", Quiet(NOON + 900), 1.1)


@pytest.mark.parametrize("status", [0, 1, -11, -15])
def test_a_process_that_ends_by_itself_ends_the_run(status: int) -> None:
    state = announced("hub")
    with pytest.raises(ProcessDiedError, match="hub ended by itself"):
        state.exited("hub", status, 1.0)


def test_the_world_cannot_be_killed_and_started_again() -> None:
    state = announced("world")
    with pytest.raises(ProcessDiedError, match="keeps no state"):
        state.exited("world", -9, 1.0)


def test_a_process_that_is_killed_again_and_again_ends_the_run() -> None:
    state = announced("hub")
    for turn in range(5):
        state.exited("hub", -9, float(turn))
    with pytest.raises(ProcessDiedError, match="killed 6 times"):
        state.exited("hub", -9, 9.0)


def test_failed_ends_the_run_with_its_reason_and_names_the_process() -> None:
    state = announced("hub")
    with pytest.raises(ProcessFailedError, match="disk is full") as caught:
        state.received("hub", Failed("the disk is full"), 1.0)
    assert caught.value.process == "hub"


def test_patience_ends_and_names_who_waits_for_what() -> None:
    state = announced("edge-1", "edge-2", quiet_limit_s=60.0)
    state.advance(["edge-1", "edge-2"], NOON, 100.0)
    state.received("edge-1", Quiet(NOON), 100.5)
    state.received("edge-2", Progress(NOON, 3), 130.0)
    state.check_patience(160.0)
    with pytest.raises(NotQuietError, match=r"edge-2 is not quiet at 2016-05-17T12:00.*3 pending") as caught:
        state.check_patience(160.1)
    assert caught.value.process == "edge-2"
    assert "edge-1" not in str(caught.value)


def test_an_answer_may_take_longer_than_a_quiet_but_not_forever() -> None:
    state = RunState(quiet_limit_s=60.0, answer_limit_s=240.0)
    state.expect("hub", 0.0, restartable=True)
    state.received("hub", Hello("hub", "hub", 1), 0.0)
    state.ask("hub", "summary", 100.0)
    state.check_patience(340.0)
    with pytest.raises(NotQuietError, match="no quiet for 240 s: hub has not answered 'summary'"):
        state.check_patience(341.0)


def test_after_a_kill_everybody_gets_the_full_time_again() -> None:
    state = announced("edge-1", "hub", quiet_limit_s=60.0)
    state.advance(["edge-1"], NOON, 0.0)
    state.exited("hub", -9, 50.0)
    state.check_patience(109.0)
    with pytest.raises(NotQuietError, match="hub has not announced itself"):
        state.check_patience(111.0)


def test_seconds_are_summed_over_incarnations() -> None:
    state = announced("hub")
    state.advance(["hub"], NOON, 0.0)
    state.received("hub", Quiet(NOON, {}, {"clear": 2.0, "settle": 1.0}), 1.0)
    state.exited("hub", -9, 2.0)
    state.received("hub", Hello("hub", "hub", 2), 3.0)
    state.received("hub", Quiet(NOON, {}, {"clear": 0.5}), 4.0)
    assert state.seconds_by_stage("hub") == {"clear": 2.5, "settle": 1.0}


def test_children_are_those_of_the_living_process() -> None:
    state = announced("hub")
    state.received("hub", Progress(0, 0, {"broker": 11}), 1.0)
    state.received("hub", Progress(NOON, 4), 1.1)
    assert state.process("hub").children == {"broker": 11}
    state.received("hub", Progress(NOON, 4, {"broker": 12}), 1.2)
    assert state.process("hub").children == {"broker": 12}
    state.exited("hub", -9, 2.0)
    assert state.process("hub").children == {}
