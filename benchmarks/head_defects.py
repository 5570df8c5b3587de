"""Skull defects of known place cut from the CT of a head and restored: how far the patch is from what was cut out.

The head is a DICOM folder, or a project of InVesalius (.inv3), such as ``Cranium.inv3`` of the Debian package
``invesalius-examples``. Its largest piece of bone is taken; a defect is what lies within a radius of a line outwards
from the middle of the vault, taken out of the voxels, so that its edges are those of a segmented image.
"""

from __future__ import annotations

import plistlib
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.implants.custom.made import Made
from surgitwin.implants.custom.patch import PatchSettings, make_patch
from surgitwin.implants.custom.symmetry import symmetry_plane
from surgitwin.implants.distance import DistanceTo
from surgitwin.segmentation.ct_bone import bone
from surgitwin.surfaces.extract import mask_surface
from surgitwin.surfaces.fields import samples
from surgitwin.surfaces.solids import Solid

VAULT_MM = 75.0
"""The middle of the vault lies so far below its top."""
_FROM_MM = 30.0


@dataclass(frozen=True)
class Defect:
    """A direction from the middle of the vault (to +x, back, up) and the radius around it."""

    name: str
    way: tuple[float, float, float]
    radius_mm: float


DEFECTS = (
    Defect("parietal, +x side", (0.75, 0.35, 0.55), 25.0),
    Defect("back of the parietal, -x side", (-0.65, 0.65, 0.4), 22.0),
    Defect("temporal, -x side", (-0.97, 0.0, 0.15), 20.0),
)


def head_tables(head: Path) -> Iterator[str]:
    """The lines of the page's part on the head."""
    voxels, grid, name = read_head(head)
    mask = largest(bone(voxels, grid))
    whole = mask_surface(mask, grid, ctx=Context()).mesh
    size = " x ".join(str(n) for n in grid.size_ijk)
    spacing = " x ".join(f"{n:g}" for n in grid.spacing_mm)
    yield "## Skull defects cut from the CT of a head and restored\n"
    yield f"Image: {name}, {size} voxels of {spacing} mm."
    yield "It is not in the repository, for its licence: `apt-get install invesalius-examples` brings it, and"
    yield "`python -m benchmarks.validate_implants --head Cranium.inv3` made this part (a DICOM folder does too)."
    yield "The bone is the program's own (`segment bone`), the patch that of `custom patch` with its own settings and a"
    yield "mirror plane that is found. Errors are distances of the patch's outer side, engraved words included, from"
    yield "the skull as it was before. What reaches beyond the removed bone and what it lacks of it is told in ml; the"
    yield "gap all around is a part of the latter. One head; its forehead has gaps of its own on the -x side, so"
    yield "nothing was cut there or at the mirror image.\n"
    yield "| defect | removed | patch | Dice | mean error | p95 | largest | beyond | lacks | smallest gap (asked) | s |"
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    warnings: list[str] = []
    for defect in DEFECTS:
        cut, place = without(mask, grid, whole, defect)
        start = time.process_time()
        made = make_patch(cut, symmetry_plane(cut), PatchSettings(), place, Context())
        used = time.process_time() - start
        yield row(defect, made, whole, cut, used)
        warnings += [f"- {defect.name}: {notice.message}" for notice in made.notices]
    yield "\nSeconds are those of the processor. Sides are those of the image's axes: which is left is not known of it."
    if warnings:
        yield "\nWarnings that came with the patches:\n"
        yield from warnings


def read_head(head: Path) -> tuple[NDArray[Any], Geometry, str]:
    """HU, [k, j, i], their grid and what to call the image."""
    if head.suffix == ".inv3":
        return read_project(head)
    from surgitwin.imaging import DecodePool, open_series

    with DecodePool() as decoders:
        loaded = open_series(head, None, Context(), decoders).read(Context(), None, decoders)
    return loaded.voxels, loaded.geometry, "a series in DICOM files"


def read_project(path: Path) -> tuple[NDArray[Any], Geometry, str]:
    """The image of an InVesalius project; rows there run from back to front."""
    with tarfile.open(path) as archive:
        files = {Path(member.name).name: member for member in archive.getmembers() if member.isfile()}

        def data(name: str) -> bytes:
            file = archive.extractfile(files[name]) if name in files else None
            if file is None:
                raise BadInput(f"{path.name} holds no {name}: it is no project of InVesalius.")
            return file.read()

        facts = plistlib.loads(data("main.plist"))
        matrix = facts["matrix"]
        shape = tuple(int(n) for n in matrix["shape"])
        voxels = np.frombuffer(data(matrix["filename"]), matrix["dtype"]).reshape(shape)
    spacing = tuple(float(n) for n in facts["spacing"])
    sizes = (shape[2], shape[1], shape[0])
    grid = Geometry.from_parts(sizes, (spacing[0], spacing[1], spacing[2]), (0, 0, 0), np.diag([1.0, -1.0, 1.0]))
    return voxels, grid, f"{path.name} (InVesalius, “{facts['name']}”; Debian package `invesalius-examples`)"


def largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from scipy.ndimage import label

    parts, _ = label(mask)
    counts = np.bincount(parts.ravel())
    counts[0] = 0
    return np.asarray(parts == int(np.argmax(counts)))


def without(mask: NDArray[np.bool_], grid: Geometry, whole: Mesh, defect: Defect) -> tuple[Mesh, NDArray[np.float64]]:
    """The skull's surface without a defect, and the middle of what was taken out."""
    low, high = whole.points.min(axis=0).astype(np.float64), whole.points.max(axis=0).astype(np.float64)
    middle = np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, high[2] - VAULT_MM])
    way = np.array(defect.way) / np.linalg.norm(defect.way)
    k, j, i = np.nonzero(mask)
    from_middle = grid.to_lps(np.stack([i, j, k], axis=-1)) - middle
    along = from_middle @ way
    off = np.linalg.norm(from_middle - along[:, None] * way, axis=1)
    hit = (along > _FROM_MM) & (off < defect.radius_mm)
    cut = mask.copy()
    cut[k[hit], j[hit], i[hit]] = False
    return mask_surface(cut, grid, ctx=Context()).mesh, middle + from_middle[hit].mean(axis=0)


def row(defect: Defect, made: Made, whole: Mesh, cut: Mesh, seconds: float) -> str:
    removed = (Solid.of(whole) - Solid.of(cut)).pieces()[0]
    patch = Solid.of(made.mesh)
    shared = (patch & removed).volume_mm3
    beyond, lacks = (patch.volume_mm3 - shared) / 1000, (removed.volume_mm3 - shared) / 1000
    dice = 2 * shared / (patch.volume_mm3 + removed.volume_mm3)
    corners = made.mesh.points[made.mesh.triangles].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    outer = normals @ np.array(made.axes["main"]) > 0.7 * np.linalg.norm(normals, axis=1)
    off = np.abs(DistanceTo(whole).of(samples(Mesh(made.mesh.points, made.mesh.triangles[outer]), 0.7)[0]).distance_mm)
    gap: Any = made.numbers["gap_mm"]
    return (
        f"| {defect.name}, {2 * defect.radius_mm:g} mm across | {removed.volume_mm3 / 1000:.1f} ml "
        f"| {patch.volume_mm3 / 1000:.1f} ml | {dice:.3f} | {off.mean():.2f} mm | {np.percentile(off, 95):.2f} mm "
        f"| {off.max():.2f} mm | {beyond:.2f} ml | {lacks:.2f} ml | {gap['min']:.2f} mm ({gap['asked']:g}) "
        f"| {seconds:.0f} s |"
    )
