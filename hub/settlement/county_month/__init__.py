"""A county's month in columns: metered energy streamed by day, then every line of every bill at once."""
