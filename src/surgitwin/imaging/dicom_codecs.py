"""One compressed frame to pixels, by the codecs behind pydicom."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder

Pixels = NDArray[Any]
# What pydicom and the codecs behind it raise on a damaged or unsupported frame.
DECODING_ERRORS = (
    RuntimeError,
    ValueError,
    TypeError,
    AttributeError,
    KeyError,
    IndexError,
    OSError,
    EOFError,
    MemoryError,
    OverflowError,
    struct.error,
)

_JPEG_2000_START = b"\xff\x4f\xff\x51"
_JPEG_2000 = ("pylibjpeg", "pillow")
# Codecs that report a damaged frame as an error. GDCM's, the only one for the other syntaxes, ends the whole process
# instead (an exception that its Python layer does not catch), so it never runs in this program's own process.
_ROBUST_PLUGINS: dict[str, tuple[str, ...]] = {
    pydicom.uid.JPEG2000Lossless: _JPEG_2000,
    pydicom.uid.JPEG2000: _JPEG_2000,
    pydicom.uid.HTJ2KLossless: ("pylibjpeg",),
    pydicom.uid.HTJ2KLosslessRPCL: ("pylibjpeg",),
    pydicom.uid.HTJ2K: ("pylibjpeg",),
    pydicom.uid.JPEGLSLossless: ("pyjpegls",),
    pydicom.uid.JPEGLSNearLossless: ("pyjpegls",),
    pydicom.uid.JPEGBaseline8Bit: ("pillow",),
    pydicom.uid.RLELossless: ("pydicom",),
}


@dataclass(frozen=True)
class FrameLayout:
    """What a codec must know about a frame beside its bytes."""

    syntax: str
    rows: int
    columns: int
    samples: int
    photometric: str
    bits_allocated: int
    bits_stored: int
    signed: bool


def is_robust(syntax: str) -> bool:
    """True if damaged frames of this transfer syntax cannot end the process that decodes them."""
    return syntax in _ROBUST_PLUGINS


def check_size(stream: bytes, layout: FrameLayout) -> None:
    """Compare the size that a frame states for itself with the header's: a damaged one may ask for all memory.

    Raises
    ------
    ValueError
        If they differ.
    """
    if layout.syntax == pydicom.uid.RLELossless:
        return
    stated = _size_of_jpeg_2000(stream) if _JPEG_2000_START in stream[:512] else _size_of_jpeg(stream)
    if stated != (layout.rows, layout.columns):
        raise ValueError(f"the frame states a size of {stated}")


def _size_of_jpeg_2000(stream: bytes) -> tuple[int, int]:
    """Rows and columns from the SIZ marker (ISO 15444-1 A.5.1)."""
    start = stream.index(_JPEG_2000_START) + 8
    right, bottom, left, top = struct.unpack_from(">4I", stream, start)
    return bottom - top, right - left


def _size_of_jpeg(stream: bytes) -> tuple[int, int]:
    """Rows and columns from the frame header of JPEG (SOF0 to SOF15) or JPEG-LS (SOF55)."""
    position = 2
    while position + 9 <= len(stream):
        mark, code, length = struct.unpack_from(">BBH", stream, position)
        if mark != 0xFF:
            break
        if code == 0xFF:
            position += 1
            continue
        if code == 0xF7 or (0xC0 <= code <= 0xCF and code not in (0xC4, 0xC8, 0xCC)):
            rows, columns = struct.unpack_from(">HH", stream, position + 5)
            return rows, columns
        position += 2 + length
    raise ValueError("the frame has no header")


def decode_frame(stream: bytes, layout: FrameLayout, *, isolated: bool = False) -> Pixels:
    """Decode the bytes of one frame.

    Parameters
    ----------
    isolated
        True in a process that may be lost: then every codec may be tried.

    Returns
    -------
    Stored pixels, shape [j, i].

    Raises
    ------
    Exception
        One of `DECODING_ERRORS` if no codec can decode it.
    """
    decoder = get_decoder(layout.syntax)
    plugins = list(_ROBUST_PLUGINS.get(layout.syntax, ()))
    if isolated:
        plugins += [name for name in decoder.available_plugins if name not in plugins]
    packed = encapsulate([stream], has_bot=False)
    options: dict[str, Any] = {
        "rows": layout.rows,
        "columns": layout.columns,
        "samples_per_pixel": layout.samples,
        "photometric_interpretation": layout.photometric or "MONOCHROME2",
        "bits_allocated": layout.bits_allocated,
        "bits_stored": layout.bits_stored,
        "pixel_representation": int(layout.signed),
        "number_of_frames": 1,
        "pixel_keyword": "PixelData",
        "planar_configuration": 0,
    }
    failure: Exception = ValueError(f"no codec for {layout.syntax}")
    for plugin in plugins:
        if plugin not in decoder.available_plugins:
            continue
        try:
            return np.asarray(decoder.as_array(packed, index=0, raw=True, decoding_plugin=plugin, **options)[0])
        except DECODING_ERRORS as error:
            failure = error
    raise failure
