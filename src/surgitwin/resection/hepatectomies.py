"""The standard hepatectomies: which Couinaud segments go, and what such an operation is called.

Names follow the Brisbane 2000 terminology (Strasberg et al., HPB 2000;2:333-339), the short notation the New World
terminology (Nagino et al., Ann Surg 2021;274:1-3): an H, the segments that go, then what goes with them.
Both were recalled, not re-read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr

Key = TypeVar("Key", bound=str)
SEGMENTS = ("1", "2", "3", "4", "4a", "4b", "5", "6", "7", "8")
_HALVES_OF_4 = ("4a", "4b")
_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5", "vi": "6", "vii": "7", "viii": "8"}
_NAMED = re.compile(
    r"^(?:liver |hepatic |couinaud )*(?:segment|couinaud|sg|s)[ .]*(viii|vii|vi|iv|v|iii|ii|i|[1-8])[ ]*([ab]?)$"
)


@dataclass(frozen=True)
class Hepatectomy:
    """One standard operation.

    Attributes
    ----------
    id
        As scripts name it.
    name
        Brisbane 2000.
    segments
        Couinaud segments that go; 4 stands for 4a and 4b together.
    operation
        What published limits call it: one of `volumetry.OPERATIONS`.
    along_middle_vein
        True if the cut runs along the middle hepatic vein, which may go or stay.
    """

    id: str
    name: str
    segments: tuple[str, ...]
    operation: str
    along_middle_vein: bool


HEPATECTOMIES = (
    Hepatectomy("right", tr("Right hepatectomy"), ("5", "6", "7", "8"), "right hepatectomy", True),
    Hepatectomy("left", tr("Left hepatectomy"), ("2", "3", "4"), "left hepatectomy", True),
    Hepatectomy("right-anterior", tr("Right anterior sectionectomy"), ("5", "8"), "other", True),
    Hepatectomy("right-posterior", tr("Right posterior sectionectomy"), ("6", "7"), "other", False),
    Hepatectomy("left-lateral", tr("Left lateral sectionectomy"), ("2", "3"), "other", False),
    Hepatectomy("left-medial", tr("Left medial sectionectomy"), ("4",), "other", True),
    Hepatectomy(
        "right-tri", tr("Right trisectionectomy"), ("4", "5", "6", "7", "8"), "extended right hepatectomy", True
    ),
    Hepatectomy("left-tri", tr("Left trisectionectomy"), ("2", "3", "4", "5", "8"), "extended left hepatectomy", True),
)


def hepatectomy(word: str) -> Hepatectomy:
    """The operation that a person named: by id, by Brisbane name, or in short notation such as H5678.

    Raises
    ------
    BadInput
        If there is none; the message lists them.
    """
    folded = word.strip().casefold()
    for one in HEPATECTOMIES:
        if folded in (one.id, one.name.casefold(), notation(one.segments).casefold()):
            return one
    listed = ", ".join(f"{one.id} ({one.name}, {notation(one.segments)})" for one in HEPATECTOMIES)
    raise BadInput(
        tr("There is no standard hepatectomy “{word}”. There are: {listed}.").format(word=word, listed=listed)
    )


def notation(segments: Iterable[str], middle_vein: bool = False) -> str:
    """The New World short form: ``("5", "6", "7", "8")`` is H5678, with the middle hepatic vein H5678-MHV."""
    ordered = sorted(set(segments), key=SEGMENTS.index)
    return "H" + "".join(ordered) + ("-MHV" if middle_vein else "")


def couinaud_of(name: str) -> str | None:
    """The Couinaud segment that a territory's name means: ``1`` to ``8``, ``4a``, ``4b``; None if it names none."""
    found = _NAMED.match(" ".join(name.casefold().replace("_", " ").replace("-", " ").split()))
    if found is None:
        return None
    number = _ROMAN.get(found.group(1), found.group(1))
    half = found.group(2)
    return number + half if number == "4" else (None if half else number)


def territories_for(segments: Iterable[str], available: Mapping[Key, str]) -> tuple[Key, ...]:
    """Which territories an operation takes.

    Parameters
    ----------
    segments
        Couinaud segments that go.
    available
        The territories there are: id to Couinaud segment. Several may hold parts of the same segment.

    Raises
    ------
    BadInput
        If a segment has no territory, so that the operation would be another one than its name says.
    """
    chosen: dict[Key, None] = {}
    missing: list[str] = []
    for segment in segments:
        wanted = (segment, *_HALVES_OF_4) if segment == "4" else (segment,)
        found = [key for key, number in available.items() if number in wanted]
        if segment == "4" and {available[key] for key in found} in ({"4a"}, {"4b"}):
            missing.append("4b" if available[found[0]] == "4a" else "4a")
        elif not found:
            missing.append(segment)
        chosen.update(dict.fromkeys(found))
    if missing:
        message = tr(
            "There is no territory for Couinaud segment {missing}. Name the branches that feed it and make the "
            "territories again, or choose the territories to remove one by one."
        )
        raise BadInput(message.format(missing=", ".join(missing)))
    return tuple(chosen)
