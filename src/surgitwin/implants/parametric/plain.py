"""A sphere and a cylinder: to try things, and for heads and rods."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from surgitwin.core.mesh import Mesh
from surgitwin.core.text import tr
from surgitwin.implants.parametric.bodies import arc, turned
from surgitwin.implants.parametric.family import Family, Points
from surgitwin.scene.nodes import ImplantKind


class Sphere(Family):
    """Its centre is the origin."""

    family: ClassVar[str] = "sphere"
    title: ClassVar[str] = tr("Sphere")
    kind: ClassVar[ImplantKind] = "sphere"
    named_by: ClassVar[tuple[str, ...]] = ("diameter_mm",)
    usual: ClassVar[tuple[tuple[float, ...], ...]] = tuple((float(d),) for d in (10, 22, 28, 32, 36, 40, 48, 52))

    diameter_mm: Annotated[float, Field(ge=1.0, le=200.0)] = 32.0

    def frame(self) -> tuple[Points, Points]:
        return {"main": (0.0, 0.0, 1.0)}, {"centre": (0.0, 0.0, 0.0)}

    def mesh(self) -> Mesh:
        return turned(arc(self.diameter_mm / 2, 0.0, np.pi))


class Cylinder(Family):
    """It begins at the origin and runs along z."""

    family: ClassVar[str] = "cylinder"
    title: ClassVar[str] = tr("Cylinder")
    kind: ClassVar[ImplantKind] = "cylinder"
    named_by: ClassVar[tuple[str, ...]] = ("diameter_mm", "length_mm")
    usual: ClassVar[tuple[tuple[float, ...], ...]] = tuple(
        (d, length) for d in (2.0, 4.0, 5.5, 8.0) for length in (40.0, 80.0, 120.0)
    )

    diameter_mm: Annotated[float, Field(ge=0.5, le=200.0)] = 5.5
    length_mm: Annotated[float, Field(ge=0.5, le=1000.0)] = 80.0

    def frame(self) -> tuple[Points, Points]:
        tip = (0.0, 0.0, self.length_mm)
        return {"main": (0.0, 0.0, 1.0)}, {"entry": (0.0, 0.0, 0.0), "tip": tip, "centre": (0.0, 0.0, tip[2] / 2)}

    def mesh(self) -> Mesh:
        radius, length = self.diameter_mm / 2, self.length_mm
        return turned([(0.0, 0.0), (radius, 0.0), (radius, length), (0.0, length)])
