"""The memory of the run."""

import subprocess
import sys

from simulators.demo.memory import MemorySampler, pss_bytes

HUNGRY = "import sys; block = bytearray(b'x' * 50_000_000); print('ready', flush=True); sys.stdin.read()"


def test_the_peak_counts_children_and_stays() -> None:
    with MemorySampler(every_s=60) as sampler:
        alone = sampler.sample()
        assert sampler.peak.pss_bytes == alone > 1_000_000
        with subprocess.Popen([sys.executable, "-c", HUNGRY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
            together = sampler.sample()
            assert together - alone > 50_000_000
        assert sampler.sample() < together
        assert sampler.peak.pss_bytes == together
        assert sum(sampler.peak.by_process_bytes.values()) == together


def test_the_thread_samples_by_itself() -> None:
    with MemorySampler(every_s=0.01) as sampler:
        while sampler.peak.pss_bytes == 0:
            pass
    assert sampler.peak.pss_bytes > 1_000_000


def test_a_process_that_is_gone_has_no_memory() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        pid = child.pid
        child.wait()
    assert pss_bytes(pid) == 0
