"""The register of a day as a role may see it (rows 4, 155, 160): by the table of access.py, and nothing beside it.

Whoever may not read the register sees the rules, units, territories and operators, which are published, and what is
the reader's own: its record, meters, plants, contracts and places in the waiting list.
"""

from datetime import date

import msgspec

from hub.market.registry.access import Resource, Role, may_read
from hub.market.registry.register import Register
from hub.market.registry.register_document import RegisterTables, register_tables


def register_view(register: Register, day: date, role: Role, participant_id: str | None) -> RegisterTables:
    """Return the register as of the day, as far as the role may read it.

    :param participant_id: the reader's own; None: it is no participant
    """
    tables = register_tables(register, day)
    if may_read(role, Resource.REGISTER):
        return tables
    own = participant_id if may_read(role, Resource.OWN_RECORD) else None
    contracts = tuple(
        name
        for name in tables.contracts
        if own is not None and any(own in {part.seller_id, part.buyer_id} for part in register.contracts[name])
    )
    sees_queue = may_read(role, Resource.WAITING_LIST)
    return msgspec.structs.replace(
        tables,
        participants=tuple(row for row in tables.participants if row.participant_id == own),
        meters=tuple(row for row in tables.meters if row.participant_id == own),
        projects=tuple(row for row in tables.projects if row.participant_id == own),
        waiting=tuple(row for row in tables.waiting if sees_queue or row.participant_id == own),
        elements=tables.elements if may_read(role, Resource.CAPACITY_LIST) else (),
        contracts=contracts,
    )
