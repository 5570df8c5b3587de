"""What the views show of a plan beside the scene: curved cuts, the parts, and tissue that loses its blood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from surgitwin.render.content import (
    CutSurfaceContent,
    LabelLayer,
    PatchContent,
    SceneContent,
    SliceContent,
    SurfaceContent,
    Vec3,
)


@dataclass(frozen=True, eq=False)
class PlanShown:
    """Additions to the contents of the views.

    Attributes
    ----------
    patches, cut_surfaces
        Curved cuts, held by control points or not.
    margins
        The cuts where they divide the organ, with the margin all over them; wrong as soon as a cut moves.
    parts
        Surfaces in 3D that are not in the scene, such as specimen and remnant.
    instead_of
        Ids of surfaces that are hidden meanwhile, such as the organ's.
    offsets_mm
        How far surfaces are moved aside, by their ids; parts and those of the scene.
    hatched
        Ids of surfaces of the scene that are drawn hatched.
    layers, lost
        What loses its inflow or outflow, hatched: over the slices, and in 3D; wrong as soon as a cut moves.
    """

    patches: tuple[PatchContent, ...] = ()
    cut_surfaces: tuple[CutSurfaceContent, ...] = ()
    margins: tuple[CutSurfaceContent, ...] = ()
    parts: tuple[SurfaceContent, ...] = ()
    instead_of: frozenset[str] = frozenset()
    offsets_mm: Mapping[str, Vec3] = field(default_factory=dict)
    hatched: frozenset[str] = frozenset()
    layers: tuple[LabelLayer, ...] = ()
    lost: tuple[SurfaceContent, ...] = ()

    def with_patch(self, moved: PatchContent) -> PlanShown:
        """The same with one patch as it is now."""
        return replace(self, patches=tuple(moved if patch.id == moved.id else patch for patch in self.patches))

    @property
    def moving(self) -> PlanShown:
        """The same while a cut moves."""
        return replace(self, margins=(), layers=(), lost=())

    def in_slices(self, content: SliceContent) -> SliceContent:
        return replace(
            content,
            layers=(*content.layers, *self.layers),
            patches=self.patches,
            cut_surfaces=(*self.cut_surfaces, *self.margins),
        )

    def without(self, content: SliceContent) -> SliceContent:
        """What slices that show this show while a cut moves."""
        margins, layers = ({id(one) for one in gone} for gone in (self.margins, self.layers))
        return replace(
            content,
            cut_surfaces=tuple(surface for surface in content.cut_surfaces if id(surface) not in margins),
            layers=tuple(layer for layer in content.layers if id(layer) not in layers),
        )

    def without_in_3d(self, content: SceneContent) -> SceneContent:
        """What a 3D view that shows this shows while a cut moves."""
        gone = {*(margin.id for margin in self.margins), *(surface.id for surface in self.lost)}
        return replace(
            content,
            cut_surfaces=tuple(surface for surface in content.cut_surfaces if surface.id not in gone),
            surfaces=tuple(surface for surface in content.surfaces if surface.id not in gone),
        )

    def in_3d(self, content: SceneContent) -> SceneContent:
        own = {surface.id for surface in (*self.parts, *self.lost)}
        kept = [surface for surface in content.surfaces if surface.id not in own]
        surfaces = [replace(s, visible=False) if s.id in self.instead_of else s for s in kept]
        return replace(
            content,
            surfaces=self.placed((*surfaces, *self.parts, *self.lost)),
            patches=self.patches,
            cut_surfaces=(*self.cut_surfaces, *self.margins),
        )

    def placed(self, surfaces: tuple[SurfaceContent, ...]) -> tuple[SurfaceContent, ...]:
        """Surfaces where they are moved to; those that stay are the same objects."""
        return tuple(self._placed(surface) for surface in surfaces)

    def _placed(self, surface: SurfaceContent) -> SurfaceContent:
        offset = self.offsets_mm.get(surface.id, (0.0, 0.0, 0.0))
        hatched = surface.hatched or surface.id in self.hatched
        if offset == surface.offset_mm and hatched == surface.hatched:
            return surface
        return replace(surface, offset_mm=offset, hatched=hatched)
