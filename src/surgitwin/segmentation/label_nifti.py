"""Label maps in NIfTI: RAS to LPS, both transforms looked at, label names from the header extension."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry, lps_to_ras
from surgitwin.core.notices import Notice
from surgitwin.core.text import tr
from surgitwin.segmentation.labelmaps import LabelKey, RawLabels
from surgitwin.segmentation.palette import Color

_CONFLICT_MM = 0.1
_TO_MM = {1: 1000.0, 3: 0.001}  # NIfTI unit codes: metre, micrometre
_LABEL = re.compile(r"<Label\s+([^>]*)>(?:<!\[CDATA\[(.*?)\]\]>|(.*?))</Label>", re.DOTALL)
_ATTRIBUTE = re.compile(r'(\w+)\s*=\s*"([^"]*)"')


def read_nifti_labels(path: Path) -> RawLabels:
    """Read one volume of labels.

    Raises
    ------
    BadInput
        If the file is not NIfTI, is damaged, or holds several volumes.
    """
    import nibabel
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    try:
        image: Any = nibabel.load(path)
        if not isinstance(image, nibabel.nifti1.Nifti1Pair):
            raise BadInput(_not_nifti(path))
        stored: NDArray[Any] = np.asanyarray(image.dataobj)
    except (ImageFileError, HeaderDataError, nibabel.wrapstruct.WrapStructError):
        raise BadInput(_not_nifti(path)) from None
    except (OSError, EOFError, ValueError, zlib.error, MemoryError, OverflowError) as error:
        message = tr("{file} is damaged or cut short: its voxels cannot be read ({cause}).")
        raise BadInput(message.format(file=path.name, cause=_first_line(error))) from None
    voxels = _one_volume(stored, path)
    try:
        affine, notices, side_known = _placement(image.header, image.affine, voxels.shape, path)
        geometry = Geometry.from_affine(voxels.shape, affine)
    except (BadInput, ValueError) as error:  # nibabel's ValueError: the quaternion is none
        message = tr("The header of {file} does not place its voxels in space: {cause}")
        raise BadInput(message.format(file=path.name, cause=error)) from None
    names, colors = _extension(image.header)
    # Fortran order in the file is [k, j, i] in C order: the transpose is a view, not a copy.
    return RawLabels(geometry, [voxels.T], names, colors, notices, side_known)


def _not_nifti(path: Path) -> str:
    return tr("{file} is not a NIfTI file, whatever its name says.").format(file=path.name)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


def _one_volume(voxels: NDArray[Any], path: Path) -> NDArray[Any]:
    shape = voxels.shape
    if voxels.dtype.kind == "V":
        raise BadInput(tr("{file} is not a label map: it holds colours.").format(file=path.name))
    if len(shape) > 3 and int(np.prod(shape[3:])) > 1:
        message = tr("{file} holds {count} volumes; a label map holds one.")
        raise BadInput(message.format(file=path.name, count=int(np.prod(shape[3:]))))
    three = (*shape[:3], 1, 1, 1)[:3]
    if min(three) < 1 or not shape:
        raise BadInput(tr("{file} holds no voxels.").format(file=path.name))
    return voxels.reshape(three, order="F")


def _placement(
    header: Any, affine_ras: NDArray[np.float64], shape: tuple[int, ...], path: Path
) -> tuple[NDArray[np.float64], list[Notice], bool]:
    """The affine to LPS millimetres, what there is to say about it, and whether left and right are known."""
    scale = _TO_MM.get(int(header["xyzt_units"]) & 7, 1.0)
    sform, s_code = header.get_sform(coded=True)
    qform, q_code = header.get_qform(coded=True)
    notices: list[Notice] = []
    side_known = True
    if not s_code and not q_code:
        side_known = False
        message = tr("{file} has no orientation code: which side is left is not known.")
        notices.append(Notice("unknown-side", message.format(file=path.name)))
    elif s_code and q_code and _farthest(sform, qform, shape) * scale > _CONFLICT_MM:
        side_known = False
        apart = _farthest(sform, qform, shape) * scale
        message = tr(
            "The sform and the qform of {file} differ by up to {apart:.1f} mm; the sform is used, the side is not sure."
        )
        details = {"difference_mm": apart}
        notices.append(Notice("conflicting-orientation", message.format(file=path.name, apart=apart), details))
    affine = np.asarray(affine_ras, dtype=np.float64).copy()
    affine[:3] *= scale
    return np.asarray(lps_to_ras(affine)), notices, side_known


def _farthest(first: NDArray[np.float64], second: NDArray[np.float64], shape: tuple[int, ...]) -> float:
    """The largest distance between where two affines put a corner voxel."""
    corners = np.array([[x, y, z, 1] for x in (0, shape[0] - 1) for y in (0, shape[1] - 1) for z in (0, shape[2] - 1)])
    return float(np.nan_to_num(np.linalg.norm((corners @ (first - second).T)[:, :3], axis=1), nan=np.inf).max())


def _extension(header: Any) -> tuple[dict[LabelKey, str], dict[LabelKey, Color]]:
    """Names and colours from a Caret label table, which TotalSegmentator and Connectome Workbench write."""
    names: dict[LabelKey, str] = {}
    colors: dict[LabelKey, Color] = {}
    for extension in header.extensions:
        # The raw bytes: nibabel's get_content fails on the codes that it has no reader for.
        text = extension.content.decode("utf-8", "replace")
        for attributes, cdata, plain in _LABEL.findall(text):
            given = dict(_ATTRIBUTE.findall(attributes))
            if not given.get("Key", "").isdigit() or given["Key"] == "0":
                continue
            key = (0, int(given["Key"]))
            names[key] = (cdata or plain).strip()
            try:
                red, green, blue = (round(float(given[channel]) * 255) for channel in ("Red", "Green", "Blue"))
            except (KeyError, ValueError):
                continue
            colors[key] = (min(max(red, 0), 255), min(max(green, 0), 255), min(max(blue, 0), 255))
    return names, colors
