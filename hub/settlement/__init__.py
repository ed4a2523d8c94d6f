"""The settlement core: pure functions on integers."""
