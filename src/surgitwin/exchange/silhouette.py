"""The outline of a part as it is seen from one side, for paper at scale 1:1."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.mesh import Mesh

STEP_MM = 0.2
_MOST_CELLS = 4_000_000


def silhouette(mesh: Mesh, axes: tuple[int, int], step_mm: float = STEP_MM) -> tuple[list[NDArray[np.float64]], float]:
    """Rings around the shadow of a mesh, and how exact they are, mm.

    The shadow is filled triangle by triangle on a grid, so it needs no closed mesh.

    Parameters
    ----------
    axes
        Which coordinates run to the right and up on the paper.

    Returns
    -------
    Rings of shape (n, 2), mm of those two coordinates.
    """
    from PIL import Image, ImageDraw
    from skimage.measure import approximate_polygon, find_contours

    flat = mesh.points[:, list(axes)].astype(np.float64)
    low, extent = flat.min(axis=0), np.ptp(flat, axis=0)
    step = max(step_mm, float(np.sqrt(max(extent.prod(), 1e-6) / _MOST_CELLS)))
    size = [int(n) + 5 for n in np.ceil(extent / step)]
    corners = ((flat - low) / step + 2.0)[mesh.triangles]
    one, two = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    # A closed surface is seen from both sides: the faces of one side throw the whole shadow.
    doubled = one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]
    seen = corners[doubled > 0] if np.any(doubled > 0) else corners
    image: Any = Image.new("L", (size[0], size[1]))
    draw: Any = ImageDraw.Draw(image)
    for triangle in seen.reshape(-1, 6).tolist():
        draw.polygon(triangle, fill=255)
    cells = np.asarray(image, np.float64) / 255.0
    contours: Any = find_contours
    thinned: Any = approximate_polygon
    rings = [thinned(ring, 0.3)[:, ::-1] for ring in contours(cells, 0.5)]
    return [(ring - 2.0) * step + low for ring in rings if len(ring) > 3], step
