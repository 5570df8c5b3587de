"""What the colours of a fit stand for: a signed distance in mm, or what is inside, in contact and apart."""

from __future__ import annotations

from surgitwin.core.text import tr
from surgitwin.render.colour_scale import ColourScale
from surgitwin.render.content import Rgb

# From vermilion (inside) over near white (touching) to blue (gap), darker towards both ends: the ends are Okabe and
# Ito's colours for all kinds of colour vision, and stay apart with red, green or blue missing.
DISTANCE_STOPS: tuple[Rgb, ...] = (
    (128, 42, 0),
    (213, 94, 0),
    (244, 172, 108),
    (244, 244, 238),
    (134, 186, 226),
    (0, 114, 178),
    (0, 52, 104),
)
INSIDE, CONTACT, APART = (213, 94, 0), (0, 158, 115), (168, 178, 193)
WORDS = (tr("inside"), tr("contact"), tr("gap"))


def distance_scale(range_mm: float, tolerance_mm: float) -> ColourScale:
    """Signed distance from ``-range_mm`` (inside the other body) to ``range_mm`` (a gap), the tolerance marked."""
    marks = (-tolerance_mm, 0.0, tolerance_mm)
    return ColourScale(tr("Distance"), "mm", -range_mm, range_mm, DISTANCE_STOPS, marks, words=WORDS)


def class_scale(range_mm: float, tolerance_mm: float) -> ColourScale:
    """The same in three colours, which end at the tolerance."""
    bands = (-tolerance_mm, tolerance_mm)
    high = max(range_mm, 1.5 * tolerance_mm)
    return ColourScale(tr("Distance"), "mm", -high, high, (INSIDE, CONTACT, APART), bands, bands, WORDS)
