"""The hub's benchmarks: each measures this program and a peer in one run and compares what both found."""
