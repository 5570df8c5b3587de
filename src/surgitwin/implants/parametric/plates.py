"""Plates with a row of screw holes: x runs along them, z away from the bone, the underside's middle is the origin."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.text import tr
from surgitwin.implants.parametric.bodies import drilled_bar
from surgitwin.implants.parametric.family import Family, Points
from surgitwin.scene.nodes import ImplantKind


class StraightPlate(Family):
    """A flat bar with round ends."""

    family: ClassVar[str] = "straight-plate"
    title: ClassVar[str] = tr("Straight plate")
    kind: ClassVar[ImplantKind] = "plate"
    material: ClassVar[str] = tr("titanium (assumed)")
    note: ClassVar[str] = tr("The holes are round and straight, without a countersink or a thread.")
    named_by: ClassVar[tuple[str, ...]] = ("holes",)
    usual: ClassVar[tuple[tuple[float, ...], ...]] = tuple((n,) for n in range(4, 13))

    holes: Annotated[int, Field(ge=2, le=30)] = 6
    pitch_mm: Annotated[float, Field(ge=2.0, le=40.0)] = 13.0
    width_mm: Annotated[float, Field(ge=2.0, le=40.0)] = 11.0
    thickness_mm: Annotated[float, Field(ge=0.3, le=12.0)] = 3.3
    hole_diameter_mm: Annotated[float, Field(ge=0.5, le=20.0)] = 4.5

    @property
    def length_mm(self) -> float:
        return (self.holes - 1) * self.pitch_mm + self.width_mm

    @property
    def bend_mm(self) -> float | None:
        return None

    def check(self) -> None:
        if self.hole_diameter_mm >= min(self.width_mm, self.pitch_mm) - 0.4:
            message = tr(
                "Holes of {hole:g} mm leave no plate of {width:g} mm width and {pitch:g} mm from hole to hole."
            )
            raise BadInput(message.format(hole=self.hole_diameter_mm, width=self.width_mm, pitch=self.pitch_mm))

    def frame(self) -> tuple[Points, Points]:
        axes: Points = {"main": (1.0, 0.0, 0.0), "out": (0.0, 0.0, 1.0), "side": (0.0, 1.0, 0.0)}
        return axes, {"centre": (0.0, 0.0, 0.0)}

    def mesh(self) -> Mesh:
        return drilled_bar(
            self.holes, self.pitch_mm, self.width_mm, self.thickness_mm, self.hole_diameter_mm, self.bend_mm
        )


class CurvedPlate(StraightPlate):
    """The same bar, bent along its length."""

    family: ClassVar[str] = "curved-plate"
    title: ClassVar[str] = tr("Curved plate")
    named_by: ClassVar[tuple[str, ...]] = ("holes", "bend_radius_mm")
    usual: ClassVar[tuple[tuple[float, ...], ...]] = tuple((n, r) for n in (4, 6, 8, 10) for r in (60.0, 100.0, 200.0))

    bend_radius_mm: Annotated[float, Field(ge=5.0, le=5000.0)] = 100.0

    @property
    def bend_mm(self) -> float:
        return self.bend_radius_mm

    def check(self) -> None:
        super().check()
        if self.length_mm > 5.5 * self.bend_radius_mm:
            message = tr("A plate {length:.0f} mm long bent to {radius:g} mm would meet its own end.")
            raise BadInput(message.format(length=self.length_mm, radius=self.bend_radius_mm))
