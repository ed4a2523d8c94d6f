"""Clear many intervals together and make each of them safe: the AC checks of a round are one batch of power flows.

Each interval goes through the steps of clear_interval.py, which stop wherever they need an AC check. All intervals that
wait are answered together; one that is secure asks no more and drops out of later rounds. A state's outcome does not
depend on its company, so the results are those of interval by interval.
"""

import time
from collections.abc import Iterator, Sequence

import numpy as np

from hub.usecases.clear_interval import pair_interval, securing
from hub.usecases.load_county import CountyModel
from hub.usecases.secured_interval import (
    CheckedStates,
    ClearedInterval,
    Gate,
    SecuredInterval,
    Securing,
    StatesToCheck,
)
from hub.usecases.stage_times import Stage


def secure_day(county: CountyModel, gates: Sequence[Gate]) -> Iterator[ClearedInterval]:
    """Yield the secured result of each gate's interval, in the order of the gates.

    :param gates: what is known of each interval at its gate closure; intervals of one operating day
    """
    steps = [securing(county, gate) for gate in gates]
    secured: list[SecuredInterval | None] = [None] * len(steps)
    waiting: dict[int, StatesToCheck] = {}
    for number, each in enumerate(steps):
        _advance(number, each, None, waiting, secured)
    while waiting:
        answers = _checked_together(county, waiting)
        for number, answer in answers.items():
            _advance(number, steps[number], answer, waiting, secured)
    steps.clear()
    secured.reverse()
    while secured:
        done = secured.pop()
        assert done is not None, "an interval that waits for nothing is done"
        yield pair_interval(county, done)


def _advance(
    number: int,
    steps: Securing,
    answer: CheckedStates | None,
    waiting: dict[int, StatesToCheck],
    secured: list[SecuredInterval | None],
) -> None:
    """Let one interval go on with its answer until it asks again or is done."""
    try:
        waiting[number] = next(steps) if answer is None else steps.send(answer)
    except StopIteration as done:
        waiting.pop(number, None)
        secured[number] = done.value


def _checked_together(county: CountyModel, waiting: dict[int, StatesToCheck]) -> dict[int, CheckedStates]:
    """Return the answers of all that wait, and count the time of the batch to each by its number of states."""
    started = time.perf_counter()
    outcomes = county.security.check_states(
        np.concatenate([states.p_w for states in waiting.values()]),
        np.concatenate([states.q_var for states in waiting.values()]),
    )
    seconds_of_one = (time.perf_counter() - started) / len(outcomes)
    answers: dict[int, CheckedStates] = {}
    first = 0
    for number, states in waiting.items():
        n_states = len(states.p_w)
        answers[number] = outcomes[first : first + n_states]
        states.stages.add(Stage.POWER_FLOW, seconds_of_one * n_states)
        first += n_states
    return answers
