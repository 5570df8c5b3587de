"""Numbers and lists as people read them."""

from __future__ import annotations

from typing import Any

from surgitwin.core.text import tr


def number(value: Any, digits: int = 1, unit: str = "") -> str:
    """A number for people; what was not assessed says so."""
    if value is None:
        return tr("not assessed")
    text = f"{value:.{digits}f}" if isinstance(value, float) else str(value)
    return f"{text} {unit}".strip()


def shortened(names: list[str], most: int = 6) -> str:
    """The names in a row; of many the first few."""
    if len(names) <= most:
        return ", ".join(names)
    return tr("{names} and {count} more").format(names=", ".join(names[:most]), count=len(names) - most)
