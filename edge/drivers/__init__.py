"""Drivers of meters and inverters."""
