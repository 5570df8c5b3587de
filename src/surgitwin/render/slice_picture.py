"""What one slice view shows, worked out without a screen: the window paints it with Qt, snapshots with Pillow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Geometry
from surgitwin.core.text import tr
from surgitwin.render.content import (
    CutSurfaceContent,
    ImageContent,
    LabelLayer,
    SliceContent,
    Vec3,
    same_image,
    same_memory,
)
from surgitwin.render.cutting import CutLine, cut_lines
from surgitwin.render.fusion import fused
from surgitwin.render.measures import SliceMeasure, in_slice
from surgitwin.render.overlay import OverlayLook, Patch, overlay_patch
from surgitwin.render.placement import Placement, Point
from surgitwin.render.slice_curve import Run, SliceCurve, section, slice_curve
from surgitwin.render.slicing import Orientation, SlabMode, SliceGrid, Slicer
from surgitwin.render.windowing import Window


@dataclass(frozen=True)
class Slab:
    """How thick a slice is shown; 0 mm is one slice of the grid."""

    thickness_mm: float = 0.0
    mode: SlabMode = "max"

    @property
    def text(self) -> str:
        if self.thickness_mm <= 0:
            return ""
        name = {"max": tr("MIP"), "min": tr("MinIP"), "mean": tr("Mean")}[self.mode]
        return f"{name} {self.thickness_mm:g} mm"


@dataclass(frozen=True)
class MarkerSpot:
    """A marker's text and the pixel box of what it marks (left, top, right, bottom)."""

    text: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class SliceNotes:
    """The texts around a slice."""

    title: str
    top_right: tuple[str, ...]
    bottom_left: tuple[str, ...]
    index: str
    letters: tuple[str, str, str, str]
    banner: str = ""


@dataclass
class _Layer:
    content: LabelLayer
    slicer: Slicer
    patch_key: tuple[Any, ...] | None = None
    patch: Patch | None = None

    def draw(self, index: int, placement: Placement, look: OverlayLook) -> Patch | None:
        """The pixels of one slice; None if it shows nothing."""
        bounds = self.content.bounds
        if bounds is None:
            labels = self.slicer.slice(index)
            found = None if labels is None else (labels, self.slicer.grid)
        else:
            box = bounds()
            found = None if box is None else self.slicer.slice_in(index, box)
        return None if found is None else overlay_patch(*found, self.content.styles, placement, look)


@dataclass
class SlicePicture:
    """One view's content, sliced; remembers the latest slice so that moving a crosshair or a cut costs nothing."""

    orientation: Orientation
    content: SliceContent = field(default_factory=SliceContent)

    def __post_init__(self) -> None:
        self._image: Slicer | None = None
        self._second: Slicer | None = None
        self._layers: list[_Layer] = []
        self._pixels_key: tuple[Any, ...] | None = None
        self._pixels: NDArray[np.uint32] | None = None
        self._sections: dict[CutSurfaceContent, tuple[float, tuple[Run, ...]]] = {}
        content, self.content = self.content, SliceContent()
        self.set_content(content)

    def set_content(self, content: SliceContent) -> bool:
        """Show ``content``; True if its grid is another one than before, so that the view should fit it anew."""
        before = self.geometry
        old = self.content
        self.content = content
        if not same_image(content.image, old.image):
            self._image = None if content.image is None else self._slicer_of(content.image)
            self._pixels_key = None
        if content.second is not old.second:
            image = None if content.second is None else content.second.image
            if not same_image(image, None if old.second is None else old.second.image):
                self._second = None if image is None else self._slicer_of(image)
            self._pixels_key = None
        if content.layers != old.layers:
            self._layers = [self._layer_of(layer) for layer in content.layers]
        after = self.geometry
        return (before is None) != (after is None) or (
            before is not None and after is not None and not before.same_grid(after)
        )

    @property
    def geometry(self) -> Geometry | None:
        """The grid that slices are counted on: the image's, or the first label layer's without an image."""
        if self.content.image is not None:
            return self.content.image.geometry
        return self.content.layers[0].geometry if self.content.layers else None

    @property
    def grid(self) -> SliceGrid | None:
        if self._image is not None:
            return self._image.grid
        return self._layers[0].slicer.grid if self._layers else None

    def invalidate(self) -> None:
        """Forget the latest slice: voxels of an array that is shown were changed in place."""
        self._pixels_key = None
        for layer in self._layers:
            layer.patch_key = None

    def invalidate_growing(self) -> None:
        """Forget the latest slice of the label layers that grow while they are shown."""
        for layer in self._layers:
            if layer.content.bounds is not None:
                layer.patch_key = None

    def index_at(self, focus: Vec3) -> int:
        """The slice through an LPS point, 0 without an image; may lie outside the volume."""
        return 0 if self.grid is None else self.grid.index_of(focus[self.orientation.axis])

    def position_at(self, focus: Vec3) -> float:
        """The millimetre of the slice that is shown for an LPS point: the centre of the nearest slice."""
        grid = self.grid
        return (
            focus[self.orientation.axis]
            if grid is None
            else grid.position_of(grid.index_of(focus[self.orientation.axis]))
        )

    def pixels(self, index: int, window: Window, slab: Slab) -> NDArray[np.uint32] | None:
        """The image's slice as opaque grey 0xFFgggggg, [row, column]; None outside the volume."""
        if self._image is None:
            return None
        key = (index, window, slab)
        if key != self._pixels_key:
            values = self._image.slice(index, slab.thickness_mm, slab.mode)
            self._pixels = None if values is None else self._with_second(window.argb(values), index, slab)
            self._pixels_key = key
        return self._pixels

    def _with_second(self, pixels: NDArray[np.uint32], index: int, slab: Slab) -> NDArray[np.uint32]:
        second = self.content.second
        if second is None or self._second is None or self._image is None:
            return pixels
        values = self._second.slice(index, slab.thickness_mm, slab.mode)
        return pixels if values is None else fused(pixels, values, second.outside, second.look, self._image.grid)

    def patches(self, position_mm: float, placement: Placement, look: OverlayLook) -> list[Patch]:
        """The visible segments at a w millimetre, one patch for each label layer that shows any."""
        found: list[Patch] = []
        for layer in self._layers:
            if not layer.content.drawn:
                continue
            grid = layer.slicer.grid
            index = grid.index_of(position_mm)
            key = (index, placement, look, layer.content.styles)
            if key != layer.patch_key:
                layer.patch = layer.draw(index, placement, look)
                layer.patch_key = key
            if layer.patch is not None:
                found.append(layer.patch)
        return found

    def lines(self, position_mm: float, placement: Placement) -> list[CutLine]:
        """The cut planes that meet the slice."""
        return cut_lines(self.content.planes, self.orientation, position_mm, placement)

    def curves(self, position_mm: float, placement: Placement) -> list[SliceCurve]:
        """The cut surfaces that meet the slice, and patches with control points near it."""
        slice_mm = self.grid.spacing[2] if self.grid is not None else 1.0
        known, self._sections = self._sections, {}
        found: list[SliceCurve] = []
        for content in (*self.content.outlines, *self.content.cut_surfaces, *self.content.patches):
            if not content.visible:
                continue
            kept = known.get(content)
            if kept is None or kept[0] != position_mm:
                kept = position_mm, section(content, self.orientation, position_mm)
            self._sections[content] = kept
            curve = slice_curve(content, kept[1], self.orientation, position_mm, placement, slice_mm)
            if curve is not None:
                found.append(curve)
        return found

    def measures(self, position_mm: float, placement: Placement) -> list[SliceMeasure]:
        """The measurements that lie on the slice, or not far from it."""
        slice_mm = self.grid.spacing[2] if self.grid is not None else 1.0
        return in_slice(self.content.measures, self.orientation, position_mm, slice_mm, placement)

    def markers(self, position_mm: float, placement: Placement) -> list[MarkerSpot]:
        """The markers whose box the slice passes through."""
        spots: list[MarkerSpot] = []
        axis = self.orientation.axis
        half = self.grid.spacing[2] / 2 if self.grid is not None else 0.0
        for marker in self.content.markers:
            if marker.low[axis] - half <= position_mm <= marker.high[axis] + half:
                ends = placement.to_pixels(self.orientation.to_view([marker.low, marker.high])[:, :2])
                (left, top), (right, bottom) = ends.min(axis=0), ends.max(axis=0)
                spots.append(MarkerSpot(marker.text, (float(left), float(top), float(right), float(bottom))))
        return spots

    def value_at(self, point: Vec3) -> float | None:
        """The image's value at an LPS point."""
        return None if self._image is None else self._image.value_at(point)

    def crosshair(self, focus: Vec3, placement: Placement) -> Point:
        """The pixel of an LPS point."""
        x, y = (float(v) for v in placement.to_pixels(self.orientation.to_view(focus)[:2]))
        return x, y

    def notes(self, focus: Vec3, window: Window, slab: Slab) -> SliceNotes:
        """The texts around the slice through ``focus``."""
        image, grid = self.content.image, self.grid
        title = {
            Orientation.AXIAL: tr("Axial"),
            Orientation.CORONAL: tr("Coronal"),
            Orientation.SAGITTAL: tr("Sagittal"),
        }[self.orientation]
        if grid is None:
            return SliceNotes(title, (), (), "", ("", "", "", ""))
        confirmed = image is None or image.side_confirmed
        letters = self.orientation.letters()
        right = () if image is None else tuple(t for t in (image.name, window.text, slab.text) if t)
        if self.content.second is not None:
            right = (*right, *self.content.second.captions)
        left = [self.orientation.position_text(self.position_at(focus))]
        if not grid.aligned:
            left.insert(0, tr("Oblique series, resampled"))
        return SliceNotes(
            title=title,
            top_right=right,
            bottom_left=tuple(left),
            index=f"{self.index_at(focus) + 1} / {grid.count}",
            letters=letters if confirmed else _questioned(letters),
            banner="" if confirmed else tr("Side unknown: confirm which side is right"),
        )

    def _slicer_of(self, image: ImageContent) -> Slicer:
        return Slicer(image.array, image.geometry, self.orientation)

    def _layer_of(self, content: LabelLayer) -> _Layer:
        for old in self._layers:
            if old.content is content:
                return old
            if old.content.geometry == content.geometry and same_memory(old.content.array, content.array):
                # A new description of the same memory: a stroke may have changed its voxels in place.
                return _Layer(content, old.slicer)
        return _Layer(content, Slicer(content.array, content.geometry, self.orientation, labels=True))


def _questioned(letters: tuple[str, str, str, str]) -> tuple[str, str, str, str]:
    left, right, top, bottom = (f"{letter}?" for letter in letters)
    return left, right, top, bottom
