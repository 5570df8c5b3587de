"""Format 2: segments and plans carry their sign-off, segments how far the work on them is.

Nothing is rewritten: what an older program wrote has none of it. The number alone changes, so that such a program says
that the case is newer instead of stumbling over a field that it does not know.
"""

from __future__ import annotations

import apsw

INFO = "Sign-off of segments and plans; working status of segments."


def apply(db: apsw.Connection) -> None:
    """Nothing to do."""
