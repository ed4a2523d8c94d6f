"""Benchmarks: how contenders are timed side by side, the command `microbalance bench`, and that of the power flow."""
