"""Simulated meters, inverters, households, province and whole counties."""
