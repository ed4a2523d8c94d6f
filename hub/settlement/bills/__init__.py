"""Bills: a user's month as rounded lines that sum, why it changed, and how each line came about."""
