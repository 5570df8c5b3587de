"""The colours of a fit in 3D: what is in contact, deeper inside, and apart, as surfaces of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.mesh import Mesh
from surgitwin.gui.implant_gizmo import ON_BONE
from surgitwin.render.content import Rgb, SurfaceContent
from surgitwin.scene.nodes import ImplantNode

if TYPE_CHECKING:
    from surgitwin.implants.fit import Fit

CONTACT, APART, INSIDE = (108, 198, 138), (168, 178, 193), (229, 99, 106)


def tinted_parts(node: ImplantNode, mesh: Mesh, fit: Fit, tolerance_mm: float) -> tuple[SurfaceContent, ...]:
    """The implant in up to three parts, in its own frame; triangles count by the mean of their corners' distances."""
    middle = fit.implant_mm[mesh.triangles].mean(axis=1)
    inside, apart = middle < -tolerance_mm, middle > tolerance_mm
    wanted = (("contact", ~inside & ~apart, CONTACT), ("inside", inside, INSIDE), ("apart", apart, APART))
    return tuple(_parts(node, mesh, wanted, node.opacity))


def tinted_bone(node: ImplantNode, mesh: Mesh, fit: Fit, tolerance_mm: float) -> tuple[SurfaceContent, ...]:
    """What of the surface that it is fitted to is in contact with it, and what lies deeper inside it; LPS mm."""
    corners = fit.bone_mm[mesh.triangles]
    middle = np.nan_to_num(corners.mean(axis=1), nan=np.inf)
    contact, inside = np.abs(middle) <= tolerance_mm, middle < -tolerance_mm
    wanted = ((f"{ON_BONE}contact", contact, CONTACT), (f"{ON_BONE}inside", inside, INSIDE))
    return tuple(_parts(node, mesh, wanted, 1.0))


def _parts(
    node: ImplantNode, mesh: Mesh, wanted: tuple[tuple[str, NDArray[np.bool_], Rgb], ...], opacity: float
) -> Iterator[SurfaceContent]:
    for word, which, colour in wanted:
        if which.any():
            used, local = np.unique(mesh.triangles[which], return_inverse=True)
            part = Mesh(mesh.points[used], local.reshape(-1, 3).astype(np.int32))
            yield SurfaceContent(f"{node.id}/{word}", part, colour, opacity, True, node.name)
