"""The liver's vessels and tumours: a fixed skeleton of named trunks, and what is grown from it by the seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import FloatArray
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.samples.phantom.branches import CourseCheck, VesselTree, branches_of
from surgitwin.samples.phantom.growth import Growth, Tree, far_from, segment_gaps, spread_points
from surgitwin.samples.phantom.liver import CANTLIE, RIGHT_HEPATIC, LiverDepth, planned_segment, side_of
from surgitwin.samples.phantom.raster import Capsules
from surgitwin.samples.phantom.settings import PhantomSettings

# Each trunk: name, the trunk it leaves (at its last point), points in LPS mm, the region it serves (0: none).
Trunk = tuple[str, str, list[tuple[float, float, float]], int]

PORTAL_TRUNKS: tuple[Trunk, ...] = (
    ("Main portal vein", "", [(10, 10, -50), (-4, 4, -28), (-20, -2, -8), (-33, -6, 11)], 0),
    ("Right portal vein", "Main portal vein", [(-48, -6, 20), (-60, -8, 24)], 0),
    ("Left portal vein", "Main portal vein", [(-18, -10, 21), (-6, -14, 27)], 0),
    ("Right anterior portal vein", "Right portal vein", [(-70, -20, 27)], 0),
    ("Right posterior portal vein", "Right portal vein", [(-74, 5, 22)], 0),
    ("Left portal vein, transverse part", "Left portal vein", [(4, -20, 31)], 0),
    ("Left portal vein, umbilical part", "Left portal vein, transverse part", [(9, -38, 37)], 0),
    ("P1", "Left portal vein", [(-9, 3, 29), (-10, 11, 30)], 1),
    ("P2", "Left portal vein, transverse part", [(20, -17, 47), (34, -25, 56)], 2),
    ("P3", "Left portal vein, umbilical part", [(26, -48, 45), (44, -54, 51)], 3),
    ("P4", "Left portal vein, umbilical part", [(-3, -48, 41), (-18, -52, 46)], 4),
    ("P5", "Right anterior portal vein", [(-78, -36, 8), (-86, -44, -10)], 5),
    ("P6", "Right posterior portal vein", [(-90, 14, 2), (-98, 16, -18)], 6),
    ("P7", "Right posterior portal vein", [(-78, 20, 36), (-76, 32, 48)], 7),
    ("P8", "Right anterior portal vein", [(-74, -27, 48), (-76, -32, 66)], 8),
)
RIGHT, MIDDLE, LEFT, CAUDATE = 1, 2, 3, 4
HEPATIC_TRUNKS: tuple[Trunk, ...] = (
    (
        "Right hepatic vein",
        "",
        [(-33, 17, 66), (-52, 13, 68), (-74, 5, 56), (-92, -2, 34), (-102, -6, 6), (-106, -8, -24)],
        1,
    ),
    ("Common trunk", "", [(-22, 13, 66), (-20, 2, 67), (-19, -5, 67)], 0),
    ("Middle hepatic vein", "Common trunk", [(-33, -16, 60), (-40, -30, 46), (-46, -44, 26), (-48, -50, 8)], 2),
    ("Left hepatic vein", "Common trunk", [(0, -18, 68), (20, -32, 67), (42, -42, 66)], 3),
    ("Caudate vein", "", [(-14, 20, 44), (-10, 17, 43), (-6, 12, 42)], 4),
)
GAP_MM = 0.3
"""Least clearance between the walls of the two systems, and between a vessel and a tumour."""
SEGMENT_NAMES = {n: f"Couinaud segment {n}" for n in range(1, 9)}
DRAINAGE_NAMES = {
    RIGHT: "Right hepatic vein territory",
    MIDDLE: "Middle hepatic vein territory",
    LEFT: "Left hepatic vein territory",
    CAUDATE: "Caudate vein territory",
}


@dataclass(frozen=True)
class Tumour:
    """An ellipsoid: centre and semi-axes along x, y and z, mm."""

    name: str
    centre_mm: tuple[float, float, float]
    semi_axes_mm: tuple[float, float, float]

    @property
    def volume_ml(self) -> float:
        return float(4 / 3 * np.pi * np.prod(self.semi_axes_mm) / 1000)


@dataclass(frozen=True)
class LiverContent:
    portal: VesselTree
    hepatic: VesselTree
    tumours: tuple[Tumour, ...]


def grow_liver_content(settings: PhantomSettings, ctx: Context) -> LiverContent:
    """Place the tumours and grow both trees; depends on the seed and the counts and radii in ``settings`` only."""
    rng = np.random.default_rng([settings.seed, 1])
    tumours = _tumours(rng)
    balls = Capsules(
        *(np.array([t.centre_mm for t in tumours], dtype=np.float64) for _ in range(2)),
        *(np.array([max(t.semi_axes_mm) for t in tumours]) for _ in range(2)),
    )
    portal = Tree(settings.portal_radius_mm / settings.portal_terminals ** (1 / 3), settings.portal_terminals)
    portal_names = _build(portal, PORTAL_TRUNKS, rng)
    hepatic = Tree(settings.hepatic_radius_mm / settings.hepatic_terminals ** (1 / 3), settings.hepatic_terminals)
    hepatic_names = _build(hepatic, HEPATIC_TRUNKS, rng)
    depth = LiverDepth()
    candidates = _candidates(depth, balls, rng)

    ctx.progress(0.02, tr("Growing the portal vein"))
    trunks = hepatic.capsules(least_flow=max(4, settings.hepatic_terminals // 6))
    ends = spread_points(candidates, settings.portal_terminals - 8, _tips(portal), rng)
    growth = Growth(portal, depth, Capsules.joined([balls, trunks]))
    growth.grow(ends, planned_segment(ends), ctx.part(0.02, 0.4))
    growth.relax(2, ctx.part(0.4, 0.5))

    ctx.progress(0.5, tr("Growing the hepatic veins"))
    taken = np.concatenate([_tips(hepatic), portal.position[portal.edges()]])
    ends = spread_points(candidates, settings.hepatic_terminals - 4, taken, rng)
    growth = Growth(hepatic, depth, Capsules.joined([balls, portal.capsules()]))
    growth.grow(ends, planned_vein(ends), ctx.part(0.5, 0.8))
    growth.relax(2, ctx.part(0.8, 0.9))
    _part_trees(portal, hepatic)
    return _publish(portal, portal_names, hepatic, hepatic_names, balls, tumours, depth)


def planned_vein(points: FloatArray) -> NDArray[np.int64]:
    """The hepatic vein meant to drain each point: the right one behind the halfway plane, the middle one up to the
    umbilical fissure, the left one beyond; the caudate lobe has its own."""
    segment = planned_segment(points)
    nearer_middle = 0.75 * np.abs(side_of(points, *CANTLIE)) < np.abs(side_of(points, *RIGHT_HEPATIC))
    vein = np.where(np.isin(segment, (5, 8)) & nearer_middle, MIDDLE, RIGHT)
    vein = np.where(segment == 4, MIDDLE, vein)
    vein = np.where(np.isin(segment, (2, 3)), LEFT, vein)
    return np.where(segment == 1, CAUDATE, vein).astype(np.int64)


def _tumours(rng: np.random.Generator) -> tuple[Tumour, ...]:
    """One metastasis in segment 7, near the surface, and a smaller one in segment 5."""
    result = []
    for number, (centre, axes) in enumerate((((-102, 24, 56), (14, 12, 13)), ((-66, -50, 2), (10, 9, 11))), start=1):
        place = np.round(np.array(centre) + rng.uniform(-2, 2, 3), 2)
        size = np.round(np.array(axes) * rng.uniform(0.85, 1.1), 2)
        result.append(Tumour(f"Tumor {number}", _triple(place), _triple(size)))
    return tuple(result)


def _triple(values: FloatArray) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])


def _build(tree: Tree, trunks: tuple[Trunk, ...], rng: np.random.Generator) -> dict[int, str]:
    """Put the skeleton into ``tree``; returns the name of the trunk that ends at each node."""
    last: dict[str, int] = {}
    for name, above, points, region in trunks:
        node = last[above] if above else tree.add(np.array(points[0], dtype=np.float64), -1, region, fixed=True)
        for n, point in enumerate(points if above else points[1:]):
            # Ends of the segments' stems vary with the seed; where trunks divide stays.
            shift = rng.uniform(-1.5, 1.5, 3) if region and (above == "" or n > 0) else np.zeros(3)
            node = tree.add(np.array(point) + shift, node, region, fixed=True)
        last[name] = node
        if region:
            tree.add_flow(node)
    return {node: name for name, node in last.items()}


def _tips(tree: Tree) -> FloatArray:
    return tree.position[[n for n, below in enumerate(tree.children) if not below]]


def _candidates(depth: LiverDepth, balls: Capsules, rng: np.random.Generator) -> FloatArray:
    """Places where a vessel may end: a jittered 4.5 mm lattice, some way below the surface and off the tumours."""
    axes = [np.arange(low, high, 4.5) for low, high in ((-140, 100), (-84, 84), (-80, 106))]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    points = points + rng.uniform(-1.8, 1.8, points.shape)
    points = points[depth(points) < -4.0]
    for centre, radius in zip(balls.a, balls.ra, strict=True):
        points = points[np.linalg.norm(points - centre, axis=1) > radius + 3]
    return points


def _part_trees(portal: Tree, hepatic: Tree) -> None:
    """Cut off the few end branches that came to touch the other system when branches widened."""
    while True:
        pairs = _touching(portal, hepatic)
        if not pairs:
            return
        for one, other in pairs:
            if portal.flow[one] == 0 or hepatic.flow[other] == 0:
                continue
            smaller = (portal, one) if portal.flow[one] < hepatic.flow[other] else (hepatic, other)
            larger = (hepatic, other) if smaller[0] is portal else (portal, one)
            tree, node = smaller if not smaller[0].fixed[smaller[1]] else larger
            if tree.fixed[node]:
                raise AssertionError("two trunks of the skeleton touch")
            tree.prune(node)


def _touching(portal: Tree, hepatic: Tree) -> list[tuple[int, int]]:
    ours, theirs = portal.edges(), hepatic.edges()
    p, h = portal.capsules(ours), hepatic.capsules(theirs)
    apart = np.linalg.norm((p.a + p.b)[:, None] / 2 - (h.a + h.b)[None] / 2, axis=2)
    half_p, half_h = np.linalg.norm(p.b - p.a, axis=1) / 2, np.linalg.norm(h.b - h.a, axis=1) / 2
    wanted = p.ra[:, None] + h.ra[None] + GAP_MM
    n, m = np.nonzero(apart < wanted + half_p[:, None] + half_h[None])
    gaps = segment_gaps(p.a[n], p.b[n], h.a[m], h.b[m])
    bad = gaps < wanted[n, m]
    return [(int(ours[a]), int(theirs[b])) for a, b in zip(n[bad], m[bad], strict=True)]


def _publish(
    portal: Tree,
    portal_names: dict[int, str],
    hepatic: Tree,
    hepatic_names: dict[int, str],
    balls: Capsules,
    tumours: tuple[Tumour, ...],
    depth: LiverDepth,
) -> LiverContent:
    """Give both trees their courses; one that would touch the other system or leave the liver stays straight."""

    def course_is_clear(obstacles: Capsules) -> CourseCheck:
        def check(points: FloatArray, radius: float, region: int) -> bool:
            if region and np.any(depth(points[1:]) > -(1.0 + 0.5 * radius)):
                return False
            return far_from(points[:-1], points[1:], np.full(len(points) - 1, radius), obstacles, GAP_MM)

        return check

    stems = {region: name for name, _, _, region in PORTAL_TRUNKS if region}
    straight = Capsules.joined([balls, hepatic.capsules()])
    branches = branches_of(portal, portal_names, stems, course_is_clear(straight))
    portal_tree = VesselTree("Portal vein", SEGMENT_NAMES, branches)
    stems = {region: name for name, _, _, region in HEPATIC_TRUNKS if region}
    final = Capsules.joined([balls, portal_tree.capsules])
    branches = branches_of(hepatic, hepatic_names, stems, course_is_clear(final))
    return LiverContent(portal_tree, VesselTree("Hepatic veins", DRAINAGE_NAMES, branches), tumours)
