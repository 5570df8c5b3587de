"""Siemens' private headers (CSA): tables of named values inside one DICOM element. Needed for mosaics only.

The layout is the one that SPM and nibabel document: version 2 starts with ``SV10``, version 1 with the tag count; each
tag has a name, a multiplicity and items of text padded to four bytes.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

Vector = tuple[float, float, float]
_NUMBER = r"\s*=\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)"


@dataclass(frozen=True)
class MosaicFacts:
    """What Siemens' headers say about a mosaic.

    Attributes
    ----------
    normal
        Direction in which the tiles follow each other (LPS), from the image header; None if that was removed.
    ends_mm
        Centres of the first and the last slice of the scan protocol (LPS millimetres); None if it is missing.
    """

    count: int
    normal: Vector | None
    step_mm: float | None
    ends_mm: tuple[Vector, Vector] | None


def mosaic_facts(image_header: bytes, series_header: bytes) -> MosaicFacts:
    """Read the image header (0029,1010) and the scan protocol inside the series header (0029,1020)."""
    image = read_csa(image_header)
    protocol = "\n".join(read_csa(series_header).get("MrPhoenixProtocol", ()))
    found = re.search(r"sSliceArray\.lSize" + _NUMBER, protocol)
    slices = int(float(found[1])) if found else 0
    normal = [float(part) for part in image.get("SliceNormalVector", ())]
    step = image.get("SpacingBetweenSlices")
    return MosaicFacts(
        count=int(float(image.get("NumberOfImagesInMosaic", ("0",))[0])) or slices,
        normal=(normal[0], normal[1], normal[2]) if len(normal) == 3 else None,
        step_mm=float(step[0]) if step else None,
        ends_mm=(_slice_centre(protocol, 0), _slice_centre(protocol, slices - 1)) if slices > 1 else None,
    )


def _slice_centre(protocol: str, index: int) -> Vector:
    """Position of a protocol slice; the protocol leaves coordinates that are zero out."""
    found = []
    for axis in ("dSag", "dCor", "dTra"):
        match = re.search(rf"sSliceArray\.asSlice\[{index}\]\.sPosition\.{axis}" + _NUMBER, protocol)
        found.append(float(match[1]) if match else 0.0)
    return found[0], found[1], found[2]


def read_csa(stored: bytes) -> dict[str, tuple[str, ...]]:
    """The non-empty values by name, as text; an empty table if ``stored`` is not such a header."""
    try:
        return _read(stored)
    except (struct.error, UnicodeDecodeError, ValueError):
        return {}


def _read(stored: bytes) -> dict[str, tuple[str, ...]]:
    second = stored[:4] == b"SV10"
    position = 8 if second else 0
    (count,) = struct.unpack_from("<I", stored, position)
    if not 1 <= count <= 1000:
        return {}
    position += 8
    table: dict[str, tuple[str, ...]] = {}
    first_items = 0
    for index in range(count):
        name, multiplicity, _vr, _syngo, items, check = struct.unpack_from("<64si4siii", stored, position)
        if check not in (77, 205):
            return table
        position += 84
        if index == 0:
            first_items = items
        values = []
        for item in range(items):
            sizes = struct.unpack_from("<4i", stored, position)
            length = sizes[1] if second else sizes[0] - first_items
            position += 16
            if length < 0 or position + length > len(stored):
                return table
            if item < max(multiplicity, 1):
                values.append(stored[position : position + length].split(b"\x00")[0].decode("latin-1").strip())
            position += (length + 3) // 4 * 4
        kept = tuple(part for part in values if part)
        if kept:
            table[name.split(b"\x00")[0].decode("latin-1")] = kept
    return table
