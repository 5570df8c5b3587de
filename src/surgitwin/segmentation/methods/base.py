"""What a segmentation method is: typed settings, what it is given, and what it may return."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.runs import Mask

BACKGROUND = "background"  # a seed of this name competes with the others, but becomes no segment
Point = tuple[float, float, float]


def setting(default: Any, unit: str, help_text: str, **limits: Any) -> Any:
    """A setting with its unit; ``...`` as default means that it must be given."""
    return Field(default, description=help_text, json_schema_extra={"unit": unit}, **limits)


@dataclass(frozen=True)
class Hint:
    """Marks a text setting: how a window best asks for it.

    Attributes
    ----------
    choices
        Gives the texts to pick from; None if any text may be typed.
    file
        It may be the path of a file, of the kind that this filter of a file dialog says.
    """

    choices: Callable[[], list[str]] | None = None
    file: str = ""


@dataclass(frozen=True)
class SegmentReference:
    """Marks a setting whose text names one or several segments: the method gets their masks with its inputs."""


def _point(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    parts = value.strip("[]() ").replace(",", " ").split()
    if len(parts) != 3:
        raise BadInput(tr("The point '{text}' needs three numbers: x,y,z in mm.").format(text=value))
    return parts


def _points(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return tuple(_point(part) for part in value.split(";") if part.strip())


def _names(value: Any) -> Any:
    return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value


PointMm = Annotated[Point, BeforeValidator(_point)]
"""One point in LPS mm; as text ``x,y,z``."""
PointsMm = Annotated[tuple[Point, ...], BeforeValidator(_points)]
"""Points in LPS mm; as text ``x,y,z;x,y,z``."""
SegmentName = Annotated[str, SegmentReference()]
"""The name or id of a segment."""
SegmentNames = Annotated[tuple[str, ...], BeforeValidator(_names), SegmentReference()]
"""Names or ids of segments, with commas between them."""


class MethodParams(BaseModel):
    """Parameters of a method; unknown names and numbers that are not finite are refused.

    Attributes
    ----------
    other_names
        Names that a setting may be given by besides its own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    other_names: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def references(cls) -> dict[str, bool]:
        """The settings that name segments; true where one may name several."""
        marked = {
            name: any(isinstance(mark, SegmentReference) for mark in [*info.metadata, *_inner_marks(info.annotation)])
            for name, info in cls.model_fields.items()
        }
        return {name: "tuple" in str(cls.model_fields[name].annotation) for name, yes in marked.items() if yes}


def _inner_marks(annotation: Any) -> list[Any]:
    """Marks of ``Annotated[...] | None``."""
    found: list[Any] = []
    for part in getattr(annotation, "__args__", ()):
        found += getattr(part, "__metadata__", ())
    return found


class SeededParams(MethodParams):
    """Settings of a method that starts from seeds: from a file or from segments of the case, never both."""

    seeds: str | None = setting(
        None, "", tr("A label map file on the image's grid; its labels are the seeds of the segments.")
    )
    segments: SegmentNames | None = setting(
        None, "", tr("Segments of this case whose voxels are the seeds, with commas between; instead of a file.")
    )


@dataclass(frozen=True, eq=False)
class Seeds:
    """Where each structure surely is.

    Attributes
    ----------
    labels
        uint8 or uint16, [k, j, i], on the image's grid; 0 is undecided.
    names
        A name for every value that occurs.
    """

    labels: NDArray[Any]
    names: Mapping[int, str]

    def background(self) -> int | None:
        """The value of the background seed, if there is one."""
        return next((value for value, name in self.names.items() if name.casefold() == BACKGROUND), None)


@dataclass(frozen=True, eq=False)
class Inputs:
    """What a method works on; every array is read-only and [k, j, i].

    Attributes
    ----------
    current
        The segment that the method acts on.
    segments
        For each setting that names segments, their masks by name in the order given.
    seeds
        For methods with `SeededParams`.
    name
        What the segment that the method acts on is called.
    modality
        Of the image, as DICOM writes it; empty if it is not known.
    in_hu
        The voxels are Hounsfield units.
    """

    voxels: NDArray[Any]
    geometry: Geometry
    current: Mask | None = None
    segments: Mapping[str, Mapping[str, Mask]] = field(default_factory=dict)
    seeds: Seeds | None = None
    name: str = ""
    modality: str = ""
    in_hu: bool = True

    def segment(self) -> Mask:
        """The segment that the method acts on."""
        if self.current is None:
            raise BadInput(tr("This method acts on a segment; name one."))
        return self.current

    def named(self, name: str) -> Mask | None:
        """The mask of the one segment that the setting ``name`` names, if it was given."""
        return next(iter(self.segments.get(name, {}).values()), None)


@dataclass(frozen=True, eq=False)
class Parts:
    """Several disjoint segments at once.

    Attributes
    ----------
    labels
        uint8 or uint16, [k, j, i]; 0 belongs to no part.
    names
        What each value is called, in the order in which the parts are listed.
    notes
        Sentences that a user must read, such as what could not be assigned.
    provenance
        What is to be kept with the segments besides the settings, such as which network it was; JSON values.
    """

    labels: NDArray[Any]
    names: Mapping[int, str]
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)


P = TypeVar("P", bound=MethodParams)
Run = Callable[[Inputs, P, Context], Mask | Parts]
Estimate = Callable[[P, Geometry, str, Context], str]
SeedUse = Literal["no", "optional", "needed"]


@dataclass(frozen=True)
class SegmentMethod(Generic[P]):
    """One way to make or change segments.

    Attributes
    ----------
    name
        As typed on the command line.
    Params
        The typed parameters, each with its unit (in ``json_schema_extra``), range and help.
    run
        ``run(inputs, params, ctx)``: the mask of one segment, or `Parts`.
    needs_segment
        The method acts on an existing segment, handed over as ``inputs.current``.
    ct_only
        The voxels must be HU.
    seeds
        Whether the method takes seeds; then ``Params`` are `SeededParams`.
    makes_parts
        The method returns `Parts`.
    light
        It takes less time than to send an image to a process, and no call of it keeps Python's lock for long.
    estimate
        ``estimate(params, geometry, modality, ctx)``: what a run will cost, in words, for a method that takes long
        enough to be asked beforehand.
    """

    name: str
    title: str
    help: str
    Params: type[P]
    run: Run[P]
    needs_segment: bool = False
    ct_only: bool = False
    seeds: SeedUse = "no"
    makes_parts: bool = False
    light: bool = False
    estimate: Estimate[P] | None = None

    def parse(self, settings: Mapping[str, Any]) -> P:
        """Typed parameters from names and values (text is converted).

        Raises
        ------
        BadInput
            One sentence that names the setting and what it may be.
        """
        known = self.Params.model_fields
        given = {self.Params.other_names.get(name, name): value for name, value in settings.items()}
        unknown = sorted(set(given) - set(known))
        if unknown:
            message = tr("The method '{method}' has no setting '{name}'; it has: {known}.")
            listed = ", ".join(known) or tr("none")
            raise BadInput(message.format(method=self.name, name=unknown[0], known=listed))
        try:
            params = self.Params.model_validate(given)
        except ValidationError as error:
            raise BadInput(_sentence(self.name, error)) from None
        if isinstance(params, SeededParams):
            self._check_seeds(params)
        return params

    def _check_seeds(self, params: SeededParams) -> None:
        if params.seeds is not None and params.segments is not None:
            message = tr("The method '{method}' takes either 'seeds', a file, or 'segments' of this case, not both.")
            raise BadInput(message.format(method=self.name))
        if self.seeds == "needed" and params.seeds is None and params.segments is None:
            message = tr("The method '{method}' needs seeds: the setting 'seeds', a label map file, or 'segments'.")
            raise BadInput(message.format(method=self.name))

    def apply(self, inputs: Inputs, params: P, ctx: Context | None = None) -> Mask | Parts:
        """Run the method with its inputs checked.

        Raises
        ------
        BadInput
            If the shapes differ, a segment or the seeds are missing, or nothing is found.
        """
        given = [inputs.current, *(mask for masks in inputs.segments.values() for mask in masks.values())]
        arrays = [inputs.voxels, *(mask for mask in given if mask is not None)]
        if inputs.seeds is not None:
            arrays.append(inputs.seeds.labels)
        if any(array.shape != inputs.geometry.shape_kji for array in arrays):
            raise BadInput(tr("The image, its geometry and the segment have different sizes."))
        if self.needs_segment and inputs.current is None:
            raise BadInput(tr("The method '{method}' acts on a segment; name one.").format(method=self.name))
        if inputs.seeds is not None and not inputs.seeds.labels.any():
            raise BadInput(tr("The seeds are empty: mark each structure in the image first."))
        return self.run(inputs, params, ctx or Context())


def count_voxels(found: Mask | Parts) -> int:
    """How many voxels belong to the result."""
    return int(np.count_nonzero(found.labels if isinstance(found, Parts) else found))


def _sentence(method: str, error: ValidationError) -> str:
    """The first complaint of pydantic as one sentence."""
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "missing":
        return tr("The method '{method}' needs the setting '{name}'.").format(method=method, name=name)
    reason = str(first["msg"])
    reason = reason[0].lower() + reason[1:]
    message = tr("The setting '{name}' of the method '{method}' cannot be {value!r}: {reason}.")
    return message.format(name=name, method=method, value=first["input"], reason=reason)
