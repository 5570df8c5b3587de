"""Skin, fat, muscles, lungs, heart, spine and ribs of the phantom."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import FloatArray
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.samples.phantom import table
from surgitwin.samples.phantom.canvas import Canvas, Field, ellipsoid, rotation
from surgitwin.samples.phantom.raster import Capsules, near_voxels
from surgitwin.samples.phantom.trunk import SKIN_MM, SPINE_Y_MM, cavity, diaphragm_height, skin, wall

FAT_HU, MESENTERY_HU, MUSCLE_HU, SKIN_HU, LUNG_HU = -104, -98, 60, 20, -860
CORTICAL_HU, TRABECULAR_HU, DISC_HU, CORD_HU = 520, 210, 95, 35
CORTEX_MM = 1.8

_ALL_LOW, _ALL_HIGH = (-1e4, -1e4, -1e4), (1e4, 1e4, 1e4)


def paint_trunk(canvas: Canvas, body: NDArray[np.bool_], ctx: Context) -> None:
    """Skin, fat, wall, cavity, lungs and heart; ``body`` ([k, j, i]) becomes True inside the skin."""
    whole = canvas.box(_ALL_LOW, _ALL_HIGH)
    for slab in canvas.slabs(whole):
        ctx.progress(slab.start[2] / max(1, whole.stop[2]), tr("Building the body"))
        x, y, z = canvas.coordinates(slab)
        hu, labels = canvas.hu[slab.slices], canvas.labels[slab.slices]
        outline = skin(x, y, z)
        inside = outline < 0
        body[slab.slices] = inside
        hu[inside] = FAT_HU
        hu[inside & (outline > -SKIN_MM)] = SKIN_HU
        hu[wall(x, y, z) < 0] = MUSCLE_HU
        hollow = cavity(x, y, z) < 0
        hu[hollow] = MESENTERY_HU
        if float(z[-1, 0, 0]) > -60:
            _paint_chest(hu, labels, hollow, x, y, z)
    _paint_heart(canvas)
    _paint_deep_muscles(canvas)


def _paint_chest(
    hu: NDArray[np.int16], labels: NDArray[np.uint8], hollow: NDArray[np.bool_], x: Field, y: Field, z: Field
) -> None:
    """The diaphragm, 3 mm thick, and what is above it: lungs, with the mediastinum between them."""
    over = z - diaphragm_height(x, y)
    chest = hollow & (over > 0)
    hu[hollow & (over > -3) & ~chest] = MUSCLE_HU
    middle = (x - 3) ** 2 / 30**2 + (y - 44) ** 2 / 40**2 < 1
    middle = middle | ((np.abs(x - 3) < 9) & (y < 30))
    hu[chest & middle] = -70
    lung = chest & ~middle
    hu[lung] = LUNG_HU
    labels[lung & (x > 0)] = table.LEFT_LUNG
    labels[lung & (x <= 0)] = table.RIGHT_LUNG


def _paint_heart(canvas: Canvas) -> None:
    tilt = rotation(2, 25.0)

    def muscle(x: Field, y: Field, z: Field) -> Field:
        value = ellipsoid(x, y, z, (20, -34, 138), (64, 46, 46), tilt)
        inner = np.maximum(value, cavity(x, y, z) + 3)
        return np.asarray(np.maximum(inner, diaphragm_height(x, y) + 1 - z), dtype=np.float32)

    def blood(x: Field, y: Field, z: Field) -> Field:
        value = ellipsoid(x, y, z, (20, -34, 138), (52, 34, 34), tilt)
        return np.asarray(np.maximum(value, 5 - np.abs(x + 0.45 * (y + 34) - 14)), dtype=np.float32)

    canvas.paint((-70, -100, 60), (100, 40, 200), muscle, 105, table.HEART)
    canvas.paint((-70, -100, 60), (100, 40, 200), blood, 165)


def _paint_deep_muscles(canvas: Canvas) -> None:
    """Erector spinae, psoas, quadratus lumborum and the crura of the diaphragm, on both sides."""

    def back(x: Field, y: Field, z: Field) -> Field:
        side = ((np.abs(x) - 30) / 26) ** 2 + ((y - 85) / 15) ** 2
        return np.asarray(np.maximum((np.sqrt(side) - 1) * 15 + 0 * z, wall(x, y, z)), dtype=np.float32)

    def psoas(x: Field, y: Field, z: Field) -> Field:
        size = np.clip(2 + (8 - z) * 0.13, 0.1, 21).astype(np.float32)
        return np.asarray(np.sqrt((np.abs(x) - 22 - size) ** 2 + ((y - 58) / 1.15) ** 2) - size, dtype=np.float32)

    def quadratus(x: Field, y: Field, z: Field) -> Field:
        side = ((np.abs(x) - 64) / 22) ** 2 + ((y - 78 + 0.1 * (np.abs(x) - 64)) / 8) ** 2
        return np.asarray((np.sqrt(side) - 1) * 8 + 0 * z, dtype=np.float32)

    def crura(x: Field, y: Field, z: Field) -> Field:
        around = np.sqrt((x - 6) ** 2 + ((y - 30) / 1.1) ** 2)
        return np.asarray(np.maximum(np.abs(around - 14.5) - 2.2, -(np.abs(x - 6) - 3)) + 0 * z, dtype=np.float32)

    canvas.paint((-62, 64, -200), (62, 108, 200), back, MUSCLE_HU)
    canvas.paint((-70, 30, -200), (70, 90, 8), psoas, MUSCLE_HU + 2)
    canvas.paint((-92, 66, -200), (92, 90, -8), quadratus, MUSCLE_HU)
    canvas.paint((-20, 10, -20), (30, 50, 84), crura, MUSCLE_HU)


def paint_bones(canvas: Canvas, ctx: Context) -> None:
    """Discs, vertebrae with their arches and processes, and ribs 6 to 12."""
    ctx.progress(0.0, tr("Building the skeleton"))
    canvas.paint((-30, 30, -300), (30, 76, 300), _spine_column, DISC_HU)
    for name, level in table.VERTEBRA_LEVELS.items():
        _paint_vertebra(canvas, table.VERTEBRAE[name], level)
    ctx.progress(0.5, tr("Building the skeleton"))
    for side, labels in ((1.0, table.LEFT_RIBS), (-1.0, table.RIGHT_RIBS)):
        for number, label in labels.items():
            points = rib_course(number, side)
            radii = np.full(len(points), 4.6) + 0.6 * np.sin(np.linspace(0, np.pi, len(points)))
            _paint_shell(canvas, Capsules.along(points, radii), label)


def _spine_column(x: Field, y: Field, z: Field) -> Field:
    return np.asarray((np.sqrt((x / 22) ** 2 + ((y - SPINE_Y_MM) / 16.5) ** 2) - 1) * 18 + 0 * z, dtype=np.float32)


def _paint_vertebra(canvas: Canvas, label: int, level: float) -> None:
    def body(x: Field, y: Field, z: Field) -> Field:
        waist = 1 - 0.09 * (1 - ((z - level) / 13) ** 2)
        round_ = (np.sqrt((x / (23 * waist)) ** 2 + ((y - SPINE_Y_MM) / (17 * waist)) ** 2) - 1) * 18
        return np.asarray(np.maximum(round_, np.abs(z - level) - 13.3), dtype=np.float32)

    def arch(x: Field, y: Field, z: Field) -> Field:
        ring = np.maximum(np.sqrt(x**2 + ((y - 82) / 0.9) ** 2) - 15, 10.5 - np.sqrt(x**2 + ((y - 80) / 0.95) ** 2))
        ring = np.maximum(ring, 66 - y)
        return np.asarray(np.maximum(ring, np.abs(z - level + 5 + 0.35 * (y - 78)) - 9), dtype=np.float32)

    def spinous(x: Field, y: Field, z: Field) -> Field:
        plate = np.maximum(np.abs(x) - 3.4, np.abs(y - 96) - 8)
        return np.asarray(np.maximum(plate, np.abs(z - level + 12) - 8), dtype=np.float32)

    for shape in (body, arch, spinous):
        low, high = (-26, 34, level - 28), (26, 112, level + 20)
        for slab, mask, value in canvas.inside(low, high, shape):
            hu = canvas.hu[slab.slices]
            hu[mask] = np.where(value[mask] > -CORTEX_MM, CORTICAL_HU - 120, TRABECULAR_HU)
            canvas.labels[slab.slices][mask] = label
    wings = [
        Capsules.along(
            np.array([[s * 11.0, 74, level + 2], [s * 25, 80, level + 3], [s * 38, 85, level + 4]]),
            np.array([5.0, 4.0, 3.6]),
        )
        for s in (1.0, -1.0)
    ]
    _paint_shell(canvas, Capsules.joined(wings), label)

    def cord(x: Field, y: Field, z: Field) -> Field:
        return np.asarray(np.sqrt(x**2 + ((y - 80) / 0.85) ** 2) - 8.5 + 0 * z, dtype=np.float32)

    for slab, mask, _ in canvas.inside((-12, 66, level - 17), (12, 92, level + 17), cord):
        canvas.hu[slab.slices][mask] = CORD_HU
        canvas.labels[slab.slices][mask] = 0


def _paint_shell(canvas: Canvas, capsules: Capsules, label: int) -> None:
    """A bony tube: cortical bone outside, trabecular inside."""
    flat, distance = near_voxels(canvas.geometry, capsules, 0.0)
    canvas.hu.reshape(-1)[flat] = np.where(distance > -CORTEX_MM, CORTICAL_HU, TRABECULAR_HU)
    canvas.labels.reshape(-1)[flat] = label


def rib_course(number: int, side: float) -> FloatArray:
    """Points of a rib, LPS mm, from the spine round the chest wall; ``side`` is 1 on the patient's left, -1 right."""
    level = 24.0 + 34.0 * (12 - number)
    reach = {6: 142.0, 7: 138.0, 8: 132.0, 9: 126.0, 10: 116.0, 11: 88.0, 12: 58.0}[number]
    drop = 0.74 * reach
    angles = np.radians(np.arange(32.0, reach, 2.5))
    share = (np.degrees(angles) - 18) / (reach - 18)
    # The middle of the wall's squarish oval, found by where the mean of its two surfaces' values is zero.
    z = level - 6 - drop * share**1.25
    radius = np.full(len(angles), 120.0)
    for _ in range(25):
        x, y = radius * np.sin(angles), radius * np.cos(angles)
        x32, y32, z32 = (v.astype(np.float32) for v in (x, y, z))
        radius = radius - 0.8 * 0.5 * (wall(x32, y32, z32) + cavity(x32, y32, z32))
    wall_part = np.stack([radius * np.sin(angles), radius * np.cos(angles), z], axis=1)
    neck = np.array([[23.0, 64.0, level], [33.0, 76.0, level - 1]])
    points = np.concatenate([neck, wall_part])
    points[:, 0] *= side
    return points
