"""The run store: what happened in runs, kept so that it survives the process; nothing of the engine is in it."""
