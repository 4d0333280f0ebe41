"""The engine: runs finished plans; a pure schedule with thin drivers around it."""
