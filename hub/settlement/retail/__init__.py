"""Retail packages: four kinds with modifiers, their limits, deviation clauses, refunds, life cycle (rows 79 to 93)."""
