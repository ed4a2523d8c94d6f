"""When the market trades: the sessions of a day, their states, and the gate that freezes an interval."""
