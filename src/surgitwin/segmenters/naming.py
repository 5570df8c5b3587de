"""What a network's labels are called here: by the project's terminology where it knows them."""

from __future__ import annotations

from collections.abc import Mapping

from surgitwin.segmentation.terminology import match_term


def segment_names(labels: Mapping[int, str]) -> dict[int, str]:
    """A name for every value: the terminology's, or the network's own with its first letter large and no underscores.

    No two are the same: where the terminology has one name for several labels (``vein_1``, ``vein_2``), they keep their
    own.
    """
    known = {value: term.name for value, name in labels.items() if (term := match_term(name)) is not None}
    often = {name for name in known.values() if list(known.values()).count(name) > 1}
    found: dict[int, str] = {}
    for value, name in labels.items():
        own = known.get(value)
        found[value] = own if own is not None and own not in often else _readable(name)
    return found


def _readable(name: str) -> str:
    words = " ".join(name.replace("_", " ").split())
    return words[:1].upper() + words[1:]
