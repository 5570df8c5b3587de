"""Label maps from files: NIfTI, NRRD (3D Slicer's segmentations too) and MetaImage, with their names and colours."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.counting import value_counts
from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.label_resampling import resample_labels
from surgitwin.segmentation.label_tables import LabelTable, read_label_table
from surgitwin.segmentation.palette import Color

__all__ = ["LabelArray", "LabelMapFile", "RawLabels", "labels_from_array", "read_labelmap", "resample_labels"]

LabelArray = NDArray[np.uint8] | NDArray[np.uint16]
LabelKey = tuple[int, int]  # layer, value

_MOST_LABELS = 1024
_ROUNDING = 1e-4
SUFFIXES = (".nii.gz", ".nii", ".seg.nrrd", ".nrrd", ".nhdr", ".mha", ".mhd")


@dataclass(frozen=True, eq=False)
class RawLabels:
    """What a file holds before its values are checked: one array [k, j, i] a layer."""

    geometry: Geometry
    layers: list[NDArray[Any]]
    names: dict[LabelKey, str] = field(default_factory=dict)
    colors: dict[LabelKey, Color] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    side_known: bool = True


@dataclass(frozen=True, eq=False)
class LabelMapFile:
    """A label map in LPS.

    Attributes
    ----------
    layers
        uint8 or uint16, [k, j, i]; more than one where structures overlap.
    names, colors
        By (layer, value), for values that occur in the layer only; every such value has a name. Colours are sRGB, 0
        to 255, and only there where the file or the table gives them.
    side_known
        False if the file does not say which side is left; views must say so until a person confirms it.
    """

    geometry: Geometry
    layers: tuple[LabelArray, ...]
    names: dict[LabelKey, str]
    colors: dict[LabelKey, Color]
    notices: tuple[Notice, ...] = ()
    side_known: bool = True

    def voxels(self, key: LabelKey) -> NDArray[np.bool_]:
        """The mask of one structure."""
        layer, value = key
        return np.asarray(self.layers[layer] == value)


def read_labelmap(path: Path, ctx: Context | None = None, table: Path | None = None) -> LabelMapFile:
    """Read a label map file.

    Parameters
    ----------
    path
        ``.nii``, ``.nii.gz``, ``.nrrd``, ``.seg.nrrd``, ``.nhdr``, ``.mha`` or ``.mhd``.
    table
        A file that names the values; it takes the place of names in the label map. See `read_label_table`.

    Raises
    ------
    BadInput
        If the file is missing, damaged or of another kind; holds no label, values that are not whole numbers from 0
        to 65535, or so many values that it is an image; or if the table does not fit.
    """
    ctx = ctx or Context()
    suffix = label_suffix(path)
    if not path.is_file():
        raise BadInput(tr("There is no file {file}.").format(file=path))
    names = read_label_table(path=table) if table is not None else None
    ctx.progress(None, tr("Reading {file}").format(file=path.name))
    if suffix.startswith(".nii"):
        from surgitwin.segmentation.label_nifti import read_nifti_labels

        raw = read_nifti_labels(path)
    else:
        from surgitwin.segmentation.label_itk import read_itk_labels

        raw = read_itk_labels(path)
    return _checked(raw, path.name, _stem(path, suffix), names, ctx)


def labels_from_array(
    voxels: NDArray[Any],
    geometry: Geometry,
    source: str,
    *,
    table: Path | None = None,
    notices: tuple[Notice, ...] = (),
    side_known: bool = True,
    ctx: Context | None = None,
) -> LabelMapFile:
    """A label map from voxels that are in memory already, of a DICOM series for example.

    Parameters
    ----------
    voxels
        Whole numbers of any type, [k, j, i].
    source
        What messages and a single segment are called.

    Raises
    ------
    BadInput
        As `read_labelmap`.
    """
    names = read_label_table(table) if table is not None else None
    raw = RawLabels(geometry, [voxels], notices=list(notices), side_known=side_known)
    return _checked(raw, source, source, names, ctx or Context())


def label_suffix(path: Path) -> str:
    """The suffix of a label map's name; refuse names of other kinds."""
    lower = path.name.lower()
    for suffix in SUFFIXES:
        if lower.endswith(suffix):
            return suffix
    message = tr("{file} is no label map that can be read; its name should end in {known}.")
    raise BadInput(message.format(file=path.name, known=", ".join(SUFFIXES)))


def _checked(raw: RawLabels, file: str, stem: str, table: LabelTable | None, ctx: Context) -> LabelMapFile:
    layers: list[LabelArray] = []
    present: list[LabelKey] = []
    for number, array in enumerate(raw.layers):
        ctx.check()
        labels, values = _whole_numbers(array, file)
        layers.append(labels)
        present += [(number, value) for value in values]
    if not present:
        raise BadInput(tr("The label map {file} is empty: every voxel in it is 0.").format(file=file))
    notices = list(raw.notices)
    if table is not None:
        names, colors, found = _by_table(table, present, file)
        notices += found
    else:
        names = {key: raw.names.get(key, "").strip() or _plain_name(key, present, stem) for key in present}
        colors = {key: raw.colors[key] for key in present if key in raw.colors}
    return LabelMapFile(raw.geometry, tuple(layers), names, colors, tuple(notices), raw.side_known)


def _plain_name(key: LabelKey, present: list[LabelKey], stem: str) -> str:
    if len(present) == 1:
        return stem
    return tr("Label {value}").format(value=key[1])


def _by_table(
    table: LabelTable, present: list[LabelKey], file: str
) -> tuple[dict[LabelKey, str], dict[LabelKey, Color], list[Notice]]:
    values = sorted({value for _, value in present})
    missing = [value for value in values if value not in table.names]
    if missing:
        message = tr("The label table gives no name to the value {value} of the label map {file}; it names {known}.")
        raise BadInput(message.format(value=missing[0], file=file, known=_listed(sorted(table.names))))
    names = {key: table.names[key[1]] for key in present}
    colors = {key: table.colors[key[1]] for key in present if key[1] in table.colors}
    absent = [table.names[value] for value in sorted(table.names) if value not in values]
    if not absent:
        return names, colors, []
    message = tr("{count} names of the label table have no voxel in {file}: {names}.")
    text = message.format(count=len(absent), file=file, names=_listed(absent))
    return names, colors, [Notice("labels-absent", text, {"names": absent})]


def _listed(items: list[Any]) -> str:
    shown = ", ".join(str(item) for item in items[:6])
    return shown if len(items) <= 6 else tr("{shown} and {more} more").format(shown=shown, more=len(items) - 6)


def _whole_numbers(array: NDArray[Any], file: str) -> tuple[LabelArray, list[int]]:
    """The array as uint8 or uint16 and the values in it other than 0; refuse what cannot be labels."""
    if array.dtype == np.bool_:
        array = array.view(np.uint8)
    if array.dtype.kind not in "iuf":
        raise BadInput(tr("{file} is not a label map: it holds colours or complex numbers.").format(file=file))
    if array.dtype.kind == "f":
        array = _rounded(array, file)
    lowest, highest = int(array.min()), int(array.max())
    if lowest < 0 or highest > 65535:
        odd = lowest if lowest < 0 else highest
        message = tr("{file} is not a label map: it holds the value {value}; labels are whole numbers from 0 to 65535.")
        raise BadInput(message.format(file=file, value=odd))
    labels: LabelArray = (
        np.ascontiguousarray(array, dtype=np.uint8) if highest <= 255 else np.ascontiguousarray(array, dtype=np.uint16)
    )
    values = [int(v) for v in np.flatnonzero(value_counts(labels, 1)) if v]
    if len(values) > _MOST_LABELS:
        message = tr("{file} holds {count} different values: it is an image, not a label map.")
        raise BadInput(message.format(file=file, count=len(values)))
    return labels, values


def _rounded(array: NDArray[Any], file: str) -> NDArray[np.int64]:
    """Whole numbers that are stored as fractions; slice by slice, to hold one slice in double precision only."""
    result = np.empty(array.shape, dtype=np.int64)
    for k in range(array.shape[0]):
        plane = array[k].astype(np.float64)
        with np.errstate(invalid="ignore"):
            odd = ~(np.abs(plane - np.rint(plane)) <= _ROUNDING) | (np.abs(plane) > 2**31)
        if odd.any():
            j, i = (int(v) for v in np.argwhere(odd)[0])
            message = tr("{file} is not a label map: voxel ({i}, {j}, {k}) holds {value:g}; labels are whole numbers.")
            raise BadInput(message.format(file=file, i=i, j=j, k=k, value=float(plane[j, i])))
        result[k] = np.rint(plane)
    return result


def _stem(path: Path, suffix: str) -> str:
    return path.name[: -len(suffix)] or path.name
