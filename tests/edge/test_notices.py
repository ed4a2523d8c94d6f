"""The real process and a real broker: what a notice says is kept through kills, answered, and said once."""

from edge.contract.control import Advance, Answer, Ask
from edge.contract.messages import (
    MeterModes,
    ModesFrom,
    ModesMessage,
    NoticeAnswer,
    WithdrawalsMessage,
    WithdrawnOrder,
)
from edge.contract.registry import SaleMode, SupplyMode

PLANT = "M000004"  # a LOAD of the test's county, GUARANTEED by its file: it places no order
ELECTED_FROM = 4  # intervals after the first instant


def elected(notice, from_interval):
    modes = ModesFrom(from_interval, SupplyMode.DIRECT, SaleMode.NONE)
    return ModesMessage(notice, (MeterModes(PLANT, (modes,)),))


def answers(rig):
    return [(device, one.notice) for device, one in rig.hub.responses if isinstance(one, NoticeAnswer)]


def intervals_of(rig, meter):
    return sorted({interval for _, interval, of_meter, _ in rig.hub.orders if of_meter == meter})


def test_an_election_is_kept_through_kills_and_changes_the_orders_from_its_interval(rig):
    first = rig.T0 // 900
    message = elected(2, first + ELECTED_FROM)
    edge = rig.start_edge()
    rig.conductor.advance(rig.T0)
    rig.hub.gives_receipts = False
    rig.hub.down("G0001", "cfg", message)
    rig.hub.wait(lambda: ("G0001", 2) in answers(rig))
    rig.kill(edge)  # the answer has no receipt: it is sent again, and the election is known

    edge = rig.start_edge()
    rig.hub.speak_again()
    for i in range(1, 6):
        rig.conductor.advance(rig.T0 + 900 * i)
        # Late repeats, and an older notice that was on its way: nothing changes.
        rig.hub.down("G0001", "cfg", message)
        rig.hub.down("G0001", "cfg", elected(1, first))
    rig.hub.wait(lambda: ("G0001", 1) in answers(rig))
    quiet = rig.conductor.advance(rig.T0 + 900 * 6)
    assert intervals_of(rig, PLANT) == [first + k for k in range(ELECTED_FROM, 8)]
    assert intervals_of(rig, "M000003") == [first + k for k in range(2, 8)]
    assert quiet.counts["modes_learned"] == 1
    assert quiet.counts["modes_repeated"] >= 1
    rig.stop(edge)


def test_withdrawn_orders_are_counted_once_and_shown_with_their_reason(rig):
    edge = rig.start_edge()
    rig.conductor.advance(rig.T0)
    withdrawn = (WithdrawnOrder("M000001", 1, "not-direct"), WithdrawnOrder("M000003", 1, "not-direct"))
    message = WithdrawalsMessage(1, rig.T0 // 900 + 1, withdrawn)
    rig.hub.gives_receipts = False
    rig.hub.down("G0001", "wdr", message)
    rig.hub.wait(lambda: answers(rig) == [("G0001", 1)])
    rig.kill(edge)
    edge = rig.start_edge()
    rig.hub.down("G0001", "wdr", message)
    rig.hub.wait(lambda: rig.hub.duplicates > 0)  # the answer had no receipt and comes again, with the same number
    rig.hub.speak_again()
    quiet = rig.conductor.advance(rig.T0 + 900)
    assert quiet.counts["withdrawn_orders"] == 2
    rig.conductor.say(Ask("summary"))
    answer = rig.conductor.next()
    assert isinstance(answer, Answer)
    assert b'{"kind":"wdr","reason":"not-direct","number":2}' in bytes(answer.document)
    rig.conductor.say(Advance(rig.T0 + 900))
    rig.conductor.quiet(rig.T0 + 900)
    rig.stop(edge)
