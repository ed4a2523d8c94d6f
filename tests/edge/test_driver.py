"""The simulated driver says clearly what is wrong, and finds its way back after a failure."""

import socket
import threading

import pytest

from edge.contract.driver import Limited, Refused, Registers, encode_line
from edge.contract.messages import Acknowledgement, Reading, Setpoint
from edge.drivers.driver import DriverError
from edge.drivers.simulated import SimulatedDriver

READING = Reading("M1", 900, {"1-0:1.8.0": 5})


@pytest.fixture
def world():
    """A world that gives prepared answers, one to each request; None hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))
    answers = []

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return  # closed: the test is over
            with connection, connection.makefile("rb") as lines:
                for _line in lines:
                    answer = answers.pop(0)
                    if answer is None:
                        break
                    connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    driver = SimulatedDriver("127.0.0.1", listener.getsockname()[1])
    yield driver, answers
    driver.close()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_registers_and_outcomes_are_handed_on(world):
    driver, answers = world
    answers += [encode_line(Registers((READING,))), encode_line(Limited((Acknowledgement("M1", "ok"),)))]
    assert driver.read_registers("G1", 900) == (READING,)
    assert driver.limit_export("G1", 2, (Setpoint("M1", 5),)) == (Acknowledgement("M1", "ok"),)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (encode_line(Refused("no such gateway")), "no such gateway"),
        (encode_line(Limited(())), "something else"),
        (b"{}\n", "driver answer"),
        (b"\xff\n", "driver answer"),
        (b'{"type":"registers","rea', None),
        (None, "closed the connection"),
    ],
)
def test_whatever_goes_wrong_is_a_driver_error_and_the_next_request_works(world, answer, says):
    driver, answers = world
    if says is None:
        answers += [answer, None]
        driver._exchange = lambda request, ask=driver._exchange: ask(request + request)
        says = "closed the connection"
    else:
        answers.append(answer)
    with pytest.raises(DriverError, match=says):
        driver.read_registers("G1", 900)
    driver.__dict__.pop("_exchange", None)
    answers.append(encode_line(Registers((READING,))))
    assert driver.read_registers("G1", 900) == (READING,)


def test_an_answer_to_the_wrong_question_is_refused(world):
    driver, answers = world
    answers.append(encode_line(Registers((READING,))))
    with pytest.raises(DriverError, match="something else"):
        driver.limit_export("G1", 2, (Setpoint("M1", 5),))


def test_nobody_there():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(DriverError, match=str(port)):
        SimulatedDriver("127.0.0.1", port).read_registers("G1", 900)
