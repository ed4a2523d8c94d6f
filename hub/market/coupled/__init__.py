"""Coupled problems: storage over a horizon, block and linked orders, meshed limits; prices and laws as in the tree."""
