"""Ancillary services: which products there are, what they pay, and who bears the cost (rows 120 to 127)."""
