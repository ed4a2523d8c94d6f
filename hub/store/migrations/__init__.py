"""Migrations of the schema, in Alembic's layout; hub.store.schema runs them."""
