"""What is made for one patient, and the words that every such part carries."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.mesh import Mesh
from surgitwin.core.notices import Notice
from surgitwin.core.text import tr
from surgitwin.surfaces.lettering import Engraved, engrave
from surgitwin.surfaces.solids import Solid

FloatArray = NDArray[np.float64]

WORDS = "planning model, not for use in a patient"
LICENCE = tr("Planning model, not for use in a patient.")


@dataclass(frozen=True, eq=False)
class Made:
    """A part in LPS mm, closed.

    Attributes
    ----------
    numbers
        For the document; keys with units.
    points_mm
        Named places: holes, pins, the middle.
    axes
        Named unit vectors: ``main`` points away from the bone.
    """

    mesh: Mesh
    numbers: dict[str, object]
    points_mm: dict[str, tuple[float, float, float]]
    axes: dict[str, tuple[float, float, float]]
    notices: tuple[Notice, ...] = ()


@dataclass
class Notes:
    """What is found while a part is made."""

    found: list[Notice] = field(default_factory=list)

    def say(self, code: str, message: str, **details: float) -> None:
        self.found.append(Notice(code, message, dict(details)))


def worded(solid: Solid, facing: ArrayLike, depth_mm: float, notes: Notes) -> Engraved:
    """The part with `WORDS` sunk into the side that looks away from the bone."""
    cut = engrave(solid, WORDS, facing=facing, depth_mm=depth_mm, letters_mm=4.0)
    notes.found.extend(cut.notices)
    return cut


def triple(values: ArrayLike) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in np.asarray(values, np.float64))
    return x, y, z
