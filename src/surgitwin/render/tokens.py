"""Colours and sizes by name, from one file of ``resources/theme/``: nothing else in the program names a colour."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from surgitwin.core.errors import BadInput

RESOURCES = Path(__file__).parent.parent / "resources"
FONTS = RESOURCES / "fonts"
FONT_FILES = {
    "regular": FONTS / "Inter-Regular.ttf",
    "medium": FONTS / "Inter-Medium.ttf",
    "semibold": FONTS / "Inter-SemiBold.ttf",
}

Rgb = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Tokens:
    """The design tokens of one theme.

    Attributes
    ----------
    colours
        Name to ``#rrggbb``.
    sizes
        Name to logical pixels.
    alphas
        Name to an opacity from 0 to 1.
    """

    name: str
    colours: Mapping[str, str]
    sizes: Mapping[str, int]
    alphas: Mapping[str, float]

    def rgb(self, name: str) -> Rgb:
        """The colour ``name`` as red, green and blue from 0 to 255.

        Raises
        ------
        KeyError
            If no token has this name (a mistake in the program, not of its user).
        """
        return parse_colour(self.colours[name])

    def unit_rgb(self, name: str) -> tuple[float, float, float]:
        """The colour ``name`` as red, green and blue from 0 to 1, as VTK wants it."""
        red, green, blue = self.rgb(name)
        return red / 255.0, green / 255.0, blue / 255.0


def parse_colour(text: str) -> Rgb:
    """Read ``#rrggbb``.

    Raises
    ------
    BadInput
        If ``text`` is not six hexadecimal digits after a ``#``.
    """
    digits = text.removeprefix("#")
    if len(digits) != 6 or not text.startswith("#"):
        raise BadInput(f"The colour “{text}” should be written as # and six hexadecimal digits, such as #35c2b0.")
    try:
        return int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)
    except ValueError:
        raise BadInput(f"The colour “{text}” should be written as # and six hexadecimal digits.") from None


def theme_names() -> tuple[str, ...]:
    """The themes that are installed, by name."""
    return tuple(sorted(path.stem for path in (RESOURCES / "theme").glob("*.json")))


@cache
def load_tokens(name: str = "dark") -> Tokens:
    """Read the tokens of the theme ``name``.

    Raises
    ------
    BadInput
        If there is no such theme.
    """
    path = RESOURCES / "theme" / f"{name}.json"
    if name not in theme_names():
        raise BadInput(f"There is no theme “{name}”; choose one of {', '.join(theme_names())}.")
    data = json.loads(path.read_text(encoding="utf-8"))
    return Tokens(data["name"], data["colours"], data["sizes"], data["alphas"])
