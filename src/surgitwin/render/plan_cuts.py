"""The curved cuts of a plan as views show them: Bézier patches, and lines that go straight in."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from surgitwin.core.mesh import Mesh
from surgitwin.render.content import CutSurfaceContent, PatchContent
from surgitwin.render.patch_cutting import bezier_content
from surgitwin.scene.nodes import CutModel, PlanNode

BEFORE_MM, BEHIND_MM = 10.0, 120.0  # how far a line's cut is drawn before the line and into the organ


def patch_contents(plan: PlanNode | None, *, editable: bool = False) -> tuple[PatchContent, ...]:
    """The plan's Bézier patches; each knows by its id which cut it is."""
    if plan is None or not plan.visible:
        return ()
    return tuple(
        _patch(number, cut, editable)
        for number, cut in enumerate(plan.cuts)
        if cut.kind == "patch" and cut.remove_point_mm
    )


@lru_cache(maxsize=32)
def _patch(number: int, cut: CutModel, editable: bool) -> PatchContent:
    """One patch; kept, for its side takes milliseconds to find and views ask at every refresh."""
    assert cut.remove_point_mm is not None
    points = np.array(cut.control_points_mm)
    return bezier_content(str(number), points, cut.remove_point_mm, visible=cut.enabled, editable=editable)


def curve_contents(plan: PlanNode | None) -> tuple[CutSurfaceContent, ...]:
    """The plan's drawn lines, each as the strip that it cuts along."""
    if plan is None or not plan.visible:
        return ()
    curves = (_curve(number, cut) for number, cut in enumerate(plan.cuts) if cut.kind == "curve")
    return tuple(curve for curve in curves if curve is not None)


def _curve(number: int, cut: CutModel) -> CutSurfaceContent | None:
    if cut.curve is None or cut.curve.direction is None:
        return None
    line, way = np.array(cut.curve.points_mm), np.array(cut.curve.direction)
    n = len(line)
    depth = cut.curve.depth_mm or BEHIND_MM
    points = np.concatenate([line - BEFORE_MM * way, line + depth * way])
    a = np.arange(n if cut.curve.closed else n - 1)
    b = (a + 1) % n
    triangles = np.concatenate([np.stack([a, b, a + n], axis=1), np.stack([b, b + n, a + n], axis=1)])
    mesh = Mesh(points.astype(np.float32), triangles.astype(np.int32))
    side = None
    if cut.remove_point_mm is not None:
        # A line across the organ is one sheet: the side of its nearest stretch is the side that goes.
        places = (line[:-1] + line[1:]) / 2
        away = np.asarray(cut.remove_point_mm) - places
        nearest = int(np.argmin(np.linalg.norm(away - (away @ way)[:, None] * way, axis=1)))
        normal = np.cross(line[nearest + 1] - line[nearest], way)
        side = 1 if float(away[nearest] @ normal) > 0 else -1
    return CutSurfaceContent(str(number), mesh, remove_point=cut.remove_point_mm, visible=cut.enabled, side=side)
