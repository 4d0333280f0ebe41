"""Benchmarks: FlowBuilder beside the bare standard library and its peers, on the same work."""
