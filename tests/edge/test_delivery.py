"""What is sent when, and what a receipt settles; the network in between may lose everything."""

from hypothesis import given
from hypothesis import strategies as st

from edge.contract.messages import ReceiptMessage, Rejection
from edge.delivery import WINDOW_MESSAGES, Delivery, OutboxKey, read_receipt

keys_of_two_boots = st.lists(st.sampled_from(["old", "new"]), max_size=12).map(
    lambda boots: [OutboxKey(i + 1, boot, boots[: i + 1].count(boot), "iv") for i, boot in enumerate(boots)]
)


def rows(number, start=1):
    return [OutboxKey(i, "boot", i, "iv") for i in range(start, start + number)]


@given(keys_of_two_boots, st.sampled_from(["old", "new", "other"]), st.integers(0, 13))
def test_a_receipt_settles_its_boot_up_to_its_number_and_nothing_else(keys, boot, upto):
    settled = read_receipt(keys, ReceiptMessage(boot, upto))
    assert set(settled.done) == {key for key in keys if key.boot == boot and key.seq <= upto}
    left = [key for key in keys if key not in settled.done]
    assert read_receipt(left, ReceiptMessage(boot, upto)).done == (), "a repeat settles nothing"


def test_a_refusal_names_the_kind_of_message_it_stood_in():
    keys = [OutboxKey(1, "b", 1, "iv"), OutboxKey(2, "b", 2, "ord")]
    rejections = (
        Rejection(1, "M1", 900, "backwards"),
        Rejection(2, "M1", 1800, "off-tick"),
        Rejection(9, "M1", 0, "x"),
    )
    settled = read_receipt(keys, ReceiptMessage("b", 2, rejections))
    assert [(r.kind, r.reason) for r in settled.rejections] == [("iv", "backwards"), ("ord", "off-tick"), ("", "x")]
    assert {r.boot for r in settled.rejections} == {"b"}


def test_rows_go_out_in_order_and_at_most_a_window_without_receipt():
    waiting = rows(WINDOW_MESSAGES + 5)
    delivery = Delivery(0)
    assert delivery.take(waiting, 0.0) == ([], 0), "nobody is there"
    delivery.connected()
    assert delivery.take(waiting, 0.0) == (waiting[:WINDOW_MESSAGES], 0)
    assert delivery.take(waiting, 0.5) == ([], 0)
    left = waiting[3:]
    delivery.receipt(left, 0.6)
    assert delivery.take(left, 0.6) == (waiting[WINDOW_MESSAGES : WINDOW_MESSAGES + 3], 0)


def test_the_wait_for_a_receipt_grows_from_three_to_five_seconds():
    waiting = rows(2)
    delivery = Delivery(0)
    delivery.connected()
    now_s, sent_at = 0.0, []
    while now_s < 20:
        taken, again = delivery.take(waiting, now_s)
        if taken:
            assert taken == waiting
            assert again == (2 if sent_at else 0)
            sent_at.append(now_s)
        now_s += 0.5
    assert sent_at == [0, 3, 8, 13, 18]
    delivery.receipt(waiting[1:], 20.0)
    assert delivery.deadline_s == 23.0, "a receipt shows that somebody listens"


def test_a_new_connection_starts_at_the_oldest_row():
    waiting = rows(3)
    delivery = Delivery(0)
    delivery.connected()
    delivery.take(waiting, 0.0)
    delivery.disconnected()
    assert delivery.deadline_s is None
    assert delivery.take(waiting, 9.0) == ([], 0)
    delivery.connected()
    assert delivery.take(waiting[1:], 9.0) == (waiting[1:], 2)


def test_rows_of_an_earlier_process_count_as_sent_again():
    delivery = Delivery(2)
    delivery.connected()
    assert delivery.take(rows(3), 0.0)[1] == 2


class Line:
    """One gateway, a hub that takes messages in order of seq, and messages in the air between them."""

    def __init__(self):
        self.delivery, self.waiting, self.air = Delivery(0), [], []
        self.now_s, self.added, self.upto = 0.0, 0, 0

    def add(self):
        self.added += 1
        self.waiting.append(OutboxKey(self.added, "boot", self.added, "iv"))

    def connect(self):
        self.delivery.connected()

    def disconnect(self):
        self.delivery.disconnected()
        self.air.clear()

    def arrive(self):
        if self.air:
            self.upto += self.air.pop(0).seq == self.upto + 1

    def lose(self):
        self.air[:1] = []

    def receipt(self):
        done = read_receipt(self.waiting, ReceiptMessage("boot", self.upto)).done
        self.waiting = [key for key in self.waiting if key not in done]
        if done:
            self.delivery.receipt(self.waiting, self.now_s)

    def wait(self):
        self.now_s += 1.0

    def pump(self):
        self.air += self.delivery.take(self.waiting, self.now_s)[0]


OPERATIONS = (Line.add, Line.connect, Line.disconnect, Line.arrive, Line.lose, Line.receipt, Line.wait)


@given(st.lists(st.sampled_from(OPERATIONS), max_size=60))
def test_every_row_arrives_whatever_is_lost_on_the_way(operations):
    line = Line()
    for operation in operations:
        operation(line)
        line.pump()
        missing_at_hub = set(range(line.upto + 1, line.added + 1))
        assert {key.seq for key in line.waiting} >= missing_at_hub, "a row left the outbox without a receipt"
    line.connect()
    for _ in range(20):
        line.now_s += 5.0
        line.pump()
        while line.air:
            line.arrive()
        line.receipt()
    assert line.waiting == []
    assert line.upto == line.added
