"""Ids, units, LPS geometry, signals and errors: numpy and the standard library only."""
