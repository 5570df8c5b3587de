"""A process that decodes compressed frames for `decode_pool`, so that a codec may crash and Python's lock stays free.

It is run as a script. Requests come on standard input, answers go to standard output; each is the length of its head
in four bytes, that of its data in eight, the head, and the data. A head is a line for each entry: ``i`` for a number or
``s`` for a word, its name, and its value.

Every millisecond until the first answer counts for a short series. So nothing is imported that is not needed (`json`
and `typing` would take a quarter of the start), GDCM, which most frames need, is imported while the first request is
still on its way, and all else, which takes several times as long, waits for the first frame that needs it.
"""

from __future__ import annotations

import os
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import IO, Any

# JPEG (baseline, extended, lossless), JPEG-LS and JPEG 2000, as GDCM decodes them.
_BY_GDCM = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 53, 55, 57, 70, 80, 81, 90, 91))
_LENGTHS = struct.Struct(">IQ")


def read_message(stream: IO[bytes]) -> tuple[dict[str, Any], bytearray] | None:
    """The next head and its data; None if the other side has gone or sends what is no message."""
    lengths = stream.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        return None
    head_length, data_length = _LENGTHS.unpack(lengths)
    head: dict[str, Any] = {}
    try:
        for line in stream.read(head_length).decode().splitlines():
            kind, name, value = line.split(" ", 2)
            head[name] = int(value) if kind == "i" else value
    except ValueError:
        return None
    data = bytearray(data_length)
    return (head, data) if stream.readinto(data) == data_length else None  # type: ignore[attr-defined]


def write_message(stream: IO[bytes], head: Mapping[str, str | int], data: bytes) -> None:
    """Send ``head`` (truth as 0 or 1) and ``data``."""
    lines = []
    for name, value in head.items():
        word = str(int(value)) if isinstance(value, int) else " ".join(value.split())
        lines.append(f"{'i' if isinstance(value, int) else 's'} {name} {word}\n")
    packed = "".join(lines).encode()
    stream.write(_LENGTHS.pack(len(packed), len(data)) + packed)
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


def answer_to(head: dict[str, Any], stream: bytes) -> tuple[dict[str, str | int], bytes]:
    """The answer to one request."""
    if head["syntax"] in _BY_GDCM and head["samples"] == 1:
        try:
            pixels = by_gdcm(stream, head)
        except (ImportError, AttributeError, ValueError, TypeError, RuntimeError):
            return _by_pydicom(head, stream)
        dtype = f"{'i' if head['signed'] else 'u'}{head['bits_allocated'] // 8}"
        return {"ok": True, "shape": f"{head['rows']} {head['columns']}", "dtype": dtype}, pixels
    return _by_pydicom(head, stream)


def _by_pydicom(head: dict[str, Any], stream: bytes) -> tuple[dict[str, str | int], bytes]:
    """What GDCM does not decode; the other codecs take a second to start."""
    from surgitwin.imaging.dicom_codecs import DECODING_ERRORS, FrameLayout, decode_frame
    from surgitwin.imaging.dicom_values import quiet_pydicom

    try:
        with quiet_pydicom():
            found = decode_frame(stream, FrameLayout(**{**head, "signed": bool(head["signed"])}), isolated=True)
    except DECODING_ERRORS:
        return {"ok": False}, b""
    return {"ok": True, "shape": " ".join(map(str, found.shape)), "dtype": found.dtype.str}, found.tobytes()


def _prepare() -> None:
    try:
        import gdcm  # noqa: F401
    except ImportError:
        # The frames will show whether another codec is there for them.
        return


def main() -> None:
    """Answer requests until standard input ends."""
    # Codecs print complaints to standard output; they must not end up among the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with answers:
        _prepare()
        while (request := read_message(sys.stdin.buffer)) is not None:
            head, stream = request
            write_message(answers, *answer_to(head, bytes(stream)))


if __name__ == "__main__":
    main()
