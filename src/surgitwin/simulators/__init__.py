"""Simulators: what the twin says of an operation before it is done; see docs/developer/simulators.md."""
