"""Who a participant, a utility and an operator are, as records: requirements rows 1, 4, 12, 19."""

import msgspec

from hub.market.registry.participant_classes import Hosting, LegalKind


class LegalIdentity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who can sign. legal_id: unified social credit code, or a reference to a natural person's document."""

    kind: LegalKind
    name: str
    legal_id: str


class Operator(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who runs the platform of a county and signs its results (row 19). key_id: which of its keys signs."""

    operator_id: str
    hosting: Hosting
    key_id: str
