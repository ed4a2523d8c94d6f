"""The market core: pure functions on integers."""
