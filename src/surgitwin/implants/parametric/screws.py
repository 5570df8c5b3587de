"""Screws: the entry is where the head ends and the shaft begins, z runs to the tip."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field, model_validator

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.text import tr
from surgitwin.implants.parametric.bodies import turned
from surgitwin.implants.parametric.family import Family, Points
from surgitwin.scene.nodes import ImplantKind

_NOTE = tr("The thread is a plain cylinder of the outer diameter, and the tip a cone; ")


class _Screw(Family):
    kind: ClassVar[ImplantKind] = "screw"
    material: ClassVar[str] = tr("titanium alloy (assumed)")
    named_by: ClassVar[tuple[str, ...]] = ("diameter_mm", "length_mm")

    diameter_mm: float
    length_mm: float

    def check(self) -> None:
        if self.length_mm <= self.diameter_mm:
            message = tr("A screw of {diameter:g} mm cannot be {length:g} mm long: the length must be the larger.")
            raise BadInput(message.format(diameter=self.diameter_mm, length=self.length_mm))

    def _shaft(self) -> list[tuple[float, float]]:
        radius = self.diameter_mm / 2
        return [(radius, 0.0), (radius, self.length_mm - radius), (0.0, self.length_mm)]

    def frame(self) -> tuple[Points, Points]:
        return {"main": (0.0, 0.0, 1.0)}, {"entry": (0.0, 0.0, 0.0), "tip": (0.0, 0.0, self.length_mm)}


class BoneScrew(_Screw):
    """A domed head on a shaft with a cone for a tip; ``length_mm`` is measured below the head."""

    family: ClassVar[str] = "bone-screw"
    title: ClassVar[str] = tr("Bone screw")
    note: ClassVar[str] = _NOTE + tr("the length is that below the head.")
    usual: ClassVar[tuple[tuple[float, ...], ...]] = tuple(
        (d, float(length))
        for d, lengths in {
            2.7: range(12, 41, 4),
            3.5: range(16, 61, 4),
            4.5: range(20, 81, 6),
            6.5: range(40, 111, 10),
        }.items()
        for length in lengths
    )

    diameter_mm: Annotated[float, Field(ge=1.0, le=12.0)] = 4.5
    length_mm: Annotated[float, Field(ge=4.0, le=200.0)] = 40.0
    head_diameter_mm: Annotated[float, Field(ge=1.0, le=25.0)]
    head_height_mm: Annotated[float, Field(ge=0.5, le=12.0)]

    @model_validator(mode="before")
    @classmethod
    def _usual_head(cls, values: Any) -> Any:
        """A head that was not given goes with the shaft."""
        if not isinstance(values, dict):
            return values
        shaft = _number(values.get("diameter_mm", cls.model_fields["diameter_mm"].default))
        head = _number(values.get("head_diameter_mm", round(1.75 * shaft, 1)))
        return {"head_diameter_mm": head, "head_height_mm": round(0.45 * head, 1)} | values

    def usual_value(self, dimension: str, default: Any) -> Any:
        if dimension == "head_diameter_mm":
            return round(1.75 * self.diameter_mm, 1)
        return round(0.45 * self.head_diameter_mm, 1)

    def check(self) -> None:
        super().check()
        if self.head_diameter_mm <= self.diameter_mm:
            raise BadInput(tr("The head of a screw must be wider than its shaft: see head_diameter_mm."))
        if self.head_height_mm > self.head_diameter_mm / 2:
            raise BadInput(tr("A domed head is at most half as high as it is wide: see head_height_mm."))

    def mesh(self) -> Mesh:
        edge, height = self.head_diameter_mm / 2, self.head_height_mm
        sphere = (edge**2 + height**2) / (2 * height)
        angles = np.linspace(0.0, np.arcsin(min(edge / sphere, 1.0)), 17)
        dome = [(sphere * np.sin(a), sphere - height - sphere * np.cos(a)) for a in angles]
        return turned([*dome[:-1], (edge, 0.0), *self._shaft()])


def _number(value: Any) -> float:
    """A loose value as a number; what is none is refused where it is checked."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return 1.0


class PedicleScrew(_Screw):
    """A head as wide as its tulip on a shaft with a cone for a tip; ``length_mm`` is measured below the head."""

    family: ClassVar[str] = "pedicle-screw"
    title: ClassVar[str] = tr("Pedicle screw")
    note: ClassVar[str] = _NOTE + tr("the head is a cylinder that does not tilt; the length is that below the head.")
    usual: ClassVar[tuple[tuple[float, ...], ...]] = tuple(
        (d, float(length)) for d in (4.5, 5.5, 6.5, 7.5) for length in range(30, 61, 5)
    )

    diameter_mm: Annotated[float, Field(ge=2.0, le=12.0)] = 6.5
    length_mm: Annotated[float, Field(ge=10.0, le=120.0)] = 45.0
    head_diameter_mm: Annotated[float, Field(ge=4.0, le=25.0)] = 13.0
    head_height_mm: Annotated[float, Field(ge=2.0, le=30.0)] = 15.0

    def check(self) -> None:
        super().check()
        if self.head_diameter_mm <= self.diameter_mm:
            raise BadInput(tr("The head of a screw must be wider than its shaft: see head_diameter_mm."))

    def mesh(self) -> Mesh:
        edge, top = self.head_diameter_mm / 2, -self.head_height_mm
        return turned([(0.0, top), (edge, top), (edge, 0.0), *self._shaft()])
