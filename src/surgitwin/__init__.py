"""Surgitwin: a desktop planner that lets a surgeon try an operation on a patient's digital twin.

Research and planning aid, not a medical device.
"""

__version__ = "0.1.0"
