"""A line drawn over the 3D view, laid onto the surface that is seen under it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from surgitwin.core.geometry import FloatArray

CELL_PX = 4.0
STEP_MM = 3.0


def line_on_surface(
    corners_px: ArrayLike, world_to_clip: ArrayLike, size_px: tuple[float, float], vertices_mm: FloatArray
) -> FloatArray:
    """Points of a surface under a drawn line, in its order, a few millimetres apart.

    Each corner takes the vertex that is nearest to the viewer in the corner's small cell of the screen or one beside
    it; corners with no surface under them are left out.

    Parameters
    ----------
    corners_px
        (n, 2), logical pixels; (0, 0) is the upper left corner of the view.
    world_to_clip
        4x4, LPS mm to clip coordinates.
    vertices_mm
        (m, 3), LPS, of the surface; no farther apart than a few millimetres.

    Returns
    -------
    (k, 3), LPS mm; k may be 0.
    """
    corners = np.asarray(corners_px, dtype=np.float64).reshape(-1, 2)
    matrix = np.asarray(world_to_clip, dtype=np.float64).reshape(4, 4)
    width, height = size_px
    clip = vertices_mm @ matrix[:, :3].T + matrix[:, 3]
    seen = clip[:, 3] > 1e-9
    clip, indices = clip[seen], np.flatnonzero(seen)
    x = (1.0 + clip[:, 0] / clip[:, 3]) * (width / 2)
    y = (1.0 - clip[:, 1] / clip[:, 3]) * (height / 2)
    depth = clip[:, 2] / clip[:, 3]
    columns, rows = int(width // CELL_PX) + 1, int(height // CELL_PX) + 1
    column, row = (x // CELL_PX).astype(np.int64), (y // CELL_PX).astype(np.int64)
    inside = (column >= 0) & (column < columns) & (row >= 0) & (row < rows) & (depth >= -1.0)
    cell = row[inside] * columns + column[inside]
    depth, indices = depth[inside], indices[inside]
    order = np.lexsort((depth, cell))
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = cell[order][1:] != cell[order][:-1]
    foremost = np.full(columns * rows, -1, dtype=np.int64)
    foremost[cell[order][first]] = order[first]
    found: list[int] = []
    for across, down in corners:
        best = _foremost_near(foremost, depth, columns, rows, int(across // CELL_PX), int(down // CELL_PX))
        if best is not None:
            found.append(int(indices[best]))
    return _apart(vertices_mm[found]) if found else np.zeros((0, 3))


def _foremost_near(
    foremost: np.ndarray, depth: np.ndarray, columns: int, rows: int, column: int, row: int
) -> int | None:
    """The foremost vertex in a cell or one of the eight around it."""
    candidates = [
        int(foremost[r * columns + c])
        for r in range(max(row - 1, 0), min(row + 2, rows))
        for c in range(max(column - 1, 0), min(column + 2, columns))
    ]
    candidates = [one for one in candidates if one >= 0]
    return min(candidates, key=lambda one: depth[one]) if candidates else None


def _apart(points: FloatArray) -> FloatArray:
    """The points without those that hardly differ from the one before."""
    kept = [0]
    for number in range(1, len(points)):
        if np.linalg.norm(points[number] - points[kept[-1]]) >= STEP_MM:
            kept.append(number)
    return np.asarray(points[kept])
