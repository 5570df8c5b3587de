"""Typed warnings: a code that scripts can test, and a sentence that people can read."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Notice:
    """One finding about the data that does not stop the work but that a person must see.

    Attributes
    ----------
    code
        Stable, lower case with hyphens, for example ``missing-slice``.
    message
        One sentence in the user's language that says what was found and where.
    details
        Numbers behind the sentence, JSON types only, keys with units.
    """

    code: str
    message: str
    details: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message} | ({"details": self.details} if self.details else {})
