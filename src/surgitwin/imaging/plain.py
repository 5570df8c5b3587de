"""Volumes from files that are not DICOM (NIfTI, NRRD, MetaImage): one or several volumes per file, no identity."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.identity import ImageIdentity, PatientIdentity
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.imaging.files import METAIMAGE, NIFTI, FileRef, sniff
from surgitwin.imaging.orthogonal import is_orthogonal, orthogonal_grid, resample
from surgitwin.imaging.volume import (
    SINGLE_SLICE,
    VOLUME,
    LoadedVolume,
    OnSlice,
    SeriesInfo,
    SeriesReader,
    Voxels,
    narrowest,
)

if TYPE_CHECKING:
    from surgitwin.imaging.decode_pool import DecodePool

# A header that claims more is damaged.
MOST_VOLUMES = 20_000


@dataclass(frozen=True, eq=False)
class PlainImage:
    """What such a file's header says.

    Attributes
    ----------
    geometry
        As stored, in LPS; may be sheared.
    volumes
        How many volumes the file holds (time points, components).
    dtype
        Of the values that reading gives.
    read
        Reads volume n: shape [k, j, i].
    label
        Name of volume n among several, in words.
    """

    geometry: Geometry
    volumes: int
    dtype: np.dtype[Any]
    side_known: bool
    notices: tuple[Notice, ...]
    read: Callable[[int], Voxels]
    description: str = ""
    label: Callable[[int], str] = lambda number: tr("volume {n}").format(n=number + 1)


def list_plain(file: FileRef) -> list[SeriesInfo]:
    """One entry for each volume in ``file``; a refused entry if it cannot be read."""
    try:
        image = open_plain(file)
    except BadInput as error:
        return [SeriesInfo(file.name, description=file.name, refusal=str(error))]
    return [_info(file, image, number) for number in range(image.volumes)]


def open_plain(file: FileRef) -> PlainImage:
    """Read the header.

    Raises
    ------
    BadInput
        If the file is damaged or holds something other than grey values in three dimensions.
    """
    kind = sniff(file)
    if kind == NIFTI:
        from surgitwin.imaging.nifti import open_nifti

        return open_nifti(file)
    if kind == METAIMAGE:
        from surgitwin.imaging.metaimage import open_metaimage

        return open_metaimage(file)
    from surgitwin.imaging.nrrd import open_nrrd

    return open_nrrd(file)


def _info(file: FileRef, image: PlainImage, number: int) -> SeriesInfo:
    key = file.name if number == 0 else f"{file.name}#{number + 1}"
    words = [image.description or stem(file.name)]
    notices = list(image.notices)
    geometry = image.geometry
    bytes_needed = geometry.voxel_count * max(image.dtype.itemsize, 2)
    if not is_orthogonal(geometry):
        geometry = orthogonal_grid(geometry)
        notices.append(_sheared())
        bytes_needed += geometry.voxel_count * 4
    if image.volumes > 1:
        words.append(image.label(number))
        message = tr("The file holds {n} volumes; each is listed by its own key.").format(n=image.volumes)
        notices.append(Notice("several-volumes", message, {"volumes": image.volumes}))
    info = SeriesInfo(
        series_uid=key,
        description=", ".join(words),
        images=geometry.size_ijk[2],
        size_ijk=geometry.size_ijk,
        spacing_mm=tuple(round(step, 6) for step in geometry.spacing_mm),  # type: ignore[arg-type]
        kind=VOLUME if geometry.size_ijk[2] > 1 else SINGLE_SLICE,
        notices=tuple(notices),
        predicted_bytes=bytes_needed,
    )
    return replace(info, opener=lambda chosen: PlainReader(chosen, image, number, geometry))


def stem(name: str) -> str:
    """A file's name without its folder and its endings: ``liver`` for ``out/liver.nii.gz``."""
    base = PurePosixPath(name).name
    return re.sub(r"(\.seg)?\.(nii|nii\.gz|hdr|hdr\.gz|nrrd|nhdr|mha|mhd)$", "", base, flags=re.IGNORECASE) or base


def _sheared() -> Notice:
    message = tr("The image's axes are not at right angles; it was resampled to a rectangular grid.")
    return Notice("sheared-grid", message, {})


class PlainReader(SeriesReader):
    """Reads one volume of such a file."""

    def __init__(self, info: SeriesInfo, image: PlainImage, number: int, geometry: Geometry) -> None:
        self.info = info
        self._image = image
        self._number = number
        self.geometry = geometry
        self.notices = info.notices
        self.side_known = image.side_known
        self.patient = PatientIdentity()
        self.identity = ImageIdentity(series_uid=info.series_uid, series_description=info.description)

    def read(self, ctx: Context, on_slice: OnSlice | None = None, decoders: DecodePool | None = None) -> LoadedVolume:
        ctx.progress(None, tr("Reading {name}").format(name=self.info.description))
        voxels = narrowest(self._image.read(self._number))
        ctx.progress(0.8, tr("Reading {name}").format(name=self.info.description))
        if not is_orthogonal(self._image.geometry):
            voxels = resample(voxels, self._image.geometry, self.geometry)
        if on_slice is not None:
            for k in range(voxels.shape[0]):
                on_slice(k, voxels[k])
        notices, identity = self.notices, self.identity
        hounsfield = looks_like_hounsfield(voxels)
        if hounsfield:
            message = tr("The file does not say what was measured; its values look like CT and are taken for HU.")
            notices = (*notices, Notice("modality-guessed", message, {"modality": "CT"}))
            identity = replace(identity, modality="CT")
        ctx.progress(1.0)
        return LoadedVolume(
            geometry=self.geometry,
            voxels=np.ascontiguousarray(voxels),
            unit="HU" if hounsfield else "",
            identity=identity,
            patient=self.patient,
            notices=notices,
            side_known=self.side_known,
            name=self.info.description,
        )


def looks_like_hounsfield(voxels: Voxels) -> bool:
    """True if the values are distributed as in a CT of a body: air near -1000, soft tissue near 0, little in between.

    A guess for files that cannot say; MR and label maps have no values near -1000.
    """
    if voxels.dtype.kind not in "if":
        return False
    sample = voxels[:: max(voxels.shape[0] // 32, 1), ::4, ::4] if voxels.size > 200_000 else voxels
    low, high = float(sample.min()), float(sample.max())
    if not (-5000 <= low <= -800 and 100 < high < 40_000):
        return False
    air = float(np.mean((sample > -1100) & (sample < -800)))
    tissue = float(np.mean((sample > -200) & (sample < 300)))
    return tissue > 0.02 and air + tissue > 0.3 and (air > 0.005 or low < -900)
