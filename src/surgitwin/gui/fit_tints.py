"""The colours of a fit in 3D: the implant and the bone around it, by the signed distance to the other one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.mesh import Mesh
from surgitwin.exchange.mesh_out import vertex_normals
from surgitwin.gui.implant_gizmo import COLOURED, ON_BONE
from surgitwin.render.colour_scale import ColourScale
from surgitwin.render.content import SurfaceContent
from surgitwin.render.fit_colours import APART, class_scale, distance_scale

if TYPE_CHECKING:
    from surgitwin.implants.fit import Fit, LiveFit

How = Literal["distance", "classes", "none"]
Where = Literal["both", "implant", "bone"]


@dataclass(frozen=True)
class Tinting:
    """How a fit is coloured.

    Attributes
    ----------
    range_mm
        The distance at both ends of the scale.
    """

    how: How = "distance"
    where: Where = "both"
    range_mm: float = 3.0

    def scale(self, tolerance_mm: float) -> ColourScale | None:
        """What the colours stand for; None while there are none."""
        if self.how == "none":
            return None
        return (distance_scale if self.how == "distance" else class_scale)(self.range_mm, tolerance_mm)


class FitTints:
    """Colours the surfaces of one `LiveFit`; made once, asked for each step of a drag, on any thread."""

    def __init__(self, live: LiveFit) -> None:
        self._tolerance_mm = live.tolerance_mm
        self._implant = _with_normals(live.shape.mesh)
        self._bone = _with_normals(live.bone.mesh)
        self._corners = np.ascontiguousarray(live.bone.mesh.triangles.T)

    def parts(self, node_id: str, name: str, opacity: float, fit: Fit, tinting: Tinting) -> tuple[SurfaceContent, ...]:
        """The implant in its own frame, and the bone as far as the scale reaches (LPS mm), in their colours.

        Apart, bone is not coloured in classes: it would be a grey patch.
        """
        scale = tinting.scale(self._tolerance_mm)
        if scale is None:
            return ()
        found: list[SurfaceContent] = []
        if tinting.where != "bone":
            colours = scale.colours(fit.implant_mm)
            found.append(
                SurfaceContent(f"{node_id}/{COLOURED}", self._implant, APART, opacity, True, name, colours=colours)
            )
        if tinting.where != "implant":
            furthest = self._tolerance_mm if scale.stepped else scale.high
            near = np.nan_to_num(fit.bone_mm, nan=np.inf) <= furthest
            a, b, c = self._corners
            which: NDArray[np.bool_] = near[a] & near[b] & near[c]
            if which.any():
                part, used = _part(self._bone, which)
                colours = scale.colours(fit.bone_mm[used])
                found.append(
                    SurfaceContent(f"{node_id}/{ON_BONE}{COLOURED}", part, APART, 1.0, True, name, colours=colours)
                )
        return tuple(found)


def _with_normals(mesh: Mesh) -> Mesh:
    return Mesh(mesh.points, mesh.triangles, vertex_normals(mesh.points, mesh.triangles))


def _part(mesh: Mesh, which: NDArray[np.bool_]) -> tuple[Mesh, NDArray[np.intp]]:
    """Some triangles with the normals of the whole, and the numbers of the points that they use."""
    triangles = mesh.triangles[which]
    is_used = np.zeros(len(mesh.points), np.bool_)
    is_used[triangles] = True
    used = np.flatnonzero(is_used)
    number = np.empty(len(mesh.points), np.int32)
    number[used] = np.arange(len(used), dtype=np.int32)
    normals = mesh.normals[used] if mesh.normals is not None else None
    return Mesh(mesh.points[used], number[triangles], normals), used
