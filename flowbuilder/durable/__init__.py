"""Durable runs: the engine's journal written into a run store, and what a resumed run keeps of it."""
