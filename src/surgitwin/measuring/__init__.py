"""Lengths, angles, areas, image values and distances on the twin: pure functions."""
