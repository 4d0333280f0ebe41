"""Lanes: where bodies run; each a small class behind one Protocol."""
