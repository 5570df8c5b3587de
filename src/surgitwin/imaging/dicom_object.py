"""One DICOM file as its header describes it: what kind of object it is and where its pixels lie in the file."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import IO

import pydicom
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import InvalidDicomError

from surgitwin.core.text import tr
from surgitwin.imaging.dicom_values import MALFORMED, integer, text, texts, value
from surgitwin.imaging.files import FileRef
from surgitwin.imaging.volume import VOLUME

DIRECTORY_CLASS = "1.2.840.10008.1.3.10"
# GE's own syntax: an implicit little-endian header before big-endian pixels.
_GE_BIG_ENDIAN_PIXELS = "1.2.840.113619.5.2"
_UNDEFINED = 0xFFFFFFFF
_LONG_VRS = (b"OB", b"OW", b"OF", b"OD", b"UN", b"OL", b"OV")

# Storage classes by the start of their UID; the first that fits counts.
_KIND_BY_CLASS: tuple[tuple[str, str], ...] = (
    ("1.2.840.10008.1.3.10", "directory"),
    ("1.2.840.10008.5.1.4.1.1.66.4", "segmentation"),
    ("1.2.840.10008.5.1.4.1.1.66.7", "segmentation"),
    ("1.2.840.10008.5.1.4.1.1.66.5", "surface"),
    ("1.2.840.10008.5.1.4.1.1.66.1", "registration"),
    ("1.2.840.10008.5.1.4.1.1.66.3", "registration"),
    ("1.2.840.10008.5.1.4.1.1.66", "raw-data"),
    ("1.2.840.10008.5.1.4.1.1.4.2", "spectroscopy"),
    ("1.2.840.10008.5.1.4.1.1.67", "value-map"),
    ("1.2.840.10008.5.1.4.1.1.68", "surface"),
    ("1.2.840.10008.5.1.4.1.1.30", "parametric-map"),
    ("1.2.840.10008.5.1.4.1.1.481.2", "dose"),
    ("1.2.840.10008.5.1.4.1.1.481.3", "structure-set"),
    ("1.2.840.10008.5.1.4.1.1.481.1", "projection"),
    ("1.2.840.10008.5.1.4.1.1.481", "plan"),
    ("1.2.840.10008.5.1.4.1.1.88", "report"),
    ("1.2.840.10008.5.1.4.1.1.104", "document"),
    ("1.2.840.10008.5.1.4.1.1.11", "presentation-state"),
    ("1.2.840.10008.5.1.4.1.1.9", "waveform"),
    ("1.2.840.10008.5.1.4.1.1.91", "annotation"),
    ("1.2.840.10008.5.1.4.1.1.77", "photograph"),
    ("1.2.840.10008.5.1.4.39", "palette"),
    ("1.2.840.10008.5.1.4.1.1.12", "projection"),
    ("1.2.840.10008.5.1.4.1.1.1", "projection"),
    ("1.2.840.10008.5.1.4.1.1.3", "projection"),
    ("1.2.840.10008.5.1.4.1.1.6", "projection"),
)
# Every other syntax holds compressed frames.
_NATIVE_SYNTAXES = ("", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", _GE_BIG_ENDIAN_PIXELS)
_DEFLATED = "1.2.840.10008.1.2.1.99"
_KIND_BY_MODALITY = {
    "SEG": "segmentation",
    "RTSTRUCT": "structure-set",
    "RTDOSE": "dose",
    "RTPLAN": "plan",
    "SR": "report",
    "PR": "presentation-state",
    "KO": "report",
    "REG": "registration",
    "CR": "projection",
    "DX": "projection",
    "MG": "projection",
    "XA": "projection",
    "RF": "projection",
    "US": "projection",
    "ECG": "waveform",
    "DOC": "document",
    "SM": "photograph",
}


class UnreadableFile(Exception):
    """A file that claims to be DICOM but cannot be read; the message says why."""


@dataclass(slots=True)
class DicomObject:
    """One file's identity and pixel layout.

    Attributes
    ----------
    pixel_offset
        Where uncompressed pixels lie in the file; -1 if they do not lie there as they are.
    fragments_offset
        Where compressed frames lie in the file (the first byte after the element's own head); -1 if there are none.
    frame_table
        Offsets and lengths of the compressed frames, where the file lists them (Extended Offset Table).
    high_bit
        Position of the highest bit that counts.
    big_endian
        Byte order of the pixels.
    truncated
        True if the file ends before its pixels do.
    """

    file: FileRef
    kind: str
    syntax: str
    sop_class: str
    sop_uid: str
    series_uid: str
    study_uid: str
    modality: str
    frame_of_reference: str
    rows: int
    columns: int
    samples: int
    photometric: str
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    frames: int
    padding: tuple[int, int] | None
    has_pixels: bool
    has_lookup_table: bool
    pixel_offset: int = -1
    fragments_offset: int = -1
    frame_table: tuple[bytes, bytes] | None = None
    big_endian: bool = False
    truncated: bool = False

    @property
    def frame_bytes(self) -> int:
        return self.rows * self.columns * self.samples * self.bits_allocated // 8


def read_header(file: FileRef) -> tuple[DicomObject, Dataset] | None:
    """The object in ``file`` and its header up to the pixels; None if the file is not DICOM after all.

    Raises
    ------
    UnreadableFile
        If it is DICOM but cannot be read.
    """
    try:
        with file.open() as stream:
            dataset = pydicom.dcmread(stream, stop_before_pixels=True, force=True)
            if not _looks_sane(dataset):
                if dataset.preamble is not None:
                    raise UnreadableFile(tr("its header is damaged"))
                return None
            found = _describe(file, dataset)
            _find_pixels(stream, found, dataset)
    except InvalidDicomError:
        return None
    except (*MALFORMED, EOFError, RecursionError, zlib.error, NotImplementedError) as error:
        raise UnreadableFile(tr("its header is damaged")) from error
    return found, dataset


def _looks_sane(dataset: FileDataset) -> bool:
    """Reading by force accepts any bytes; an object has at least a class, a series, a modality or pixels' size."""
    return any(word in dataset for word in ("SOPClassUID", "SeriesInstanceUID", "Modality", "Rows", "PatientID")) or (
        "MediaStorageSOPClassUID" in dataset.file_meta
    )


def _describe(file: FileRef, dataset: FileDataset) -> DicomObject:
    meta = dataset.file_meta
    allocated = integer(dataset, "BitsAllocated") or 0
    stored = integer(dataset, "BitsStored") or allocated
    high_bit = integer(dataset, "HighBit")
    sop_class = text(dataset, "SOPClassUID") or text(meta, "MediaStorageSOPClassUID")
    modality = text(dataset, "Modality").upper()
    samples = integer(dataset, "SamplesPerPixel") or 1
    return DicomObject(
        file=file,
        kind=_kind(sop_class, modality, samples),
        syntax=text(meta, "TransferSyntaxUID"),
        sop_class=sop_class,
        sop_uid=text(dataset, "SOPInstanceUID") or text(meta, "MediaStorageSOPInstanceUID"),
        series_uid=text(dataset, "SeriesInstanceUID"),
        study_uid=text(dataset, "StudyInstanceUID"),
        modality=modality,
        frame_of_reference=text(dataset, "FrameOfReferenceUID"),
        rows=integer(dataset, "Rows") or 0,
        columns=integer(dataset, "Columns") or 0,
        samples=samples,
        photometric=text(dataset, "PhotometricInterpretation").upper(),
        bits_allocated=allocated,
        bits_stored=min(stored, allocated),
        high_bit=stored - 1 if high_bit is None else high_bit,
        signed=integer(dataset, "PixelRepresentation") == 1,
        frames=max(integer(dataset, "NumberOfFrames") or 1, 1),
        padding=_padding(dataset, integer(dataset, "PixelRepresentation") == 1, allocated),
        has_pixels=False,
        has_lookup_table="ModalityLUTSequence" in dataset,
    )


def _kind(sop_class: str, modality: str, samples: int) -> str:
    for start, kind in _KIND_BY_CLASS:
        if sop_class == start or sop_class.startswith(start + "."):
            return kind
    if not sop_class and modality in _KIND_BY_MODALITY:
        return _KIND_BY_MODALITY[modality]
    return "colour-image" if samples > 1 else VOLUME


def _padding(dataset: Dataset, signed: bool, allocated: int) -> tuple[int, int] | None:
    """Lowest and highest stored number that is padding; a value written with the wrong sign is put right."""
    low = integer(dataset, "PixelPaddingValue")
    if low is None:
        return None
    high = integer(dataset, "PixelPaddingRangeLimit")
    wrap = 1 << allocated
    ends = [value % wrap for value in (low, low if high is None else high)]
    if signed:
        ends = [value - wrap if value >= wrap // 2 else value for value in ends]
    return min(ends), max(ends)


def _find_pixels(stream: IO[bytes], found: DicomObject, dataset: FileDataset) -> None:
    """Fill in where the pixels are; ``stream`` stands where the header reader stopped."""
    _implicit, little = dataset.original_encoding
    found.big_endian = little is False or found.syntax == _GE_BIG_ENDIAN_PIXELS
    if found.syntax == _DEFLATED:
        # Deflated: the stream was unpacked elsewhere, so positions mean nothing here.
        found.has_pixels = found.rows > 0
        return
    start = stream.tell()
    head = stream.read(12)
    order = "<" if little is not False else ">"
    if len(head) < 8 or struct.unpack(order + "HH", head[:4])[0] != 0x7FE0:
        return
    found.has_pixels = True
    if struct.unpack(order + "HH", head[:4])[1] != 0x0010:
        return
    explicit = head[4:6] in _LONG_VRS
    if len(head) < 12 and explicit:
        found.truncated = True
        return
    length = struct.unpack(order + "L", head[8:12] if explicit else head[4:8])[0]
    begin = start + (12 if explicit else 8)
    if length == _UNDEFINED:
        found.fragments_offset = begin
        found.frame_table = _frame_table(dataset)
        found.truncated = not _fragments_complete(stream, begin, found.file.size)
        return
    if found.syntax not in _NATIVE_SYNTAXES:
        return
    needed = found.frame_bytes * found.frames
    if found.samples == 1 and found.bits_allocated >= 8:
        found.truncated = begin + needed > found.file.size or length < needed
    if found.bits_allocated in (8, 16, 32) and not found.has_lookup_table:
        found.pixel_offset = begin


def _frame_table(dataset: Dataset) -> tuple[bytes, bytes] | None:
    offsets, lengths = value(dataset, "ExtendedOffsetTable"), value(dataset, "ExtendedOffsetTableLengths")
    return (offsets, lengths) if isinstance(offsets, bytes) and isinstance(lengths, bytes) else None


def _fragments_complete(stream: IO[bytes], position: int, size: int) -> bool:
    """Walk the items of compressed pixel data; False if the file ends before the last of them."""
    while position + 8 <= size:
        stream.seek(position)
        head = stream.read(8)
        if len(head) < 8:
            return False
        group, element, length = struct.unpack("<HHL", head)
        if (group, element) == (0xFFFE, 0xE0DD):
            return True
        if (group, element) != (0xFFFE, 0xE000):
            return False
        position += 8 + length
    # Writers that leave the closing delimiter out are common; a whole last fragment is enough.
    return position <= size


def image_type(dataset: Dataset) -> tuple[str, ...]:
    return tuple(part.upper() for part in texts(dataset, "ImageType"))
