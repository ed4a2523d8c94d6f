"""Open the accounts of the ledger: one for each participant, then those of the utility, the province and the funds."""

from sqlmodel import Session

from edge.contract.registry import Registry
from hub.settlement.accounts import account_table
from hub.store.bulk import OnConflict, insert_columns
from hub.store.tables import NONE, AccountRow


def open_accounts(session: Session, registry: Registry) -> None:
    """Write every account under the position that postings use; those that are open stay as they are.

    :raises hub.settlement.accounts.AccountTableError: if a participant has the name of a system account
    """
    accounts = account_table(row.participant_id for row in registry.participants)
    n_participants = len(accounts.participant_id)
    insert_columns(
        session,
        AccountRow,
        {
            "position": range(len(accounts)),
            "account_id": accounts.names,
            "participant": [*range(n_participants), *[NONE] * (len(accounts) - n_participants)],
        },
        OnConflict.KEEP,
    )
