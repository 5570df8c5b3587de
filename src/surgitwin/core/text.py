"""The one function that all text for users goes through, so that it can be translated in one place."""

import gettext
from pathlib import Path

_translations = gettext.translation(
    "surgitwin", localedir=Path(__file__).parent.parent / "resources" / "locale", fallback=True
)


def tr(text: str) -> str:
    """Return ``text`` in the user's language; the English text is its own key."""
    return _translations.gettext(text)
