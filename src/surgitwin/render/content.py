"""What views are asked to show: plain, frozen descriptions that hold arrays by reference and know nothing of the twin.

Colours are red, green, blue from 0 to 255; points and directions are LPS, lengths millimetres.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.mesh import Mesh

if TYPE_CHECKING:
    from surgitwin.render.fusion import SecondImage
    from surgitwin.render.measures import MeasureContent
    from surgitwin.vessels.tree import VesselTree

Rgb = tuple[int, int, int]
Vec3 = tuple[float, float, float]


def vec3(values: Any) -> Vec3:
    """Three floats from anything that numpy can read."""
    x, y, z = (float(v) for v in np.asarray(values, dtype=np.float64).reshape(3))
    return x, y, z


@dataclass(frozen=True, eq=False)
class ImageContent:
    """One grey volume.

    Attributes
    ----------
    array
        [k, j, i], int16 (fastest) or any other integer or float type.
    side_confirmed
        False if nobody has confirmed which side is the patient's right: every view then says so.
    name
        As a corner of the view names it; holds no identifier of a patient.
    """

    array: NDArray[Any]
    geometry: Geometry
    name: str = ""
    side_confirmed: bool = True

    def __post_init__(self) -> None:
        _check_shape(self.array, self.geometry, "image")


@dataclass(frozen=True)
class SegmentStyle:
    """How the voxels of one value of a label layer are drawn; ``hatched`` only in stripes, through which one sees."""

    value: int
    colour: Rgb
    opacity: float = 1.0
    visible: bool = True
    name: str = ""
    hatched: bool = False


@dataclass(frozen=True, eq=False)
class LabelLayer:
    """One label array with the look of its segments; values without a style are not drawn.

    Attributes
    ----------
    array
        [k, j, i], uint8 or uint16, on a grid of its own.
    bounds
        Tells the box outside of which the array holds nothing, for one that grows in place while it is shown; a slice
        is then read there only.
    """

    array: NDArray[Any]
    geometry: Geometry
    styles: tuple[SegmentStyle, ...]
    bounds: Callable[[], Box | None] | None = None

    def __post_init__(self) -> None:
        _check_shape(self.array, self.geometry, "label layer")
        if self.array.dtype not in (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.bool_)):
            raise BadInput(f"A label layer holds uint8 or uint16 numbers, not {self.array.dtype}.")

    @property
    def drawn(self) -> bool:
        """True if any of its segments can be seen."""
        return any(style.visible and style.opacity > 0 for style in self.styles)


@dataclass(frozen=True)
class PlaneContent:
    """One plane of a cut; what lies on the side its normal points to is removed.

    Attributes
    ----------
    half_size_mm
        Half the edge of the square that stands for the plane in 3D, and where the handles sit.
    group
        Planes of one group cut together: a voxel goes only if it lies on the normal side of all of them.
    """

    id: str
    point: Vec3
    normal: Vec3
    half_size_mm: float = 60.0
    group: str = ""
    editable: bool = True
    visible: bool = True

    def __post_init__(self) -> None:
        length = float(np.linalg.norm(self.normal))
        if not np.isfinite(length) or length < 1e-9:
            raise BadInput("A cut plane needs a normal that is not zero.")
        object.__setattr__(self, "normal", vec3(np.asarray(self.normal) / length))
        object.__setattr__(self, "point", vec3(self.point))


@dataclass(frozen=True)
class MarkerContent:
    """A short text at a place, such as a lesion's number.

    Attributes
    ----------
    low, high
        The box of what is marked: slices through it show the text.
    """

    text: str
    point: Vec3
    low: Vec3
    high: Vec3


@dataclass(frozen=True, eq=False)
class SurfaceContent:
    """One surface in 3D. A new mesh object under the same ``id`` replaces the old one.

    Attributes
    ----------
    offset_mm
        Drawn so far from where the mesh lies, as a specimen that is moved aside; the mesh stays as it is.
    hatched
        Drawn with dark stripes, as tissue that loses its blood.
    matrix
        16 numbers, row by row: LPS mm = matrix @ the mesh's own mm, for what is moved as a whole; None: it is in LPS.
    colours
        (n, 3), uint8: a colour for each point in the place of ``colour``, between which it runs evenly. For what
        changes with each step of a drag: it is drawn at once, as it is.
    """

    id: str
    mesh: Mesh
    colour: Rgb
    opacity: float = 1.0
    visible: bool = True
    name: str = ""
    offset_mm: Vec3 = (0.0, 0.0, 0.0)
    hatched: bool = False
    matrix: tuple[float, ...] | None = None
    colours: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        if self.colours is not None and self.colours.shape != (len(self.mesh.points), 3):
            raise BadInput(f"A surface of {len(self.mesh.points)} points has colours of shape {self.colours.shape}.")


class MarginClass(IntEnum):
    """How far a place of a cut surface is from the nearest lesion, against the margin that is wished."""

    NOTHING = 0
    SAFE = 1
    UNCERTAIN = 2
    BELOW = 3


@dataclass(frozen=True, eq=False)
class CutSurfaceContent:
    """A cut that is not a plane: a surface in 3D, a curve in the slices.

    Attributes
    ----------
    mesh
        What is drawn of the cut; its triangles all face the same side.
    side
        1 if the side that goes is the one that the triangles' normals point to, -1 if it is the other: an arrow points
        to it.
    remove_point
        A place on the side that goes, for a surface whose side is not given: it is told at the place of the mesh that
        is nearest to it, which may be wrong for one beyond the mesh's rim. Neither given: no arrow.
    classes
        A `MarginClass` for each point of the mesh, uint8; None: all in the colour of the cut.
    distances_mm, limits_mm
        What the classes were made from: the margin at each point, and the two below which it is `BELOW` and from which
        it is `SAFE`. With them borders between these classes lie where the margin, linear between points, is at the
        limit; otherwise half-way between points.
    colour
        Of its curve in a slice; None: that of the cut.
    """

    id: str
    mesh: Mesh
    remove_point: Vec3 | None = None
    classes: NDArray[np.uint8] | None = None
    visible: bool = True
    side: int | None = None
    distances_mm: NDArray[np.floating] | None = None
    limits_mm: tuple[float, float] | None = None
    colour: Rgb | None = None

    def __post_init__(self) -> None:
        if self.side not in (None, 1, -1):
            raise BadInput(f"The side of a cut surface is 1 or -1, not {self.side}.")
        for values, what in ((self.classes, "margin classes"), (self.distances_mm, "margins")):
            if values is not None and values.shape != (len(self.mesh.points),):
                raise BadInput(f"A cut surface of {len(self.mesh.points)} points has {values.size} {what}.")


@dataclass(frozen=True, eq=False, kw_only=True)
class PatchContent(CutSurfaceContent):
    """A cut surface that is held by its control points.

    Attributes
    ----------
    control_points
        (rows, columns, 3), LPS mm; a copy is kept that nobody can change.
    tessellate
        What is drawn for control points: called for every step of a drag.
    classify
        The margin classes of such a mesh, also for every step; None: a patch that moves has none, since those of the
        place before would be wrong.
    """

    control_points: NDArray[np.float64]
    tessellate: Callable[[NDArray[np.float64]], Mesh]
    classify: Callable[[Mesh], NDArray[np.uint8]] | None = None
    editable: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        points = np.array(self.control_points, dtype=np.float64)
        if points.ndim != 3 or points.shape[2] != 3 or min(points.shape[:2]) < 2 or not np.isfinite(points).all():
            raise BadInput("A patch needs rows and columns of control points, each x, y, z in mm.")
        points.setflags(write=False)
        object.__setattr__(self, "control_points", points)

    def with_points(self, control_points: NDArray[np.float64]) -> PatchContent:
        """The same patch held elsewhere."""
        mesh = self.tessellate(control_points)
        classes = self.classify(mesh) if self.classify is not None else None
        return replace(self, control_points=control_points, mesh=mesh, classes=classes, distances_mm=None)


@dataclass(frozen=True, eq=False)
class TreeContent:
    """One vessel tree in 3D. A tree on the same arrays under the same ``id`` only changes its colours and names.

    Attributes
    ----------
    colours
        Of each branch, in the order of ``tree.branches``.
    picked
        The branch that is chosen.
    """

    id: str
    tree: VesselTree
    colours: tuple[Rgb, ...]
    picked: int | None = None
    visible: bool = True


@dataclass(frozen=True, eq=False)
class SceneContent:
    """All that the 3D view shows.

    Attributes
    ----------
    image, volume_preset
        With both given the image is volume-rendered by the preset of this name.
    """

    surfaces: tuple[SurfaceContent, ...] = ()
    planes: tuple[PlaneContent, ...] = ()
    markers: tuple[MarkerContent, ...] = ()
    image: ImageContent | None = None
    volume_preset: str | None = None
    focus: Vec3 | None = None
    side_confirmed: bool = True
    trees: tuple[TreeContent, ...] = ()
    patches: tuple[PatchContent, ...] = ()
    cut_surfaces: tuple[CutSurfaceContent, ...] = ()
    measures: tuple[MeasureContent, ...] = ()

    def looks_like(self, other: SceneContent) -> bool:
        """True if both give the same picture, apart from the mark at ``focus``."""
        return (
            [_look(s) for s in self.surfaces] == [_look(s) for s in other.surfaces]
            and [_tree_look(t) for t in self.trees] == [_tree_look(t) for t in other.trees]
            and (self.planes, self.markers, self.measures) == (other.planes, other.markers, other.measures)
            and same_cuts(self, other)
            and (self.volume_preset, self.side_confirmed) == (other.volume_preset, other.side_confirmed)
            and (self.volume_preset is None or same_image(self.image, other.image))
        )


def _look(surface: SurfaceContent) -> tuple[object, ...]:
    look = surface.colour, surface.opacity, surface.visible, surface.offset_mm, surface.hatched, surface.matrix
    return surface.id, id(surface.mesh), id(surface.colours), *look


def _tree_look(content: TreeContent) -> tuple[str, int, tuple[Rgb, ...], int | None, bool]:
    return content.id, id(content.tree), content.colours, content.picked, content.visible


@dataclass(frozen=True, eq=False)
class SliceContent:
    """All that a slice view shows.

    Attributes
    ----------
    outlines
        Closed surfaces whose curve is drawn and nothing else, such as implants.
    """

    image: ImageContent | None = None
    layers: tuple[LabelLayer, ...] = ()
    planes: tuple[PlaneContent, ...] = ()
    markers: tuple[MarkerContent, ...] = ()
    second: SecondImage | None = None
    patches: tuple[PatchContent, ...] = ()
    cut_surfaces: tuple[CutSurfaceContent, ...] = ()
    outlines: tuple[CutSurfaceContent, ...] = ()
    measures: tuple[MeasureContent, ...] = ()


def same_cuts(one: SceneContent | SliceContent, other: SceneContent | SliceContent) -> bool:
    """True if patches and cut surfaces look the same in both."""
    return [_cut_look(c) for c in (*one.patches, *one.cut_surfaces)] == [
        _cut_look(c) for c in (*other.patches, *other.cut_surfaces)
    ]


def _cut_look(cut: CutSurfaceContent) -> tuple[object, ...]:
    held = (cut.control_points.tobytes(), cut.editable) if isinstance(cut, PatchContent) else ()
    return (
        cut.id,
        id(cut.mesh),
        cut.remove_point,
        cut.side,
        id(cut.classes),
        id(cut.distances_mm),
        cut.limits_mm,
        cut.visible,
        cut.colour,
        *held,
    )


def same_memory(one: NDArray[Any] | None, other: NDArray[Any] | None) -> bool:
    """True if two arrays are the same voxels in memory, though perhaps seen through two array objects.

    Only meaningful while both are held, since memory that was given back is used again.
    """
    if one is None or other is None or one is other:
        return one is other
    return (
        one.__array_interface__["data"][0] == other.__array_interface__["data"][0]
        and one.shape == other.shape
        and one.strides == other.strides
        and one.dtype == other.dtype
    )


def same_image(one: ImageContent | None, other: ImageContent | None) -> bool:
    """True if two descriptions show the same voxels at the same place."""
    if one is None or other is None or one is other:
        return one is other
    return one.geometry == other.geometry and same_memory(one.array, other.array)


def same_slices(one: SliceContent, other: SliceContent) -> bool:
    """True if two descriptions look the same: nothing has to be drawn anew."""
    images = one.image, other.image
    named = [(image.name, image.side_confirmed) for image in images if image is not None]
    layers = len(one.layers) == len(other.layers) and all(map(_is, one.layers, other.layers))
    alike = same_image(*images) and layers and (one.planes, one.markers) == (other.planes, other.markers)
    alike = alike and one.measures == other.measures
    alike = alike and same_cuts(one, other)
    alike = alike and [_cut_look(c) for c in one.outlines] == [_cut_look(c) for c in other.outlines]
    return alike and len(set(named)) <= 1 and one.second is other.second


def _is(one: object, other: object) -> bool:
    return one is other


def _check_shape(array: NDArray[Any], geometry: Geometry, what: str) -> None:
    if array.shape != geometry.shape_kji:
        raise BadInput(f"The {what}'s array has the shape {array.shape}, its geometry {geometry.shape_kji}.")
