"""From a vessel mask to its tree: middle lines without spurs and loops, radii, roots, and what was found on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.vessels.centring import Spheres, fit_ends, recentred, resampled, smoothed
from surgitwin.vessels.chains import Chains
from surgitwin.vessels.forest import Part, assembled, link_parts, mark_trunks, parts_of, picked_first, trunk_end
from surgitwin.vessels.net import Net, Opened, net_of, open_loops, open_rings, prune_spurs, shrink_junctions
from surgitwin.vessels.thinning import Mask, Padded, thinned
from surgitwin.vessels.tree import VesselTree

FloatArray = NDArray[np.float64]
_MIDDLE_VOXELS = 400_000
_WIDEST_MM = 20.0


@dataclass(frozen=True)
class TreeSettings:
    """What may be chosen about a tree.

    Attributes
    ----------
    least_part_mm
        Separate parts whose middle lines are shorter are dropped; the largest part always stays.
    stiffness
        How strongly middle lines are smoothed; see `centring.smoothed`. At 20, waves of 13 points lose half.
    """

    least_part_mm: float = 5.0
    stiffness: float = 20.0


@dataclass(frozen=True, eq=False)
class Built:
    """A tree, and what a person must know about how it came to be."""

    tree: VesselTree
    notices: tuple[Notice, ...]


def build_tree(
    mask: Mask,
    box: Box,
    geometry: Geometry,
    ctx: Context | None = None,
    *,
    root_mm: Sequence[float] | NDArray[np.float64] | None = None,
    settings: TreeSettings | None = None,
) -> Built:
    """The tree of a vessel mask.

    The mask's holes are filled, it is thinned to lines, loops are opened where they are narrowest, spurs are taken, and
    the lines are smoothed. A radius is that of the largest sphere that holds no background voxel's centre.

    Parameters
    ----------
    mask
        [k, j, i], the voxels of ``box``.
    box
        The part of the grid that ``mask`` covers; no vessel lies outside it.
    geometry
        The whole grid. A vessel that its border cuts has no wall there.
    root_mm
        A point near the root's end, LPS mm. Without it each part begins at its widest end; where trunks run into one
        another so that none has a free end, it begins in the middle of its widest place, with a branch of one point.

    Raises
    ------
    BadInput
        If the mask has no branch, or ``root_mm`` lies off every vessel.
    Cancelled
    """
    ctx, settings = ctx or Context(), settings or TreeSettings()
    if tuple(reversed(box.size_ijk)) != mask.shape:
        raise ValueError("the mask does not cover its box")
    _refuse_unless(bool(mask.any()))
    inner = Box.of_mask(mask)
    box = inner.moved(box.start)
    ctx.progress(0.05, tr("Finding the vessels' middle lines"))
    padded, holes = Padded.of(mask[inner.slices]).without_cavities()
    lines = Chains.of(thinned(padded, ctx=ctx))
    ctx.progress(0.6, tr("Measuring the vessels' radii"))
    spheres = Spheres(_wall(padded, box, geometry))
    net, opened, spurs = _net(lines, box, geometry, spheres)
    _refuse_unless(bool(net.edges))
    ctx.progress(0.8, tr("Smoothing the middle lines"))
    step = geometry.voxel_volume_mm3 ** (1 / 3)
    _centre(net, padded, box, geometry, spheres, settings.stiffness)
    ctx.progress(0.9, tr("Ordering the branches"))
    mark_trunks(net)
    parts = parts_of(net)
    _refuse_unless(bool(parts))
    kept = [parts[0], *(part for part in parts[1:] if part.length_mm >= settings.least_part_mm)]
    kept = [part for part in kept if part.length_mm > 2.0 * part.widest_mm]
    _refuse_unless(bool(kept))
    if root_mm is not None:
        kept, first = picked_first(kept, root_mm)
    else:
        first = trunk_end(kept[0])
    tree = assembled(kept, link_parts(kept, first, 0.5 * step, min(geometry.spacing_mm)))
    dropped = [part for part in parts if part not in kept]
    notices = _notices(tree, holes, opened, spurs, dropped)
    ctx.progress(1.0)
    return Built(tree, notices)


def _refuse_unless(fine: bool) -> None:
    if not fine:
        raise BadInput(
            tr("This segment has no vessel branch: nothing in it is longer than it is wide. Choose a vessel's segment.")
        )


def _wall(padded: Padded, box: Box, geometry: Geometry) -> FloatArray:
    """The background voxels beside the mask that lie in the image, LPS mm."""
    places = padded.wall()[:, ::-1] + np.array(box.start)
    inside = np.all((places >= 0) & (places < np.array(geometry.size_ijk)), axis=1)
    if not inside.any():
        raise BadInput(tr("This segment fills the whole image: a vessel's walls must lie in it."))
    return geometry.to_lps(places[inside])


def _net(lines: Chains, box: Box, geometry: Geometry, spheres: Spheres) -> tuple[Net, list[Opened], int]:
    """The net of the lines without loops and spurs, where loops were, and how many spurs."""
    step = geometry.voxel_volume_mm3 ** (1 / 3)

    def to_mm(places: FloatArray) -> FloatArray:
        return geometry.to_lps(places[:, ::-1] + np.array(box.start))

    points = to_mm(lines.points.astype(np.float64))
    radii = spheres(points)
    rings = []
    for n in open_rings(lines, radii):
        x, y, z = (float(v) for v in points[n])
        rings.append(Opened((x, y, z), float(radii[n])))
    net = net_of(lines, to_mm, spheres)
    opened = rings + open_loops(net, step)
    for node in range(net.count):
        net.join_through(node)
    shrink_junctions(net, step)
    return net, opened, prune_spurs(net, step)


def _centre(net: Net, padded: Padded, box: Box, geometry: Geometry, spheres: Spheres, stiffness: float) -> None:
    """Smooth the lines, move them into the middle of their vessels, and fit their free ends."""
    step = geometry.voxel_volume_mm3 ** (1 / 3)
    start = np.array(box.start)
    shape = np.array(padded.shape)

    def inside(points: FloatArray) -> NDArray[np.bool_]:
        places = np.rint(geometry.to_index(points)).astype(np.int64) - start + 1
        k, j, i = np.clip(places[:, ::-1], 0, shape - 1).T
        return np.asarray(padded.flat.reshape(padded.shape)[k, j, i] != 0)

    net.edges = resampled(smoothed(net, stiffness), step, spheres)
    # A part of many voxels, evenly spread, has the same middle.
    some = padded.voxels[:: max(padded.voxels.size // _MIDDLE_VOXELS, 1)]
    voxels = geometry.to_lps(padded.places(some)[:, ::-1] + start)
    net.edges, trust = recentred(net, voxels)
    net.edges = resampled(smoothed(net, stiffness, trust), step, spheres)
    fit_ends(net, spheres, inside, step)


def _notices(tree: VesselTree, holes: int, opened: list[Opened], spurs: int, dropped: list[Part]) -> tuple[Notice, ...]:
    found = []
    widest = float(tree.radii_mm.max())
    if widest > _WIDEST_MM:
        message = tr("This segment is up to {width:.0f} mm thick, more than a vessel usually is. Is it the right one?")
        found.append(Notice("vessel-very-wide", message.format(width=2 * widest), {"radius_mm": widest}))
    if opened:
        message = tr("Loops opened where they are narrowest: {count}. Check whether vessels touch there.")
        places = [{"point_mm": list(one.point_mm), "radius_mm": one.radius_mm} for one in opened]
        found.append(Notice("vessel-loops-opened", message.format(count=len(opened)), {"places": places}))
    if tree.breaks:
        gaps = sorted(one.gap_mm for one in tree.breaks)
        message = tr(
            "The vessels lie in {count} separate parts, each with a root of its own; the gaps are {low:.1f} to "
            "{high:.1f} mm wide. Join parts that belong together."
        )
        text = message.format(count=len(gaps) + 1, low=gaps[0], high=gaps[-1])
        found.append(Notice("vessel-parts", text, {"parts": len(gaps) + 1, "gaps_mm": gaps}))
    if dropped:
        length = sum(part.length_mm for part in dropped)
        message = tr("Fragments too short to be a vessel left out: {count}, together {length:.0f} mm long.")
        details = {"count": len(dropped), "length_mm": length}
        found.append(Notice("vessel-fragments-dropped", message.format(count=len(dropped), length=length), details))
    if spurs:
        message = tr("Short side branches that hardly leave their vessel left out: {count}.")
        found.append(Notice("vessel-spurs-pruned", message.format(count=spurs), {"count": spurs}))
    if holes:
        message = tr("Holes inside the vessels filled: {count} voxels.")
        found.append(Notice("vessel-holes-filled", message.format(count=holes), {"voxels": holes}))
    return tuple(found)
