"""The organs of the upper abdomen other than the liver's own vessels and tumours."""

from __future__ import annotations

import numpy as np

from surgitwin.core.geometry import FloatArray
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.samples.phantom import table
from surgitwin.samples.phantom.canvas import Canvas, Field, ellipsoid, rotation, smooth_max
from surgitwin.samples.phantom.liver import (
    CAVA_POINTS,
    CAVA_RADII,
    GALLBLADDER_POINTS,
    GALLBLADDER_RADII,
    liver_value,
)
from surgitwin.samples.phantom.raster import Capsules, near_voxels
from surgitwin.samples.phantom.settings import PhantomSettings
from surgitwin.samples.phantom.trunk import cavity, diaphragm_height

LIVER_HU, BLOOD_HU, SPLEEN_HU, KIDNEY_HU, PANCREAS_HU = 108, 165, 122, 185, 96
BILE_HU, BOWEL_WALL_HU, BOWEL_CONTENT_HU, GAS_HU = 8, 88, 22, -930

_AORTA = (
    np.array([[2, 28, 170], [5, 27, 60], [6, 26, 0], [4, 25, -90], [2, 26, -170]], float),
    np.array([12, 11, 10, 9, 8.5]),
)
_PANCREAS = (
    np.array([[-12, 0, -62], [-2, -2, -48], [8, -6, -40], [26, -2, -27], [50, 12, -10], [76, 28, 10]], float),
    np.array([11, 12, 9, 9, 9, 8], float),
)
_DUODENUM = np.array(
    [[-20, -38, -26], [-38, -16, -30], [-44, 2, -46], [-42, 8, -74], [-24, 12, -92], [6, 8, -94], [36, 2, -82]], float
)
_ANTRUM = (
    np.array([[62, -8, 24], [52, -40, -10], [24, -56, -30], [0, -52, -32], [-18, -40, -27]], float),
    np.array([30, 25, 20, 16, 10], float),
)
_COLON = np.array(
    [
        [-106, 12, -190],
        [-106, 8, -110],
        [-100, -12, -92],
        [-70, -52, -96],
        [-20, -68, -104],
        [40, -68, -88],
        [92, -44, -44],
        [110, 2, -16],
        [112, 24, -60],
        [108, 22, -190],
    ],
    float,
)


def paint_organs(canvas: Canvas, settings: PhantomSettings, ctx: Context) -> None:
    """Paint from the back of the queue to the front: what comes later covers what came before."""
    rng = np.random.default_rng([settings.seed, 2])
    ctx.progress(0.0, tr("Building the organs"))
    _paint_bowel(canvas, rng)
    ctx.progress(0.3, tr("Building the organs"))
    _paint_stomach(canvas)
    _tube(canvas, *_PANCREAS, PANCREAS_HU, table.PANCREAS)
    _paint_kidneys(canvas)
    _paint_spleen(canvas)
    ctx.progress(0.6, tr("Building the organs"))
    _tube(canvas, *_AORTA, BLOOD_HU, table.AORTA)
    for label, points, radii in tributaries(settings):
        _tube(canvas, points, radii, BLOOD_HU + 12, label)
    paint_liver(canvas)
    _tube(canvas, CAVA_POINTS, CAVA_RADII, BLOOD_HU - 15, table.CAVA)
    _tube(canvas, GALLBLADDER_POINTS, GALLBLADDER_RADII, BOWEL_WALL_HU, table.GALLBLADDER)
    _tube(canvas, GALLBLADDER_POINTS, GALLBLADDER_RADII - 1.3, BILE_HU, 0)
    ctx.progress(1.0, tr("Building the organs"))


def paint_liver(canvas: Canvas) -> None:
    low, high = (-140, -90, -90), (110, 90, 110)
    canvas.paint(low, high, liver_value, LIVER_HU, table.LIVER)


def tributaries(settings: PhantomSettings) -> list[tuple[int, FloatArray, FloatArray]]:
    """Splenic and superior mesenteric vein: label, points, radii. Their cubed radii add up to the portal vein's."""
    root = settings.portal_radius_mm
    splenic, mesenteric = root * 0.42 ** (1 / 3), root * 0.58 ** (1 / 3)
    to_spleen = np.array([[10, 10, -50], [30, 14, -30], [54, 26, -8], [78, 38, 12], [90, 42, 26]], float)
    to_gut = np.array([[10, 10, -50], [12, 4, -74], [10, -8, -110], [6, -16, -170]], float)
    return [
        (table.SPLENIC_VEIN, to_spleen, np.linspace(splenic, 0.8 * splenic, len(to_spleen))),
        (table.MESENTERIC_VEIN, to_gut, np.linspace(mesenteric, 0.75 * mesenteric, len(to_gut))),
    ]


def smooth_course(points: FloatArray, step_mm: float = 3.0) -> FloatArray:
    """A Catmull-Rom curve through ``points``, at most ``step_mm`` between its points."""
    before = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    pieces: list[FloatArray] = []
    for a, b, c, d in zip(before[:-3], before[1:-2], before[2:-1], before[3:], strict=True):
        t = np.linspace(0, 1, int(1.1 * np.linalg.norm(c - b) / step_mm) + 2)[:-1, None]
        pieces.append(b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a))))
    return np.concatenate([*pieces, points[-1:]])


def tube_capsules(points: FloatArray, radii: FloatArray, step_mm: float = 3.0) -> Capsules:
    """A smooth tube through ``points`` whose radius runs linearly between those given."""
    course = smooth_course(points, step_mm)
    knots = np.linspace(0, 1, len(radii))
    return Capsules.along(course, np.interp(np.linspace(0, 1, len(course)), knots, radii))


def _tube(canvas: Canvas, points: FloatArray, radii: FloatArray, hu: float, label: int) -> None:
    flat, _ = near_voxels(canvas.geometry, tube_capsules(points, radii), 0.0)
    canvas.hu.reshape(-1)[flat] = round(hu)
    if label:
        canvas.labels.reshape(-1)[flat] = label


def _paint_gut(canvas: Canvas, capsules: Capsules, label: int, wall_mm: float, content_hu: float) -> None:
    flat, distance = near_voxels(canvas.geometry, capsules, 0.0)
    canvas.hu.reshape(-1)[flat] = np.where(distance > -wall_mm, BOWEL_WALL_HU, content_hu)
    canvas.labels.reshape(-1)[flat] = label


def _paint_bowel(canvas: Canvas, rng: np.random.Generator) -> None:
    """Three layers of small bowel that run to and fro, the duodenum, and the colon with stool and gas."""
    for layer, y in enumerate((-66.0, -38.0, -10.0)):
        rows: list[FloatArray] = []
        for row, z in enumerate(np.arange(-84.0 + 7 * layer, -200.0, -27.0)):
            width = 66.0 - 5 * layer
            x = np.linspace(-width, width, 9) * (1 if row % 2 else -1)
            place = np.stack([x, np.full(9, y), np.full(9, z)], axis=1)
            rows.append(place + rng.uniform(-5, 5, place.shape) * (1, 0.8, 1))
        course = tube_capsules(np.concatenate(rows), rng.uniform(9.5, 12, 40), step_mm=6.0)
        _paint_gut(canvas, course, table.SMALL_BOWEL, 2.5, BOWEL_CONTENT_HU + 8 * layer)
    _paint_gut(canvas, tube_capsules(_DUODENUM, np.full(7, 10.5)), table.DUODENUM, 2.5, BOWEL_CONTENT_HU)
    colon = smooth_course(_COLON, step_mm=5.0)
    folds = 17 + 2.2 * np.sin(np.arange(len(colon)) * 5.0 * 2 * np.pi / 26)
    _paint_gut(canvas, Capsules.along(colon, folds), table.COLON, 2.5, 45)
    gas = colon + np.array([0, -5.0, 0])
    amount = np.clip(4 + 5 * np.sin(np.arange(len(colon)) * 5.0 / 37 + rng.uniform(0, 6)), 0.1, 9)
    flat, _ = near_voxels(canvas.geometry, Capsules.along(gas, amount), 0.0)
    canvas.hu.reshape(-1)[flat] = GAS_HU


def _paint_stomach(canvas: Canvas) -> None:
    def fundus(x: Field, y: Field, z: Field) -> Field:
        value = ellipsoid(x, y, z, (66, 4, 42), (38, 38, 44))
        value = smooth_max(value, z - diaphragm_height(x, y) + 5, 8)
        return smooth_max(value, cavity(x, y, z) + 2, 6)

    low, high = (20, -50, -10), (112, 60, 90)
    content = {False: BOWEL_CONTENT_HU + 10, True: GAS_HU}
    flat, distance = near_voxels(canvas.geometry, tube_capsules(*_ANTRUM), 0.0)
    y_mm = canvas.geometry.origin_mm[1] + canvas.geometry.spacing_mm[1] * (
        flat // canvas.geometry.size_ijk[0] % canvas.geometry.size_ijk[1]
    )
    inner = np.where(y_mm < -58, content[True], content[False])
    canvas.hu.reshape(-1)[flat] = np.where(distance > -3, BOWEL_WALL_HU, inner)
    canvas.labels.reshape(-1)[flat] = table.STOMACH
    for slab, mask, value in canvas.inside(low, high, fundus):
        hu, labels = canvas.hu[slab.slices], canvas.labels[slab.slices]
        lumen = mask & (value < -3.5)
        rim = mask & ~lumen & (hu != content[False])
        hu[rim] = BOWEL_WALL_HU
        hu[lumen] = content[False]
        _, y, _ = canvas.coordinates(slab)
        hu[lumen & (y < -20)] = content[True]
        labels[mask] = table.STOMACH


def _paint_kidneys(canvas: Canvas) -> None:
    places = ((table.LEFT_KIDNEY, 1.0, (64.0, 55.0, -18.0)), (table.RIGHT_KIDNEY, -1.0, (-64.0, 56.0, -40.0)))
    for label, side, centre in places:
        tilt = rotation(1, side * 10.0) @ rotation(2, side * 20.0)
        hilum = (centre[0] - side * 24, centre[1] - 8, centre[2])

        def kidney(
            x: Field,
            y: Field,
            z: Field,
            c: tuple[float, ...] = centre,
            h: tuple[float, ...] = hilum,
            t: FloatArray = tilt,
        ) -> Field:
            return smooth_max(ellipsoid(x, y, z, c, (27, 22, 54), t), -ellipsoid(x, y, z, h, (17, 11, 20)), 5)

        low, high = np.asarray(centre) - 62, np.asarray(centre) + 62
        canvas.paint(low, high, kidney, KIDNEY_HU, label)
        pelvis = Capsules.along(
            np.array(
                [
                    [centre[0] - side * 8, centre[1] - 4, centre[2]],
                    [centre[0] - side * 26, centre[1] - 8, centre[2] - 8],
                ]
            ),
            np.array([4.0, 5.0]),
        )
        flat, _ = near_voxels(canvas.geometry, pelvis, 0.0)
        empty = canvas.labels.reshape(-1)[flat] == 0
        canvas.hu.reshape(-1)[flat[empty]] = 40


def _paint_spleen(canvas: Canvas) -> None:
    tilt = rotation(0, -18.0)

    def spleen(x: Field, y: Field, z: Field) -> Field:
        value = ellipsoid(x, y, z, (106, 38, 40), (27, 40, 52), tilt)
        value = smooth_max(value, -ellipsoid(x, y, z, (66, 4, 38), (40, 40, 42)), 6)
        value = smooth_max(value, -ellipsoid(x, y, z, (64, 55, -18), (30, 26, 57)), 6)
        value = smooth_max(value, cavity(x, y, z) + 2, 6)
        return smooth_max(value, z - diaphragm_height(x, y) + 5, 8)

    canvas.paint((60, -20, -30), (140, 90, 110), spleen, SPLEEN_HU, table.SPLEEN)
