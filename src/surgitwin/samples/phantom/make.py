"""Make the liver phantom: the image and the truth that it was made from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import FloatArray, Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.samples.phantom import table
from surgitwin.samples.phantom.body import paint_bones, paint_trunk
from surgitwin.samples.phantom.branches import VesselTree
from surgitwin.samples.phantom.canvas import Canvas
from surgitwin.samples.phantom.image import scan
from surgitwin.samples.phantom.organs import paint_organs
from surgitwin.samples.phantom.raster import near_voxels
from surgitwin.samples.phantom.settings import PhantomSettings
from surgitwin.samples.phantom.trees import Tumour, grow_liver_content

PORTAL_HU, HEPATIC_HU = 182, 172
TUMOUR_HU, TUMOUR_RIM_HU, TUMOUR_RIM_MM = 62, 88, 2.5


@dataclass(frozen=True, eq=False)
class LiverPhantom:
    """A CT of a body that does not exist, and everything that is true about it.

    All arrays are [k, j, i] on ``geometry`` (axes L, P, S; LPS mm).

    Attributes
    ----------
    ct
        Hounsfield units, 16 bits, portal venous phase, blurred and noisy.
    labels
        Organs and bones, values as `table.ORGANS`; the liver is the whole organ.
    inner
        Portal vein, hepatic veins and tumours, values as `table.INNER`. A voxel belongs to a vessel exactly if its
        centre lies in the tree's tapered capsules (`raster`), to a tumour exactly if it lies in the ellipsoid.
    couinaud
        1 to 8 for each liver voxel: the segment whose portal branches' published centreline point is nearest.
    drainage
        1 to 4 for each liver voxel: the hepatic vein whose published centreline point is nearest.
    body
        Inside the skin.
    """

    settings: PhantomSettings
    geometry: Geometry
    ct: NDArray[np.int16]
    labels: NDArray[np.uint8]
    inner: NDArray[np.uint8]
    couinaud: NDArray[np.uint8]
    drainage: NDArray[np.uint8]
    body: NDArray[np.bool_]
    portal: VesselTree
    hepatic: VesselTree
    tumours: tuple[Tumour, ...]


def make_liver_phantom(settings: PhantomSettings, ctx: Context) -> LiverPhantom:
    """Make the phantom that ``settings`` describe: always the same for the same settings.

    Raises
    ------
    BadInput
        From `PhantomSettings`, when it is made with values out of range.
    Cancelled
        If ``ctx`` was cancelled.
    """
    content = grow_liver_content(settings, ctx.part(0.0, 0.3))
    geometry = settings.geometry()
    canvas = Canvas.empty(geometry)
    body = np.zeros(geometry.shape_kji, dtype=bool)
    paint_trunk(canvas, body, ctx.part(0.3, 0.4))
    paint_bones(canvas, ctx.part(0.4, 0.45))
    paint_organs(canvas, settings, ctx.part(0.45, 0.6))
    ctx.progress(0.6, tr("Drawing vessels and tumours"))
    inner = np.zeros(geometry.shape_kji, dtype=np.uint8)
    _draw_vessels(canvas, inner, content.portal, table.PORTAL_VEIN, PORTAL_HU)
    _draw_vessels(canvas, inner, content.hepatic, table.HEPATIC_VEINS, HEPATIC_HU)
    for number, tumour in enumerate(content.tumours):
        _draw_tumour(canvas, inner, tumour, table.TUMOR_1 + number)
    # Vessels overlap the liver, which is the whole organ, and the vena cava, which they open into; nothing else.
    taken = (inner > 0) & ~np.isin(canvas.labels, (0, table.LIVER, table.CAVA))
    canvas.labels[taken] = 0
    ctx.progress(0.65, tr("Dividing the liver"))
    liver = np.flatnonzero(canvas.labels == table.LIVER)
    couinaud = _nearest_territory(geometry, liver, content.portal, ctx.part(0.65, 0.7))
    drainage = _nearest_territory(geometry, liver, content.hepatic, ctx.part(0.7, 0.75))
    ct = scan(canvas.hu, geometry, settings.blur_mm, settings.noise_hu, settings.seed, ctx.part(0.75, 1.0))
    ctx.progress(1.0, tr("Phantom made"))
    return LiverPhantom(
        settings,
        geometry,
        ct,
        canvas.labels,
        inner,
        couinaud,
        drainage,
        body,
        content.portal,
        content.hepatic,
        content.tumours,
    )


def _draw_vessels(canvas: Canvas, inner: NDArray[np.uint8], tree: VesselTree, label: int, hu: float) -> None:
    """Label the voxels in the tree's capsules; the intensity also counts voxels that a vessel covers in part."""
    width = canvas.geometry.voxel_volume_mm3 ** (1 / 3)
    flat, distance = near_voxels(canvas.geometry, tree.capsules, width / 2)
    inner.reshape(-1)[flat[distance <= 0]] = label
    canvas.mix(flat, np.clip(0.5 - distance / width, 0, 1), hu)


def _draw_tumour(canvas: Canvas, inner: NDArray[np.uint8], tumour: Tumour, label: int) -> None:
    centre, axes = np.asarray(tumour.centre_mm), np.asarray(tumour.semi_axes_mm)
    box = canvas.box(centre - axes - 1, centre + axes + 1)
    if box.empty:
        return
    geometry = canvas.geometry
    offsets = [
        (geometry.origin_mm[a] + geometry.spacing_mm[a] * np.arange(box.start[a], box.stop[a]) - centre[a]) / axes[a]
        for a in range(3)
    ]
    radius = np.sqrt(offsets[0][None, None, :] ** 2 + offsets[1][None, :, None] ** 2 + offsets[2][:, None, None] ** 2)
    mask = radius <= 1
    inner[box.slices][mask] = label
    rim = radius[mask] > 1 - TUMOUR_RIM_MM / float(np.mean(axes))
    canvas.hu[box.slices][mask] = np.where(rim, TUMOUR_RIM_HU, TUMOUR_HU)


def _nearest_territory(
    geometry: Geometry, voxels: NDArray[np.int64], tree: VesselTree, ctx: Context
) -> NDArray[np.uint8]:
    """The territory of the nearest published centreline point for each of ``voxels`` (flat indices); 0 elsewhere."""
    from scipy.spatial import cKDTree

    points, territory = tree.labelled_points()
    search = cKDTree(points)
    out = np.zeros(geometry.shape_kji, dtype=np.uint8)
    for part, share in _chunks(voxels, 200_000):
        ctx.progress(share, tr("Dividing the liver"))
        _, nearest = search.query(voxel_places(geometry, part))
        out.reshape(-1)[part] = territory[nearest]
    return out


def voxel_places(geometry: Geometry, flat: NDArray[np.int64]) -> FloatArray:
    """LPS places (n, 3) of voxels given by flat indices into the [k, j, i] array."""
    k, j, i = np.unravel_index(flat, geometry.shape_kji)
    return geometry.to_lps(np.stack([i, j, k], axis=1))


def _chunks(values: NDArray[np.int64], size: int) -> Iterable[tuple[NDArray[np.int64], float]]:
    for start in range(0, len(values), size):
        yield values[start : start + size], start / len(values)
