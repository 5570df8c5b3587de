"""Places and directions as people type them: ``x,y,z`` in LPS mm."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr
from surgitwin.scene.nodes import Point


def numbers_as_text(values: Any) -> Any:
    """Scripts and the window give numbers where the terminal gives ``x,y,z``."""
    values = values.tolist() if hasattr(values, "tolist") else values
    if not isinstance(values, list | tuple):
        return values
    return tuple(_text(value) for value in values)


def _text(value: Any) -> Any:
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, list | tuple) and all(isinstance(number, int | float) for number in value):
        return ",".join(repr(float(number)) for number in value)
    return value


def places(texts: tuple[str, ...], count: int, what: str) -> NDArray[np.float64]:
    """Read ``x,y,z`` (or ``x,y``) texts; (n, count).

    Raises
    ------
    BadInput
        Naming the text that has another number of numbers.
    """
    found: list[list[float]] = []
    for text in texts:
        try:
            numbers = [float(part) for part in text.replace(",", " ").split()]
        except ValueError:
            numbers = []
        if len(numbers) != count or not np.isfinite(numbers).all():
            message = tr("{what} “{text}” needs {count} numbers with commas between them.")
            raise BadInput(message.format(what=what, text=text[:80], count=count))
        found.append(numbers)
    return np.asarray(found, dtype=np.float64).reshape(-1, count)


def place(text: str, what: str) -> Point:
    """Read one ``x,y,z``; raises as `places`."""
    x, y, z = (float(value) for value in places((text,), 3, what)[0])
    return x, y, z
