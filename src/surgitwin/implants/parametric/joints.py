"""The hip: a cup whose opening looks along z, and a stem whose axis runs down along z."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.text import tr
from surgitwin.implants.parametric.bodies import FACETS, FloatArray, arc, swept, turned
from surgitwin.implants.parametric.family import Family, Points
from surgitwin.scene.nodes import ImplantKind


class AcetabularCup(Family):
    """A half shell; its centre is that of both spheres."""

    family: ClassVar[str] = "acetabular-cup"
    title: ClassVar[str] = tr("Acetabular cup")
    kind: ClassVar[ImplantKind] = "cup"
    material: ClassVar[str] = tr("titanium alloy (assumed)")
    note: ClassVar[str] = tr("A plain half shell without rim, screw holes or liner.")
    named_by: ClassVar[tuple[str, ...]] = ("diameter_mm",)
    usual: ClassVar[tuple[tuple[float, ...], ...]] = tuple((float(d),) for d in range(44, 67, 2))

    diameter_mm: Annotated[float, Field(ge=10.0, le=90.0)] = 54.0
    thickness_mm: Annotated[float, Field(ge=0.5, le=20.0)] = 4.0

    def check(self) -> None:
        if self.thickness_mm >= self.diameter_mm / 2 - 1.0:
            message = tr("A wall of {wall:g} mm leaves no room in a cup of {diameter:g} mm.")
            raise BadInput(message.format(wall=self.thickness_mm, diameter=self.diameter_mm))

    def frame(self) -> tuple[Points, Points]:
        return {"main": (0.0, 0.0, 1.0)}, {"centre": (0.0, 0.0, 0.0), "pole": (0.0, 0.0, -self.diameter_mm / 2)}

    def mesh(self) -> Mesh:
        outer, inner = self.diameter_mm / 2, self.diameter_mm / 2 - self.thickness_mm
        return turned(np.concatenate([arc(outer, 0.0, np.pi / 2), arc(inner, np.pi / 2, 0.0)]))


class FemoralStem(Family):
    """A tapered stem with an oval section that bends into a round neck, which ends at the centre of the head.

    ``main`` runs down the stem, ``neck`` to the head, ``side`` away from it. The axes of stem and neck meet in the
    origin; ``length_mm`` is measured from there to the tip, ``offset_mm`` from the stem's axis to the head's centre.
    """

    family: ClassVar[str] = "femoral-stem"
    title: ClassVar[str] = tr("Femoral stem")
    kind: ClassVar[ImplantKind] = "stem"
    material: ClassVar[str] = tr("titanium alloy (assumed)")
    note: ClassVar[str] = tr("A straight oval taper with a round neck, without head, collar or surface.")
    named_by: ClassVar[tuple[str, ...]] = ("width_mm", "length_mm")
    usual: ClassVar[tuple[tuple[float, ...], ...]] = (
        (20.0, 115.0),
        (22.0, 120.0),
        (24.0, 125.0),
        (26.0, 130.0),
        (28.0, 135.0),
        (30.0, 140.0),
        (32.0, 145.0),
        (34.0, 150.0),
    )

    width_mm: Annotated[float, Field(ge=8.0, le=60.0)] = 26.0
    length_mm: Annotated[float, Field(ge=60.0, le=300.0)] = 130.0
    depth_mm: Annotated[float, Field(ge=4.0, le=40.0)] = 15.0
    tip_diameter_mm: Annotated[float, Field(ge=3.0, le=25.0)] = 9.0
    neck_diameter_mm: Annotated[float, Field(ge=6.0, le=20.0)] = 12.0
    neck_angle_deg: Annotated[float, Field(ge=115.0, le=150.0)] = 135.0
    offset_mm: Annotated[float, Field(ge=20.0, le=70.0)] = 42.0

    @property
    def _turn(self) -> float:
        return float(np.pi - np.radians(self.neck_angle_deg))

    @property
    def _bend_mm(self) -> float:
        """The radius of the bend from stem to neck: wide enough for no section to cut the next."""
        return 0.75 * self.width_mm

    @property
    def _tangent_mm(self) -> float:
        return float(self._bend_mm * np.tan(self._turn / 2))

    @property
    def neck_mm(self) -> float:
        """From the stem's axis along the neck's to the centre of the head."""
        return float(self.offset_mm / np.sin(self._turn))

    def check(self) -> None:
        if self.neck_mm <= self._tangent_mm + 1.0 or self.length_mm <= self._tangent_mm + 20.0:
            raise BadInput(tr("The stem is too short for its width: raise offset_mm or length_mm, or lower width_mm."))
        if self.tip_diameter_mm > min(self.width_mm, self.depth_mm):
            raise BadInput(tr("A stem tapers: tip_diameter_mm must not be more than width_mm and depth_mm."))

    @property
    def _neck(self) -> FloatArray:
        return np.array([-np.sin(self._turn), 0.0, -np.cos(self._turn)])

    def frame(self) -> tuple[Points, Points]:
        neck = self._neck
        head = neck * self.neck_mm
        axes: Points = {
            "main": (0.0, 0.0, 1.0),
            "neck": (float(neck[0]), 0.0, float(neck[2])),
            "side": (1.0, 0.0, 0.0),
        }
        places: Points = {
            "centre": (float(head[0]), 0.0, float(head[2])),
            "shoulder": (0.0, 0.0, 0.0),
            "tip": (0.0, 0.0, self.length_mm),
        }
        return axes, places

    def mesh(self) -> Mesh:
        turn, bend, tangent = self._turn, self._bend_mm, self._tangent_mm
        tip, top = self.tip_diameter_mm / 2, np.array([self.width_mm / 2, self.depth_mm / 2])
        neck = self.neck_diameter_mm / 2
        sections = []
        for share in np.linspace(0.0, 1.0, 81):
            z = self.length_mm - share * (self.length_mm - tangent)
            sections.append(_oval(np.array([0.0, 0.0, z]), 0.0, tip + share * (top - tip)))
        for share in np.linspace(0.0, 1.0, 25)[1:]:
            angle = share * turn
            at = np.array([bend * (np.cos(angle) - 1.0), 0.0, tangent - bend * np.sin(angle)])
            sections.append(_oval(at, angle, top + share * (neck - top)))
        straight = np.linspace(tangent, self.neck_mm, 25)[1:]
        sections += [_oval(self._neck * along, turn, np.array([neck, neck])) for along in straight]
        return swept(sections)


def _oval(centre: FloatArray, angle: float, half: FloatArray) -> FloatArray:
    """A section across the direction (-sin angle, 0, -cos angle), half as wide in the bend's plane as ``half[0]``."""
    around = 2.0 * np.pi * np.arange(FACETS) / FACETS
    wide, deep = half[0] * np.cos(around), -half[1] * np.sin(around)
    return np.asarray(centre + np.stack([wide * np.cos(angle), deep, -wide * np.sin(angle)], axis=1))
