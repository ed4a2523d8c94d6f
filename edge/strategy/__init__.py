"""Pure strategies of an agent: forecast and bidding."""
