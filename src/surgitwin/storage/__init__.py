"""The case file: one SQLite database that holds a scene, survives crashes, and opens lazily."""

from surgitwin.storage.case_file import CaseFile
from surgitwin.storage.verification import VerifyReport, verify
from surgitwin.storage.versions import Version, revert_edits

__all__ = ["CaseFile", "VerifyReport", "Version", "revert_edits", "verify"]
