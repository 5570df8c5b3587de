"""Names, synonyms, colours and SNOMED CT codes of structures, and the match from a segment's name to its term.

The file ``resources/terminology.json`` holds the terms; nothing here invents a code. Names are matched without regard
to case, underscores, accents and a number at their end; left and right are kept.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast, get_args

from surgitwin.segmentation.palette import Color, next_color

__all__ = [
    "KINDS",
    "Code",
    "Color",
    "Kind",
    "Side",
    "Term",
    "Terminology",
    "load_terminology",
    "match_term",
    "next_color",
]

Kind = Literal["organ", "lesion", "vessel", "bone", "body", "other"]
Side = Literal["left", "right", ""]

KINDS: tuple[Kind, ...] = get_args(Kind)
_FILE = Path(__file__).parent.parent / "resources" / "terminology.json"
_SIDE_WORDS: dict[str, Side] = {
    "left": "left",
    "l": "left",
    "lt": "left",
    "right": "right",
    "r": "right",
    "rt": "right",
}
_SPELLINGS = (("tumour", "tumor"), ("oesoph", "esoph"), ("coeliac", "celiac"), ("haem", "hem"), ("grey", "gray"))
_ADJECTIVES = {
    "hepatic": "liver",
    "renal": "kidney",
    "pulmonary": "lung",
    "splenic": "spleen",
    "pancreatic": "pancreas",
}


@dataclass(frozen=True)
class Code:
    """One coded concept as DICOM writes it: value, meaning and coding scheme (``SCT`` is SNOMED CT)."""

    value: str
    meaning: str
    scheme: str = "SCT"


@dataclass(frozen=True)
class Term:
    """What a structure is called, how it is drawn and how it is coded.

    Attributes
    ----------
    name
        The display name, side included: ``Left kidney``.
    color
        sRGB, 0 to 255.
    category, type, modifier, region
        DICOM segmented property category, type, its laterality, and the anatomic region of a lesion; None if no code
        is known.
    """

    name: str
    kind: Kind
    color: Color
    category: Code
    type: Code | None = None
    side: Side = ""
    modifier: Code | None = None
    region: Code | None = None
    paired: bool = False
    synonyms: tuple[str, ...] = ()


class Terminology:
    """All terms and the index of their names; read-only. Use `load_terminology` for the one that ships."""

    def __init__(self, document: dict[str, Any]) -> None:
        categories = {key: Code(*code) for key, code in document["categories"].items()}
        self.palette: tuple[Color, ...] = tuple(_color(rgb) for rgb in document["palette"])
        self.terms: tuple[Term, ...] = tuple(_read_term(entry, categories) for entry in document["terms"])
        self._sides: dict[str, Code] = {side: Code(*code) for side, code in document["sides"].items()}
        self._index: dict[str, Term] = {}
        for term in self.terms:
            for name in (term.name, *term.synonyms):
                key = normalise(name)
                if self._index.setdefault(key, term) is not term:
                    raise ValueError(f"The terminology file names '{name}' twice.")

    def match(self, name: str) -> Term | None:
        """The term that ``name`` means, or None.

        The whole name is looked up first (``rib_left_4``, ``vertebrae_L1`` and ``Couinaud 4`` have numbers that
        matter), then without its side, then without the number at its end, then as an organ followed by a lesion
        (``liver tumor 2``), which gives the lesion with the organ as its region.
        """
        words = normalise(name).split()
        for candidate in _without_counter(words):
            found = self._exact(candidate) or self._sided(candidate)
            if found is not None:
                return found
        for candidate in _without_counter(words):
            found = self._lesion_of_organ(candidate)
            if found is not None:
                return found
        return None

    def _exact(self, words: list[str]) -> Term | None:
        return self._index.get(" ".join(words))

    def _sided(self, words: list[str]) -> Term | None:
        for place, word in enumerate(words):
            side = _SIDE_WORDS.get(word, "")
            if side:
                term = self._exact(words[:place] + words[place + 1 :])
                if term is not None and term.paired:
                    named = f"{side.capitalize()} {term.name[0].lower()}{term.name[1:]}"
                    return replace(term, name=named, side=side, modifier=self._sides[side], paired=False)
        return None

    def _lesion_of_organ(self, words: list[str]) -> Term | None:
        for cut in range(1, len(words)):
            ending = _SIDE_WORDS.get(words[-1], "")
            lesion = self._exact(words[cut:-1] if ending else words[cut:])
            if lesion is None or lesion.kind != "lesion":
                continue
            place = [_ADJECTIVES.get(word, word) for word in words[:cut]] + ([words[-1]] if ending else [])
            organ = self._exact(place) or self._sided(place)
            if organ is not None and organ.kind in ("organ", "bone"):
                name = f"{organ.name} {lesion.name[0].lower()}{lesion.name[1:]}"
                return replace(lesion, name=name, region=organ.type, side=organ.side)
        return None


def normalise(name: str) -> str:
    """Lower case, no accents, one spelling, words parted by single spaces: ``Kidney_LEFT`` gives ``kidney left``."""
    text = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c)).casefold()
    for british, american in _SPELLINGS:
        text = text.replace(british, american)
    return " ".join(re.sub(r"[^\w]|_", " ", text).split())


def match_term(name: str) -> Term | None:
    """The term that a segment's name means, or None; see `Terminology.match`."""
    return load_terminology().match(name)


@cache
def load_terminology() -> Terminology:
    """The terminology that ships with the program; read once, never changed."""
    return Terminology(json.loads(_FILE.read_text(encoding="utf-8")))


def _without_counter(words: list[str]) -> Iterator[list[str]]:
    yield words
    if len(words) > 1 and words[-1].isdigit():
        yield words[:-1]
    elif words and (glued := re.fullmatch(r"(\D{3,}?)\d+", words[-1])):
        yield [*words[:-1], glued.group(1)]


def _read_term(entry: dict[str, Any], categories: dict[str, Code]) -> Term:
    kind = entry["kind"]
    if kind not in KINDS:
        raise ValueError(f"The terminology file gives '{entry['name']}' the unknown kind '{kind}'.")
    return Term(
        name=entry["name"],
        kind=cast(Kind, kind),
        color=_color(entry["color"]),
        category=categories[entry["category"]],
        type=Code(*entry["type"]) if entry["type"] else None,
        side=_own_side(entry),
        paired=bool(entry.get("paired", False)),
        synonyms=tuple(entry.get("synonyms", ())),
    )


def _own_side(entry: dict[str, Any]) -> Side:
    return _SIDE_WORDS.get(entry.get("side") or normalise(entry["name"]).split()[0], "")


def _color(rgb: list[int]) -> Color:
    red, green, blue = (int(v) for v in rgb)
    return red, green, blue
