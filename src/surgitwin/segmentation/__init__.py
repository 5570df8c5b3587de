"""Segmentation: pure functions, arrays in, arrays out; label maps in; names, colours and codes of structures."""
