"""A process that decodes compressed frames for `decode_pool`, so that a codec may crash and Python's lock stays free.

It is run as a script. Requests come on standard input, answers go to standard output; each is a four-byte length, a
JSON head of that length, and the bytes that the head's ``bytes`` announces. Imports wait for the first frame that needs
them: GDCM alone starts several times faster than everything together.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from typing import IO, Any

# JPEG (baseline, extended, lossless), JPEG-LS and JPEG 2000, as GDCM decodes them.
_BY_GDCM = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 53, 55, 57, 70, 80, 81, 90, 91))


def read_message(stream: IO[bytes]) -> tuple[dict[str, Any], bytes] | None:
    """The next head and its bytes; None if the other side has gone."""
    size = stream.read(4)
    if len(size) < 4:
        return None
    head = stream.read(struct.unpack(">I", size)[0])
    try:
        found = json.loads(head)
    except ValueError:
        return None
    data = stream.read(found["bytes"])
    return (found, data) if len(data) == found["bytes"] else None


def write_message(stream: IO[bytes], head: dict[str, Any], data: bytes) -> None:
    packed = json.dumps({**head, "bytes": len(data)}).encode()
    stream.write(struct.pack(">I", len(packed)) + packed)
    stream.write(data)
    stream.flush()


def by_gdcm(stream: bytes, head: dict[str, Any]) -> bytes:
    """Decode a frame of one sample per pixel; the bytes of its pixels, row by row."""
    import gdcm

    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(stream)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((head["columns"], head["rows"], 1))
    image.SetDataElement(element)
    grey = gdcm.PhotometricInterpretation.GetPIType(head["photometric"] or "MONOCHROME2")
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(grey))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(head["syntax"])))
    allocated, stored = head["bits_allocated"], head["bits_stored"]
    image.SetPixelFormat(gdcm.PixelFormat(1, allocated, stored, stored - 1, int(head["signed"])))
    # GDCM gives its bytes as text with the undecodable ones escaped.
    pixels: bytes = image.GetBuffer().encode("utf-8", "surrogateescape")
    if len(pixels) != head["rows"] * head["columns"] * allocated // 8:
        raise ValueError("a frame of another size")
    return pixels


def answer_to(head: dict[str, Any], stream: bytes) -> tuple[dict[str, Any], bytes]:
    """The answer to one request."""
    if head["syntax"] in _BY_GDCM and head["samples"] == 1:
        try:
            pixels = by_gdcm(stream, head)
        except (AttributeError, ValueError, TypeError, RuntimeError):
            return _by_pydicom(head, stream)
        dtype = f"{'i' if head['signed'] else 'u'}{head['bits_allocated'] // 8}"
        return {"ok": True, "shape": (head["rows"], head["columns"]), "dtype": dtype}, pixels
    return _by_pydicom(head, stream)


def _by_pydicom(head: dict[str, Any], stream: bytes) -> tuple[dict[str, Any], bytes]:
    """What GDCM does not decode; the other codecs take a second to start."""
    from surgitwin.imaging.dicom_codecs import DECODING_ERRORS, FrameLayout, decode_frame
    from surgitwin.imaging.dicom_values import quiet_pydicom

    try:
        with quiet_pydicom():
            found = decode_frame(stream, FrameLayout(**head), isolated=True)
    except DECODING_ERRORS:
        return {"ok": False}, b""
    return {"ok": True, "shape": found.shape, "dtype": found.dtype.str}, found.tobytes()


def main() -> None:
    """Answer requests until standard input ends."""
    # Codecs print complaints to standard output; they must not end up among the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with answers:
        while (request := read_message(sys.stdin.buffer)) is not None:
            head, stream = request
            head.pop("bytes")
            write_message(answers, *answer_to(head, stream))


if __name__ == "__main__":
    main()
