"""The simulated provincial market: a process with an HTTP API that a real exchange would replace."""
