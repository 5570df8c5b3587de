"""The case format, one numbered module for each step from the format before; none is ever changed after a release."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import apsw

from surgitwin.storage.migrations import m0001_first, m0002_sign_off


@dataclass(frozen=True)
class Migration:
    """One step; `apply` runs inside a transaction that the caller opened."""

    info: str
    apply: Callable[[apsw.Connection], None]


MIGRATIONS: tuple[Migration, ...] = (
    Migration(m0001_first.INFO, m0001_first.apply),
    Migration(m0002_sign_off.INFO, m0002_sign_off.apply),
)
FORMAT = len(MIGRATIONS)


def migrate(db: apsw.Connection, before: int) -> None:
    """Bring a case from format ``before`` (0: an empty database) to `FORMAT`, whole or not at all."""
    if before == FORMAT:
        return
    with db:
        for number, migration in enumerate(MIGRATIONS[before:], start=before + 1):
            migration.apply(db)
            db.pragma("user_version", number)
