"""What share of the flow each end of a vessel tree gets: by the volume that it feeds, or by Murray's law."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr
from surgitwin.vessels.tree import VesselTree

SharedBy = Literal["volume", "murray", "nothing"]


@dataclass(frozen=True)
class Terminal:
    """An end branch and the share of the flow that its resistance asks for.

    Attributes
    ----------
    volume_ml
        Of what it feeds or drains; None if unknown.
    shared_by
        What its share comes from; ``nothing`` if it feeds nothing.
    """

    branch: int
    share: float
    shared_by: SharedBy
    volume_ml: float | None = None


def shares(tree: VesselTree, ends: Sequence[int], volumes_ml: Mapping[int, float]) -> tuple[Terminal, ...]:
    """Which share of the flow each end branch asks for; they sum up to 1.

    With all volumes known, by volume; with none, by the cube of the end branch's mean radius (Murray). With some, those
    without one get their share by Murray, and the others divide the rest among them by volume.

    Raises
    ------
    BadInput
        If a volume is given for a branch that is no end of the tree or cannot be, or all are 0.
    """
    for branch, volume in volumes_ml.items():
        if branch not in tree.row_of or tree.children[branch]:
            message = tr(
                "A volume is given for branch {branch}, which is no end branch of the tree; the ends are {ends}."
            )
            raise BadInput(
                message.format(branch=branch, ends=", ".join(map(str, ends[:12])) + (" …" if len(ends) > 12 else ""))
            )
        if not (math.isfinite(volume) and volume >= 0.0):
            message = tr("Branch {branch} cannot feed a volume of {value:g} ml; give 0 or more.")
            raise BadInput(message.format(branch=branch, value=volume))
    known = {end: float(volumes_ml[end]) for end in ends if end in volumes_ml}
    total = sum(known.values())
    cubes = {end: tree.mean_radius_mm(end) ** 3 for end in ends if known.get(end) != 0.0}
    if not cubes:
        raise BadInput(tr("Every end branch has a volume of 0 ml: none feeds anything; give at least one above 0 ml."))
    whole = sum(cubes.values())
    by_volume = sum(cubes[end] for end in known if known[end] > 0.0) / whole
    found = []
    for end in ends:
        if end not in known:
            found.append(Terminal(end, cubes[end] / whole, "murray"))
        elif known[end] == 0.0:
            found.append(Terminal(end, 0.0, "nothing", 0.0))
        else:
            found.append(Terminal(end, by_volume * known[end] / total, "volume", known[end]))
    return tuple(found)
