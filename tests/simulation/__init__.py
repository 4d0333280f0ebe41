"""Simulation: whole runs on the engine's own decisions, with a virtual clock in place of the lanes."""
