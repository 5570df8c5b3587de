"""The boxes around meshes, measured once; a large mesh is measured on a thread, before a view asks for its box."""

from __future__ import annotations

from collections.abc import Iterable
from weakref import WeakKeyDictionary

import numpy as np

from surgitwin.core.geometry import FloatArray
from surgitwin.core.mesh import Mesh
from surgitwin.render.content import SceneContent
from surgitwin.render.cutting import corners

# So many points take about a millisecond.
QUICK_POINTS = 100_000
# Along a short last axis NumPy compares one number at a time; over rows of so many points it compares many at once.
ROW_POINTS = 256

Bounds = tuple[FloatArray, FloatArray]
_known: WeakKeyDictionary[Mesh, Bounds] = WeakKeyDictionary()


def mesh_bounds(mesh: Mesh) -> Bounds:
    """The lowest and highest LPS mm of a mesh that is not empty; on any thread."""
    found = _known.get(mesh)
    if found is None:
        found = _known[mesh] = _measured(mesh)
    return found


def unmeasured(meshes: Iterable[Mesh]) -> list[Mesh]:
    """Those whose box is not known; none if they are so small that asking takes no time."""
    missing = [mesh for mesh in meshes if not mesh.empty and mesh not in _known]
    return missing if sum(len(mesh.points) for mesh in missing) > QUICK_POINTS else []


def content_bounds(content: SceneContent) -> Bounds | None:
    """The LPS box around everything visible, or around the image if there is no surface; None if there is nothing."""
    boxes = [
        (low + s.offset_mm, high + s.offset_mm)
        for s in content.surfaces
        if s.visible and not s.mesh.empty
        for low, high in (_placed(mesh_bounds(s.mesh), s.matrix),)
    ]
    cuts = (*content.patches, *content.cut_surfaces)
    boxes += [mesh_bounds(cut.mesh) for cut in cuts if cut.visible and not cut.mesh.empty]
    boxes += [(c.min(axis=0), c.max(axis=0)) for p in content.planes if p.visible for c in (corners(p),)]
    boxes += [
        (t.tree.points_mm.min(axis=0), t.tree.points_mm.max(axis=0))
        for t in content.trees
        if t.visible and len(t.tree.points_mm)
    ]
    if content.image is not None and (content.volume_preset is not None or not boxes):
        boxes.append(content.image.geometry.bounds_mm())
    if not boxes:
        return None
    low = np.min([box[0] for box in boxes], axis=0)
    return low.astype(np.float64), np.max([box[1] for box in boxes], axis=0).astype(np.float64)


def _placed(bounds: Bounds, matrix: tuple[float, ...] | None) -> Bounds:
    """The box around a box that was moved and turned."""
    if matrix is None:
        return bounds
    pose = np.array(matrix, dtype=np.float64).reshape(4, 4)
    ends = np.stack(bounds)
    places = np.array([[ends[i, 0], ends[j, 1], ends[k, 2]] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    places = places @ pose[:3, :3].T + pose[:3, 3]
    return places.min(axis=0), places.max(axis=0)


def _measured(mesh: Mesh) -> Bounds:
    points = mesh.points
    whole = len(points) // ROW_POINTS * ROW_POINTS
    parts = [points[whole:]] if whole < len(points) else []
    if whole:
        rows = points[:whole].reshape(-1, 3 * ROW_POINTS)
        parts += [rows.min(axis=0).reshape(-1, 3), rows.max(axis=0).reshape(-1, 3)]
    ends = np.concatenate(parts)
    return ends.min(axis=0).astype(np.float64), ends.max(axis=0).astype(np.float64)
