"""One file a migration, newest last."""
