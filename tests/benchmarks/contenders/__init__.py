"""Contenders: what runs a graph, a module each.

A contender is a function from a graph to a function: the first call prepares, the second runs and
returns the value of each step by number. Both are timed apart. Peers are imported by name, since they
are installed in the environment of the benchmarks only.
"""
