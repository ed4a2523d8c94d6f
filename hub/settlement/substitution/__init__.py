"""Substitution of missing meter data by named rules: dated rules, what they estimate from, the series, late data."""
