"""Without a conductor the wall clock strikes; here a clock that the test moves, and the real broker and hub."""

import queue
import threading

from edge.agent import assignments_of
from edge.drivers.driver import DriverError
from edge.drivers.simulated import SimulatedDriver
from edge.main import EdgeProcess, EdgeSettings
from edge.mqtt import read_credential
from edge.outbox import Outbox

WAIT_S = 60


class FailingOnce:
    """A driver whose first read fails."""

    def __init__(self, driver):
        self.driver = driver
        self.has_failed = False

    def read_registers(self, gateway_id, instant_utc_s):
        if not self.has_failed:
            self.has_failed = True
            raise DriverError("the bus is silent")
        return self.driver.read_registers(gateway_id, instant_utc_s)

    def limit_export(self, gateway_id, interval, setpoints):
        return self.driver.limit_export(gateway_id, interval, setpoints)

    def close(self):
        self.driver.close()


def test_quarter_hours_are_sampled_as_they_begin_and_what_was_overslept_is_counted(rig):
    now_s = [rig.T0 - 1]
    host, port = rig.world.address.split(":")
    credentials = {g: read_credential(rig.folder / "credentials" / f"{g}.json") for g in rig.gateway_ids}
    settings = EdgeSettings("live", 1, assignments_of(rig.registry, rig.gateway_ids), credentials, None)
    started, ended = queue.SimpleQueue(), queue.SimpleQueue()

    def work():
        outbox = Outbox(rig.state_path)
        driver = FailingOnce(SimulatedDriver(host, int(port)))
        process = EdgeProcess(settings, outbox, driver, wall_clock=lambda: now_s[0])
        started.put(process)
        process.run()
        ended.put(process.summary())
        outbox.close()

    thread = threading.Thread(target=work)
    thread.start()
    process = started.get(timeout=WAIT_S)
    try:
        per_gateway = len(rig.meter_ids) // len(rig.gateway_ids)
        rig.hub.wait(lambda: len(rig.hub.statuses) == len(rig.gateway_ids))
        now_s[0] = rig.T0 + 0.5  # the first gateway's meters do not answer
        rig.hub.wait(lambda: len(rig.hub.readings) == len(rig.meter_ids) - per_gateway)
        now_s[0] = rig.T0 + 900 + 2.25
        rig.hub.wait(lambda: len(rig.hub.readings) == 2 * len(rig.meter_ids) - per_gateway)
        assert {instant for _, instant in rig.hub.readings} == {rig.T0, rig.T0 + 900}
        now_s[0] = rig.T0 + 900 * 4 + 3  # asleep at 2 and 3
        rig.hub.wait(lambda: len(rig.hub.readings) == 3 * len(rig.meter_ids) - per_gateway)
        rig.hub.wait(lambda: len({submitted for *_, submitted in rig.hub.orders.values()}) == 2)
    finally:
        process.stop()
        thread.join()
    summary = ended.get(timeout=WAIT_S)
    assert summary["counts"]["missed_instants"] == 2
    assert summary["counts"]["missing_samples"] == per_gateway
    assert {submitted for *_, submitted in rig.hub.orders.values()} == {rig.T0 + 902, rig.T0 + 3603}
