"""When parts of a running day are killed on purpose: seeded, pure, and only where a message had no receipt."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from edge.contract.interval import iso_utc

TARGETS = ("hub", "broker", "edge")


class KillTextError(ValueError):
    """The text of `--kill` names something that cannot be killed."""


@dataclass(frozen=True)
class Kill:
    """One planned or finished kill. what: one of TARGETS. instant_utc_s: when it is due, or when it was done.

    unreceipted: messages without receipt at that moment; 0 as long as it is not done. tries: how often a moment was
    looked at; at all but the last one every message had its receipt, and nobody was killed.
    """

    what: str
    instant_utc_s: int
    unreceipted: int = 0
    tries: int = 0

    @property
    def is_done(self) -> bool:
        """Tell whether it hit a moment at which at least one message had no receipt."""
        return self.unreceipted > 0

    def document(self) -> dict[str, object]:
        """Return the kill as a row of the summary."""
        return {
            "what": self.what,
            "instant": iso_utc(self.instant_utc_s) if self.is_done else None,
            "unreceipted": self.unreceipted,
            "tries": self.tries,
        }


def parse_kill_targets(text: str) -> tuple[str, ...]:
    """Return the targets named in "hub,broker,edge" or "all", in the order of TARGETS; none for an empty text.

    :raises KillTextError: if a name is none of them
    """
    names = {part.strip() for part in text.split(",") if part.strip()}
    unknown = sorted(names - {*TARGETS, "all"})
    if unknown:
        raise KillTextError(f'"{unknown[0]}" cannot be killed; one or more of {", ".join(TARGETS)}, or all')
    return TARGETS if "all" in names else tuple(target for target in TARGETS if target in names)


def plan_kills(targets: Sequence[str], instants_utc_s: Sequence[int], seed: int) -> tuple[Kill, ...]:
    """Return one kill for each target, at different instants drawn by the seed from the first nine tenths of the run.

    The last tenth is kept for further tries. The same seed gives the same plan.

    :raises KillTextError: if there are fewer instants than targets
    """
    usable = instants_utc_s[: max(len(targets), len(instants_utc_s) * 9 // 10)]
    if len(usable) < len(targets):
        raise KillTextError(f"{len(targets)} kills need as many instants; the run has {len(usable)}")
    drawn = random.Random(seed).sample(list(usable), len(targets))  # noqa: S311
    return tuple(Kill(what, instant) for what, instant in zip(targets, drawn, strict=True))


class KillSchedule:
    """Which kill is due. A kill that finds no message without receipt at its instant moves to the next free one."""

    def __init__(self, kills: Iterable[Kill], interval_s: int) -> None:
        self._kills = tuple(kills)
        self._interval_s = interval_s

    @property
    def kills(self) -> tuple[Kill, ...]:
        """All kills as they stand, in the order of the plan."""
        return self._kills

    def due(self, utc_s: int) -> Kill | None:
        """Return the kill that is due at the instant, or None."""
        return next((kill for kill in self._kills if not kill.is_done and kill.instant_utc_s == utc_s), None)

    def tried(self, kill: Kill, unreceipted: int) -> Kill:
        """Note that the moment was looked at: with messages without receipt the kill was done, else it is still due."""
        assert kill in self._kills
        assert not kill.is_done
        tried = replace(kill, unreceipted=unreceipted, tries=kill.tries + 1)
        self._kills = tuple(tried if other is kill else other for other in self._kills)
        return tried

    def missed(self, utc_s: int) -> None:
        """Note that the instant is over: a kill that was due and found no occasion moves to the next free instant."""
        kill = self.due(utc_s)
        if kill is not None:
            moved = replace(kill, instant_utc_s=self._next_free(utc_s))
            self._kills = tuple(moved if other is kill else other for other in self._kills)

    def _next_free(self, utc_s: int) -> int:
        taken = {kill.instant_utc_s for kill in self._kills}
        instant = utc_s + self._interval_s
        while instant in taken:
            instant += self._interval_s
        return instant
