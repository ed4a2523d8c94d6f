"""What a listing session must know of a participant (row 3), and how a class bids (row 60), as of a day."""

from dataclasses import dataclass
from datetime import date

from hub.market.registry.eligibility import may_list
from hub.market.registry.participant_classes import BiddingMode, ParticipantClass, ParticipantStatus
from hub.market.registry.provincial_rules import BiddingChoice, rule_in_force
from hub.market.registry.register import Register, participant_of


@dataclass(frozen=True)
class ListingStanding:
    """eligible = access_ok and registered and not suspended (row 3)."""

    participant_class: ParticipantClass
    access_ok: bool
    registered: bool
    suspended: bool

    @property
    def is_eligible(self) -> bool:
        """Return whether all three hold."""
        return self.access_ok and self.registered and not self.suspended


def listing_standing(register: Register, participant_id: str, day: date) -> ListingStanding:
    """Return what the registry says of a participant on the day.

    Access: its class is one that listing admits and it has applied. Registered: it was admitted at some time by then
    and has not left. Suspended: it is, or is under exit review.

    :raises RefusedError: if there is no such participant
    """
    participant = participant_of(register, participant_id)
    past = [status for first_day, status in participant.status.changes if first_day <= day]
    is_registered = ParticipantStatus.ADMITTED in past and past[-1] is not ParticipantStatus.EXITED
    return ListingStanding(
        participant_class=participant.participant_class,
        access_ok=bool(past) and may_list(participant.participant_class, ParticipantStatus.ADMITTED),
        registered=is_registered,
        suspended=bool(past) and past[-1] in {ParticipantStatus.SUSPENDED, ParticipantStatus.EXIT_REVIEW},
    )


def bidding_mode_on(register: Register, participant_id: str, province: str, day: date) -> BiddingMode:
    """Return how the participant bids on the day: what it chose, else its class's default in the province (row 60).

    :raises RefusedError: if there is no such participant
    :raises RuleNotSetError: if it has not chosen and the province has set no default for its class
    """
    participant = participant_of(register, participant_id)
    chosen = participant.bidding.on(day)
    if chosen is not None:
        return chosen
    key = participant.participant_class.value
    rule, _ = rule_in_force(register.rules.values(), BiddingChoice, province=province, day=day, key=key)
    return rule.default
