"""How results are written for people, the same on the terminal, in the window and in the report."""

from __future__ import annotations

from surgitwin.core.text import tr


def number_text(value: float | None) -> str:
    """A result with as many digits as its uncertainty lets it have; nothing small reads as 0."""
    if value is None:
        return tr("not assessed")
    if abs(value) >= 100:
        return f"{value:.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2g}" if 0 < abs(value) < 0.1 else f"{value:.2f}"


def amount_text(value: float, digits: int) -> str:
    """A given or assumed value with so many significant digits, and no powers of ten for what people write out."""
    if value and 1e-4 <= abs(value) < 1e6:
        shown = float(f"{value:.{digits - 1}e}")
        return f"{shown:.0f}" if abs(shown) >= 10 ** (digits - 1) else f"{shown:.{digits}g}"
    return f"{value:.{digits}g}"


def chance_text(percent: float) -> str:
    """How often, never a flat 0 or 100 % that samples cannot show."""
    if percent < 1:
        return tr("< 1 %")
    return tr("> 99 %") if percent > 99 else tr("{percent:.0f} %").format(percent=percent)
