"""Stored pixels of one slice: read or decoded, cleaned of foreign bits, and scaled to their physical values."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_modality_lut

from surgitwin.core.text import tr
from surgitwin.imaging.decode_pool import DecodePool, PoolUnavailable, WorkerFailed
from surgitwin.imaging.dicom_codecs import DECODING_ERRORS, FrameLayout, Pixels, check_size, decode_frame, is_robust
from surgitwin.imaging.dicom_frames import Plane
from surgitwin.imaging.dicom_object import DicomObject, UnreadableFile
from surgitwin.imaging.volume import VOLUME

# Hounsfield value of air: what lies outside a CT scanner's circle is shown as air, not as far below it.
AIR_HU = -1024
# From how many pixels on processes are worth their start (24 slices of 512 x 512), and how many pixels each should get.
_POOL_FROM_PIXELS = 6_300_000
_PIXELS_PER_PROCESS = 8_000_000


class TooWide(Exception):
    """Values that do not fit the integer type that was hoped for."""


@dataclass(frozen=True)
class Scaling:
    """How stored numbers become values, the same for every slice of a volume but for slope and intercept.

    Attributes
    ----------
    hounsfield
        Padding far below air is raised to air.
    invert
        The stored scale runs backwards (MONOCHROME1).
    """

    hounsfield: bool
    invert: bool = False


class FrameDecoder:
    """Reads stored pixels, from the file or through a codec.

    Parameters
    ----------
    pool
        Processes for compressed frames; without them, only codecs that cannot crash are used, in this process.
    """

    def __init__(self, pool: DecodePool | None = None) -> None:
        self._pool = pool
        self._lock = threading.Lock()
        # The object or mosaic read last: its next frame or tile is likely wanted next.
        self._dataset: tuple[DicomObject, Dataset] | None = None
        self._mosaic: tuple[DicomObject, Pixels] | None = None

    def stored(self, plane: Plane) -> tuple[Pixels, Pixels | None]:
        """The stored pixels of one slice as a new array [j, i] before any scaling, and where they are mere padding.

        Raises
        ------
        UnreadableFile
            If they are missing, cut off or damaged.
        """
        source = plane.source
        frame = self._frame(source, plane.frame) if plane.tile is None else self._tile(plane, plane.tile)
        if frame.shape != (plane.rows, plane.columns):
            raise UnreadableFile(
                tr("its pixels have the shape {found} instead of {wanted}").format(
                    found=frame.shape, wanted=(plane.rows, plane.columns)
                )
            )
        # Padding may use bits that no value uses, so it is looked for before those are cleared.
        padding = _padding_mask(frame, source)
        frame = _clean(frame, source)
        return (self._looked_up(frame, source) if source.has_lookup_table else frame), padding

    def _frame(self, source: DicomObject, frame: int) -> Pixels:
        if source.pixel_offset >= 0:
            return _native(source, frame)
        try:
            if source.fragments_offset >= 0:
                pixels = self._decoded(source, frame)
            else:
                with self._lock:
                    decoder = get_decoder(source.syntax or pydicom.uid.ImplicitVRLittleEndian)
                    pixels = np.asarray(decoder.as_array(self._parsed(source), index=frame, raw=True)[0])
        except (WorkerFailed, *DECODING_ERRORS) as error:
            raise UnreadableFile(_why(source)) from error
        return pixels if pixels.flags.writeable else pixels.copy()

    def _tile(self, plane: Plane, corner: tuple[int, int]) -> Pixels:
        with self._lock:
            known = self._mosaic
        if known is None or known[0] is not plane.source:
            known = (plane.source, self._frame(plane.source, plane.frame))
            with self._lock:
                self._mosaic = known
        top, left = corner
        return known[1][top : top + plane.rows, left : left + plane.columns].copy()

    def _decoded(self, source: DicomObject, frame: int) -> Pixels:
        with source.file.open() as stream:
            stream.seek(source.fragments_offset)
            data = get_frame(stream, frame, extended_offsets=source.frame_table, number_of_frames=source.frames)
        layout = FrameLayout(
            syntax=source.syntax,
            rows=source.rows,
            columns=source.columns,
            samples=source.samples,
            photometric=source.photometric,
            bits_allocated=source.bits_allocated,
            bits_stored=source.bits_stored,
            signed=source.signed,
        )
        check_size(data, layout)
        if self._pool is not None:
            try:
                return self._pool.decode(data, layout)
            except PoolUnavailable:
                # Better decoded in this process, at its risk, than not at all.
                with self._lock:
                    return decode_frame(data, layout, isolated=True)
        with self._lock:
            return decode_frame(data, layout)

    def _looked_up(self, pixels: Pixels, source: DicomObject) -> Pixels:
        try:
            with self._lock:
                return np.array(apply_modality_lut(pixels, self._parsed(source)))
        except DECODING_ERRORS as error:
            raise UnreadableFile(tr("its table of values cannot be applied")) from error

    def _parsed(self, source: DicomObject) -> Dataset:
        if self._dataset is None or self._dataset[0] is not source:
            with source.file.open() as stream:
                self._dataset = (source, pydicom.dcmread(stream, force=True))
        return self._dataset[1]


def processes_for(planes: Sequence[Plane]) -> int:
    """How many processes should decode these slices; 0 if this process can do it itself.

    It should not where a codec might crash, or would keep the window waiting for long.
    """
    pixels: Counter[str] = Counter()
    for plane in planes:
        if plane.source.fragments_offset >= 0:
            pixels[plane.source.syntax] += plane.rows * plane.columns
    return _processes_for(pixels)


def processes_expected(source: DicomObject, files: int) -> int:
    """How many processes are likely to be needed for a volume, judged by the first header of ``files``."""
    if source.fragments_offset < 0 or source.kind != VOLUME:
        return 0
    return _processes_for({source.syntax: source.rows * source.columns * source.frames * files})


def _processes_for(pixels: Mapping[str, int]) -> int:
    """See `processes_for`; ``pixels`` are counted by transfer syntax."""
    # RLE is decoded in Python, which gives way to other threads by itself.
    count = sum(number for syntax, number in pixels.items() if syntax != pydicom.uid.RLELossless)
    if count <= _POOL_FROM_PIXELS and all(is_robust(syntax) for syntax in pixels):
        return 0
    return 1 + count // _PIXELS_PER_PROCESS


def _why(source: DicomObject) -> str:
    if source.truncated:
        return tr("it ends before its pixels do")
    name = pydicom.uid.UID(source.syntax).name if source.syntax else tr("unknown encoding")
    return tr("its pixels ({encoding}) cannot be decoded").format(encoding=name)


def _native(source: DicomObject, frame: int) -> Pixels:
    """Uncompressed pixels, read straight into the array."""
    kind = ("i" if source.signed else "u") + str(source.bits_allocated // 8)
    order = ">" if source.big_endian else "<"
    pixels = np.empty((source.rows, source.columns), dtype=order + kind)
    try:
        with source.file.open() as stream:
            stream.seek(source.pixel_offset + frame * source.frame_bytes)
            into = memoryview(cast(Any, pixels)).cast("B")
            count = 0
            while count < len(into):
                more = stream.readinto(into[count:])  # type: ignore[attr-defined]
                if not more:
                    raise UnreadableFile(tr("it ends before its pixels do"))
                count += more
    except OSError as error:
        raise UnreadableFile(tr("it cannot be read")) from error
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


def _clean(pixels: Pixels, source: DicomObject) -> Pixels:
    """Bring the value bits to the bottom and drop what is not part of the value (overlays in unused bits)."""
    allocated, stored = pixels.dtype.itemsize * 8, source.bits_stored
    if pixels.dtype.kind not in "iu" or stored >= allocated or stored < 1:
        return pixels
    shift = source.high_bit + 1 - stored
    if 0 < shift <= allocated - stored and source.pixel_offset >= 0:
        pixels >>= shift
    low, high = (-(1 << stored - 1), (1 << stored - 1) - 1) if source.signed else (0, (1 << stored) - 1)
    if pixels.min() >= low and pixels.max() <= high:
        return pixels
    pixels &= (1 << stored) - 1
    if source.signed:
        sign = 1 << stored - 1
        pixels ^= sign
        pixels -= sign
    return pixels


def scaled(pixels: Pixels, padding: Pixels | None, plane: Plane, scaling: Scaling, dtype: np.dtype[Any]) -> Pixels:
    """Stored pixels to values: stored * slope + intercept, as ``dtype``.

    Parameters
    ----------
    pixels
        A fresh array; it may be changed in place.
    padding
        Where the pixels are padding. In CT it becomes air, else the lowest value of the slice; padding that is a
        plausible value already (above the HU of air, or the ordinary background of an MR slice) stays what it is.

    Raises
    ------
    TooWide
        If ``dtype`` is an integer type that cannot hold the values.
    """
    source = plane.source
    if padding is not None and not _padding_does_harm(plane, scaling):
        padding = None
    if padding is not None:
        # The lowest real value cannot upset the range; the padding's own value follows below.
        pixels[padding] = pixels[~padding].min() if not padding.all() else 0
    if scaling.invert:
        top = (1 << source.bits_stored) - 1
        pixels = np.bitwise_not(pixels) if source.signed else (top - pixels).astype(pixels.dtype)
    if dtype.kind == "f" or pixels.dtype.kind == "f":
        values = pixels.astype(np.float32)
        values *= np.float32(plane.slope)
        values += np.float32(plane.intercept)
    else:
        values = _scaled_integers(pixels, round(plane.slope), round(plane.intercept), dtype)
    if padding is not None:
        lowest = float(values[~padding].min()) if not padding.all() else 0.0
        values[padding] = AIR_HU if scaling.hounsfield else lowest
    return values


def _scaled_integers(pixels: Pixels, slope: int, intercept: int, dtype: np.dtype[Any]) -> Pixels:
    least, most = int(pixels.min()), int(pixels.max())
    low, high = sorted((least * slope + intercept, most * slope + intercept))
    limits = np.iinfo(dtype)
    if low < limits.min or high > limits.max:
        raise TooWide
    # The stored numbers may not fit dtype even where the values do (unsigned CT with a negative intercept).
    simple = slope == 1 and limits.min <= least and most <= limits.max and abs(intercept) <= limits.max
    values = pixels.astype(dtype if simple else np.int64, copy=False)
    if slope != 1:
        values *= slope
    if intercept:
        values += intercept
    return values.astype(dtype, copy=False)


def _padding_mask(pixels: Pixels, source: DicomObject) -> Pixels | None:
    if source.padding is None or pixels.dtype.kind not in "iu":
        return None
    low, high = source.padding
    mask = (pixels >= low) & (pixels <= high) if low != high else pixels == low
    return mask if mask.any() else None


def _padding_does_harm(plane: Plane, scaling: Scaling) -> bool:
    source = plane.source
    assert source.padding is not None
    low, high = source.padding
    bottom, top = (
        (-(1 << source.bits_stored - 1), 1 << source.bits_stored - 1)
        if source.signed
        else (
            0,
            1 << source.bits_stored,
        )
    )
    far_below_air = max(low * plane.slope, high * plane.slope) + plane.intercept < AIR_HU
    return scaling.invert or low < bottom or high >= top or (scaling.hounsfield and far_below_air)


def hoped_dtype(planes: Sequence[Plane]) -> np.dtype[Any]:
    """float32 if any slice is scaled by fractions, else int16: whether that is enough shows while reading."""
    for plane in planes:
        whole = plane.slope == round(plane.slope) and plane.intercept == round(plane.intercept)
        if not whole or plane.source.has_lookup_table or plane.source.bits_allocated > 32:
            return np.dtype(np.float32)
    return np.dtype(np.int16)
