"""The neck plane that an aneurysm was measured with, as what lies inside the neck's outline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from surgitwin.core.mesh import Mesh
from surgitwin.render.content import CutSurfaceContent

NECK_COLOUR = (53, 192, 178)


def neck_content(details: Mapping[str, Any]) -> CutSurfaceContent | None:
    """The neck of an aneurysm's result; None for the details of another simulator.

    An outline is filled from its middle, which draws a neck that is not star-shaped a little too large: its rim, which
    is what was measured, is drawn exactly.
    """
    neck = details.get("neck")
    outlines = neck.get("outlines_mm", ()) if isinstance(neck, Mapping) else ()
    points, triangles, count = [], [], 0
    for outline in outlines:
        rim = np.asarray(outline, dtype=np.float64)
        if len(rim) < 3:
            continue
        a = np.arange(len(rim))
        triangles.append(count + np.stack([a, (a + 1) % len(rim), np.full(len(rim), len(rim))], axis=1))
        points.append(np.concatenate([rim, rim.mean(axis=0)[None]]))
        count += len(rim) + 1
    if not points:
        return None
    mesh = Mesh(np.concatenate(points).astype(np.float32), np.concatenate(triangles).astype(np.int32))
    return CutSurfaceContent("aneurysm-neck", mesh, colour=NECK_COLOUR)
