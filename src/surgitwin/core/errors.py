"""The errors a person may meet; each message is one clear sentence that says what to do."""

from __future__ import annotations


class SurgitwinError(Exception):
    """Anything that Surgitwin reports to its user in words."""


class BadInput(SurgitwinError):
    """A file or a value that cannot be used; nothing was changed (exit status 3)."""


class Ambiguous(BadInput):
    """A name that fits several things; the message lists them."""


class CaseLocked(BadInput):
    """Another process holds the case file."""


class NeedsConfirmation(BadInput):
    """Something that a person may allow, but that must not happen unasked; ``finding`` says what speaks against it."""

    def __init__(self, finding: str, how: str) -> None:
        super().__init__(f"{finding} {how}")
        self.finding, self.how = finding, how

    def __reduce__(self) -> tuple[type[NeedsConfirmation], tuple[str, str]]:
        return NeedsConfirmation, (self.finding, self.how)


class StorageFailed(SurgitwinError):
    """The case file could not be written; the message names the file and the cause."""


class Cancelled(SurgitwinError):
    """The user stopped the work (exit status 4)."""

    def __init__(self, message: str = "Cancelled. Nothing was changed.") -> None:
        super().__init__(message)
