"""Vessel trees: centre lines with radii, their branches, what they feed or drain. Arrays in, arrays out."""
