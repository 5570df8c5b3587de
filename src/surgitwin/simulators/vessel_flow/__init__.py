"""Flow in segmented vessels: a vessel tree as a steady network of resistances."""
