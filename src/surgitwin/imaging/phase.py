"""A guess of the contrast phase from what the header says; a person may correct it."""

from __future__ import annotations

import re

UNENHANCED, ARTERIAL, PORTAL_VENOUS, DELAYED = "unenhanced", "arterial", "portal venous", "delayed"

# Tried in this order: "late arterial" is arterial, "no contrast, arterial protocol" is unenhanced.
_WORDS: tuple[tuple[str, str], ...] = (
    (
        UNENHANCED,
        r"non[ -]?contrast|un[ -]?enhanced|non[ -]?enhanced|\bwithout\b|\bw/?o\b|\bno contrast|\bnativ\w*|\bplain\b"
        r"|\bncct\b|\bnect\b|\bpre[ -]?(contrast|km|gad|gd|iv)|\bsans\b|\bohne\b|\bsin contraste",
    ),
    (ARTERIAL, r"arteri\w*|art[ée]ri\w*|\bart\b|\bhap\b|\b[23][05] ?s(ec)?\b"),
    (
        PORTAL_VENOUS,
        r"\bporto?[ -]?(al|veno|venous|ven|vein)\w*|\bportal|\bpvp?\b|venous|ven(ö|oe|e)s|veineu\w*|\bven\b"
        r"|\b[678][05] ?s(ec)?\b",
    ),
    (DELAYED, r"delay\w*|equilib\w*|excret\w*|\btardi\w*|\bsp(ä|ae)t\w*|nephrograph\w*|\blate\b|\b([35]|10) ?min\b"),
)
# Seconds from the start of the injection to the image (venous bolus, abdomen).
_FIRST_PASS_S, _PORTAL_S, _DELAYED_S, _NONSENSE_S = 15.0, 50.0, 130.0, 3600.0


def guess_phase(descriptions: str, contrast: str = "", delay_s: float | None = None) -> str:
    """The phase that words or timing point to; empty if nothing does.

    Parameters
    ----------
    descriptions
        Series description, protocol name and comments, joined.
    contrast
        Agent as the header names it.
    delay_s
        Seconds between the start of the injection and the image, if both times are given.
    """
    # An underscore joins words in many protocols, so it must count as a boundary.
    words = descriptions.lower().replace("_", " ")
    for phase, pattern in _WORDS:
        if re.search(pattern, words):
            return phase
    if contrast.strip().lower() in ("none", "no", "without"):
        return UNENHANCED
    if contrast and delay_s is not None and _FIRST_PASS_S <= delay_s < _NONSENSE_S:
        if delay_s < _PORTAL_S:
            return ARTERIAL
        return PORTAL_VENOUS if delay_s < _DELAYED_S else DELAYED
    return ""
