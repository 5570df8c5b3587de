"""NIfTI (and its predecessor Analyze): RAS to LPS, and which of its two orientations can be trusted."""

from __future__ import annotations

import gzip
import io
import math
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry, lps_to_ras
from surgitwin.core.notices import Notice
from surgitwin.core.text import tr
from surgitwin.imaging.files import FileRef
from surgitwin.imaging.plain import MOST_VOLUMES, PlainImage
from surgitwin.imaging.volume import Voxels

# What reading a damaged file raises, by way of nibabel, gzip and numpy.
_DAMAGED = (OSError, EOFError, ValueError, KeyError, OverflowError, zlib.error)
# How such a file was written that its sides are not certain although it has an orientation (`labelmap_out`).
SIDE_UNKNOWN = b"SIDE UNKNOWN"
_MM_PER_UNIT = {"meter": 1000.0, "mm": 1.0, "micron": 0.001}


def open_nifti(file: FileRef) -> PlainImage:
    """Read a NIfTI header.

    Raises
    ------
    BadInput
        If the file is damaged, or holds colours or complex numbers.
    """
    image = _load(file)
    header = image.header
    shape = tuple(int(n) for n in image.shape)
    if not 2 <= len(shape) <= 7 or min(shape, default=0) < 1:
        raise BadInput(tr("'{file}' has {n} dimensions instead of 3.").format(file=file.name, n=len(shape)))
    volumes = math.prod(shape[3:])
    if volumes > MOST_VOLUMES:
        raise BadInput(tr("'{file}' claims to hold {n} volumes; it is damaged.").format(file=file.name, n=volumes))
    stored = np.dtype(header.get_data_dtype())
    if stored.kind not in "iufb":
        raise BadInput(tr("'{file}' holds colours or complex numbers, not grey values.").format(file=file.name))
    size = (*shape[:3], 1)[:3]
    affine, side_known, notices = _orientation(header, file)
    try:
        geometry = Geometry.from_affine(size, affine)
    except BadInput as error:
        raise BadInput(f"'{file.name}': {error}") from error
    # nibabel moves the scaling from the header to the data when it loads an image.
    slope, intercept = float(image.dataobj.slope), float(image.dataobj.inter)
    scaled = (slope, intercept) != (1.0, 0.0)

    def read(number: int) -> Voxels:
        return _read(image, file, number, (slope, intercept))

    return PlainImage(
        geometry=geometry,
        volumes=volumes,
        dtype=np.dtype(np.float32) if scaled and not _whole(slope, intercept) else stored,
        side_known=side_known,
        notices=tuple(notices),
        read=read,
        label=lambda number: tr("volume {n}").format(n=number + 1),
    )


def _load(file: FileRef) -> Any:
    import nibabel

    try:
        if file.local is not None:
            return nibabel.load(file.local)
        data = file.read()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        kind = nibabel.Nifti2Image if data[:4] in (b"\x1c\x02\x00\x00", b"\x00\x00\x02\x1c") else nibabel.Nifti1Image
        return kind.from_stream(io.BytesIO(data))
    except (nibabel.filebasedimages.ImageFileError, nibabel.spatialimages.HeaderDataError, *_DAMAGED) as error:
        raise BadInput(
            tr("'{file}' is not a readable NIfTI file; it may be damaged.").format(file=file.name)
        ) from error


def _orientation(header: Any, file: FileRef) -> tuple[NDArray[np.float64], bool, list[Notice]]:
    """The affine in LPS millimetres, whether its sides are certain, and why not.

    The sform counts where its code is set, else the qform, as the format demands. Where both are set and place the
    image's corners differently, neither can be trusted blindly.
    """
    unit = _unit_mm(header)
    scale = np.diag([unit, unit, unit, 1.0])
    s_code, q_code = (int(header[name]) if name in header else 0 for name in ("sform_code", "qform_code"))
    if s_code == 0 and q_code == 0:
        message = tr("'{file}' has no orientation code, so left and right are not certain.").format(file=file.name)
        plain = np.diag([*(abs(float(step)) or 1.0 for step in header["pixdim"][1:4]), 1.0])
        return lps_to_ras(scale @ plain), False, [Notice("unknown-side", message, {"sform_code": 0, "qform_code": 0})]
    try:
        sform = np.asarray(header.get_sform(), dtype=np.float64)
        qform = np.asarray(header.get_qform(), dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise BadInput(tr("'{file}' has a damaged orientation.").format(file=file.name)) from error
    chosen = sform if s_code > 0 else qform
    if SIDE_UNKNOWN in bytes(header["descrip"]):
        message = tr("'{file}' says of itself that left and right are not certain.").format(file=file.name)
        return lps_to_ras(scale @ chosen), False, [Notice("unknown-side", message)]
    if s_code == 0 or q_code == 0:
        return lps_to_ras(scale @ chosen), True, []
    apart = _corner_distance(sform, qform, header.get_data_shape()) * unit
    if apart <= max(0.5 * float(np.min(np.linalg.norm(chosen[:3, :3], axis=0))) * unit, 0.01):
        return lps_to_ras(scale @ chosen), True, []
    message = tr(
        "The two orientations in '{file}' (sform and qform) place the image up to {mm:.1f} mm apart; the sform was "
        "used, and left and right are not certain."
    ).format(file=file.name, mm=apart)
    return lps_to_ras(scale @ chosen), False, [Notice("conflicting-orientation", message, {"max_mm": round(apart, 3)})]


def _unit_mm(header: Any) -> float:
    """Millimetres in the file's unit of length; 1 where it names none that is known."""
    try:
        return _MM_PER_UNIT.get(header.get_xyzt_units()[0], 1.0)
    except (KeyError, AttributeError):
        return 1.0


def _corner_distance(one: NDArray[np.float64], other: NDArray[np.float64], shape: tuple[int, ...]) -> float:
    last = (*(int(n) - 1 for n in shape[:3]), 0, 0)[:3]
    corners = np.array([[x, y, z, 1.0] for x in (0, last[0]) for y in (0, last[1]) for z in (0, last[2])])
    return float(np.max(np.linalg.norm(corners @ (one - other).T, axis=1)))


def _whole(slope: float, intercept: float) -> bool:
    """True if scaling keeps whole numbers whole, and of a size that integers can hold."""
    return bool(np.isfinite([slope, intercept]).all()) and all(
        part == round(part) and abs(part) < 1 << 31 for part in (slope, intercept)
    )


def _read(image: Any, file: FileRef, number: int, scaling: tuple[float, float]) -> Voxels:
    try:
        stored = image.dataobj.get_unscaled()
        shape = (*image.shape, 1, 1)
        # Fortran order on disk: reshaping in that order keeps i fastest, and the transpose is [k, j, i] in C order.
        stack = stored.reshape((*shape[:3], -1), order="F") if stored.ndim != 3 else stored[..., np.newaxis]
        voxels = np.asarray(stack[..., number]).T
    except _DAMAGED as error:
        raise BadInput(tr("'{file}' ends before its voxels do; it is incomplete.").format(file=file.name)) from error
    voxels = voxels.astype(voxels.dtype.newbyteorder("="))
    slope, intercept = scaling
    if (slope, intercept) == (1.0, 0.0):
        return voxels
    if _whole(slope, intercept) and voxels.dtype.kind in "iu":
        return voxels.astype(np.int64) * int(slope) + int(intercept)
    return (voxels * slope + intercept).astype(np.float32)
