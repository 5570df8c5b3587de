"""Implants: the library, how they are placed, how well they fit, and those made for one patient."""
