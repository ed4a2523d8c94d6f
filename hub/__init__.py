"""The county hub: market, settlement, store, console and reports."""
