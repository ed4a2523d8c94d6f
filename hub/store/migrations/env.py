"""Alembic's entry point: run the migrations on the connection that hub.store.schema passed."""

from alembic import context
from sqlmodel import SQLModel

import hub.store.bill_tables
import hub.store.green_tables
import hub.store.hosting_tables
import hub.store.listing_tables
import hub.store.notice_tables
import hub.store.registry_tables
import hub.store.session_tables
import hub.store.tables  # noqa: F401  (all fill the metadata)

context.configure(connection=context.config.attributes["connection"], target_metadata=SQLModel.metadata)
with context.begin_transaction():
    context.run_migrations()
