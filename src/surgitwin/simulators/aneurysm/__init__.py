"""Intracranial aneurysm: neck plane, shape indices, PHASES, and logistic models that a user brings."""
