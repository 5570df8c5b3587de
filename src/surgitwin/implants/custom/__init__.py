"""Implants made for one patient from the twin: planning models, not for use in a patient."""
