"""Implants that are built in: families of simple bodies, made to measure when they are asked for.

They stand for a kind of implant and for no product; each is closed, and its points lie on the ideal surface.
"""
