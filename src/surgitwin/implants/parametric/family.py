"""What a built-in family is: dimensions with their ranges, usual sizes, and the body made from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.text import tr
from surgitwin.scene.nodes import ImplantKind, ImplantModel, Point

GENERIC = tr("generic, not a product")


Points = dict[str, Point]


class Family(BaseModel):
    """Dimensions of one built-in implant; the fields' names carry the unit, their defaults are a usual size.

    Attributes
    ----------
    named_by
        The dimensions that make the name of a size, such as 4.5x40.
    usual
        The usual sizes, as those dimensions.
    note
        What the body leaves out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    family: ClassVar[str]
    title: ClassVar[str]
    kind: ClassVar[ImplantKind]
    material: ClassVar[str] = ""
    note: ClassVar[str] = ""
    named_by: ClassVar[tuple[str, ...]]
    usual: ClassVar[tuple[tuple[float, ...], ...]]

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """From loose values; text is converted.

        Raises
        ------
        BadInput
            One sentence that names the dimension, its value and what it may be.
        """
        unknown = sorted(set(settings) - set(cls.model_fields))
        if unknown:
            message = tr("“{family}” has no dimension “{name}”; it has: {known}.")
            raise BadInput(
                message.format(family=cls.family, name=unknown[0], known=", ".join(sorted(cls.model_fields)))
            )
        try:
            made = cls.model_validate(dict(settings))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            why = str(first["msg"]).removeprefix("Value error, ").replace("Input should", "it should").rstrip(".")
            where = str(first["loc"][0]) if first["loc"] else cls.family
            message = tr("{where} cannot be {given}: {why}.")
            given = str(first.get("input"))[:80] if first["loc"] else tr("so")
            raise BadInput(message.format(where=where, given=given, why=why[:1].lower() + why[1:])) from None
        made.check()
        return made

    @classmethod
    def sizes(cls) -> tuple[Self, ...]:
        """The usual ones."""
        return tuple(cls(**dict(zip(cls.named_by, values, strict=True))) for values in cls.usual)

    def check(self) -> None:
        """Raise BadInput if the dimensions do not go together."""

    def frame(self) -> tuple[Points, Points]:
        """The axes and the reference points (mm), by name, in the implant's own frame."""
        raise NotImplementedError

    def mesh(self) -> Mesh:
        """Closed, its normals outwards, in the implant's own frame, mm."""
        raise NotImplementedError

    @property
    def size(self) -> str:
        """``4.5x40``; the other dimensions follow where they are not the usual ones."""
        name = "x".join(f"{getattr(self, dimension):g}" for dimension in self.named_by)
        others = [
            f"{key.removesuffix('_mm')}={getattr(self, key):g}"
            for key, field in type(self).model_fields.items()
            if key not in self.named_by and getattr(self, key) != self.usual_value(key, field.default)
        ]
        return " ".join([name, *others])

    def usual_value(self, dimension: str, default: Any) -> Any:
        """What a dimension that does not name the size is unless it was given."""
        return default

    def model(self) -> ImplantModel:
        axes, places = self.frame()
        dimensions = {
            key.removesuffix("_mm"): float(value) for key, value in self.model_dump().items() if key.endswith("_mm")
        }
        return ImplantModel(
            id=f"{self.family}/{self.size}",
            family=self.family,
            kind=self.kind,
            name=self.title,
            size=self.size,
            material=self.material,
            licence="Apache-2.0",
            axes=axes,
            reference_points_mm=places,
            dimensions_mm=dimensions,
            note=self.note,
            generic=True,
        )
