"""What the readers hand on: a listed series, a reader that is ready to go, and a loaded volume."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.identity import ImageIdentity, PatientIdentity
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr

if TYPE_CHECKING:
    from surgitwin.imaging.decode_pool import DecodePool

Voxels = NDArray[Any]
# Called with the index k of a slice of the result and its voxels [j, i], as soon as that slice is ready.
OnSlice = Callable[[int, Voxels], None]

# Kinds that hold voxels in space. Everything else is listed with a kind of its own and cannot be loaded.
VOLUME = "volume"
SINGLE_SLICE = "single-slice"
LOCALIZER = "localizer"
LOADABLE_KINDS = (VOLUME, SINGLE_SLICE, LOCALIZER)


@dataclass(frozen=True, eq=False)
class LoadedVolume:
    """An image in memory, with everything that must be kept about where it came from.

    Attributes
    ----------
    geometry
        Where the voxels are (LPS millimetres); its axes are orthogonal.
    voxels
        Shape [k, j, i]; int16 where the values allow, else uint16, int32 or float32.
    unit
        ``HU`` for CT, else empty.
    notices
        What a person must know about these images; the same codes as in the listing, and those found while decoding.
    side_known
        False if the file does not say for certain which side of the image is the patient's left.
    """

    geometry: Geometry
    voxels: Voxels
    unit: str
    # Who it is must not end up in a log by way of a repr.
    identity: ImageIdentity = field(repr=False)
    patient: PatientIdentity = field(repr=False)
    notices: tuple[Notice, ...] = ()
    side_known: bool = True
    name: str = ""

    def __post_init__(self) -> None:
        if self.voxels.shape != self.geometry.shape_kji:
            raise BadInput(f"The voxels' shape {self.voxels.shape} does not fit the grid {self.geometry.shape_kji}.")


@dataclass(frozen=True, eq=False)
class SeriesInfo:
    """One volume (or one object that is not a volume) found in a folder or file, known from its headers alone.

    Attributes
    ----------
    series_uid
        The key to load it by: the Series Instance UID; ``UID#2`` ... for the further volumes of one series; the file's
        name, or ``NAME#2``, for files that are not DICOM.
    images
        Number of slices (or frames) that belong to it.
    size_ijk, spacing_mm
        Of the volume that loading would give (after a resampling, if one is needed); None if it cannot be loaded.
    kind
        ``volume``, ``single-slice`` or ``localizer`` can be loaded; ``segmentation``, ``structure-set``, ``report``,
        ``projection`` and others cannot.
    refusal
        The sentence that says why it cannot be loaded; empty if it can.
    predicted_bytes
        Memory that loading it needs at its peak.
    """

    series_uid: str
    modality: str = ""
    description: str = ""
    images: int = 0
    size_ijk: tuple[int, int, int] | None = None
    spacing_mm: tuple[float, float, float] | None = None
    kind: str = VOLUME
    notices: tuple[Notice, ...] = ()
    refusal: str = ""
    study_uid: str = ""
    study_date: str = ""
    acquisition_time: str = ""
    contrast: str = ""
    phase: str = ""
    patient: PatientIdentity = field(default_factory=PatientIdentity, repr=False)
    predicted_bytes: int = 0
    opener: Callable[[SeriesInfo], SeriesReader] | None = field(default=None, repr=False)

    @property
    def loadable(self) -> bool:
        return self.kind in LOADABLE_KINDS and not self.refusal

    def as_json(self, *, patient: bool = False) -> dict[str, Any]:
        """The listing as JSON; identifiers of the patient only where ``patient`` asks for them."""
        document: dict[str, Any] = {
            "series_uid": self.series_uid,
            "modality": self.modality,
            "description": self.description,
            "images": self.images,
            "size_ijk": list(self.size_ijk) if self.size_ijk else None,
            "spacing_mm": list(self.spacing_mm) if self.spacing_mm else None,
            "kind": self.kind,
            "warnings": [notice.as_json() for notice in self.notices],
            "loadable": self.loadable,
            "refusal": self.refusal,
            "study_uid": self.study_uid,
            "study_date": self.study_date,
            "acquisition_time": self.acquisition_time,
            "contrast": self.contrast,
            "phase": self.phase,
            "predicted_bytes": self.predicted_bytes,
        }
        if patient:
            document["patient"] = {
                "patient_id": self.patient.patient_id,
                "name": self.patient.name,
                "birth_date": self.patient.birth_date,
                "sex": self.patient.sex,
            }
        return document

    def open(self) -> SeriesReader:
        """A reader for this volume; its geometry is known before any voxel is decoded.

        Raises
        ------
        BadInput
            If this is not a volume; the sentence says what it is instead.
        """
        if self.opener is None or not self.loadable:
            raise BadInput(self.refusal or tr("'{name}' is not a volume.").format(name=self.series_uid))
        return self.opener(self)

    def check_memory(self, limit_bytes: int | None = None) -> None:
        """Refuse a load that would not fit into ``limit_bytes`` (by default: the memory that is free now).

        Raises
        ------
        BadInput
            With the predicted and the available amount.
        """
        if limit_bytes is None:
            import psutil

            limit_bytes = int(psutil.virtual_memory().available)
        if self.predicted_bytes > limit_bytes:
            raise BadInput(
                tr(
                    "Loading '{name}' needs {need} of memory and {have} is available; close other programs or choose "
                    "a smaller series."
                ).format(
                    name=self.description or self.series_uid,
                    need=bytes_in_words(self.predicted_bytes),
                    have=bytes_in_words(limit_bytes),
                )
            )


class SeriesReader(ABC):
    """A volume that is ready to be read: what it is and where it lies are known, its voxels are not decoded yet.

    Should slices turn out to be undecodable, the volume that `read` returns may be shorter than ``geometry``
    announced and says so in its notices: the returned volume's own geometry counts.
    """

    info: SeriesInfo
    geometry: Geometry
    identity: ImageIdentity
    patient: PatientIdentity
    notices: tuple[Notice, ...]
    side_known: bool

    @abstractmethod
    def read(self, ctx: Context, on_slice: OnSlice | None = None, decoders: DecodePool | None = None) -> LoadedVolume:
        """Decode the voxels.

        Parameters
        ----------
        on_slice
            Called on the thread of `read` for every slice as it gets ready, the middle one first where the format
            allows. A slice may be reported twice (its values are then corrected ones).
        decoders
            Processes for compressed slices, those of `open_series`; without them, it starts and ends its own.

        Raises
        ------
        BadInput
            If the voxels cannot be decoded.
        Cancelled
            If ``ctx`` was cancelled.
        """


def bytes_in_words(count: int) -> str:
    """``1.5 GB``, ``320 MB``: decimal units, as operating systems show them."""
    if count >= 1_000_000_000:
        return f"{count / 1e9:.1f} GB"
    return f"{max(count / 1e6, 0.1):.1f} MB" if count < 10_000_000 else f"{count / 1e6:.0f} MB"


def narrowest(voxels: Voxels) -> Voxels:
    """The same values as int16 if they fit, else as uint16, int32 or float32; no copy if nothing changes."""
    if voxels.dtype == np.int16:
        return voxels
    if voxels.dtype.kind not in "iub":
        return voxels.astype(np.float32, copy=False)
    low, high = (int(voxels.min()), int(voxels.max())) if voxels.size else (0, 0)
    for dtype in (np.int16, np.uint16, np.int32):
        limits = np.iinfo(dtype)
        if limits.min <= low and high <= limits.max:
            return voxels.astype(dtype, copy=False)
    return voxels.astype(np.float32)
