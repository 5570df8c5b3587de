"""DICOM headers without anything unusual, read without pydicom.

Nearly all series are uncompressed or compressed objects with an explicit little-endian header in plain text. Of those
this reads what is asked for, several times faster than pydicom, and without importing it, which alone takes longer than
many a series takes to read. It never guesses: a file that is not laid out exactly as PS3.10 and PS3.5 say is left to
pydicom altogether, and an element that is not plain (sequences, other text than ASCII, odd padding, unknown
representations) is asked of pydicom, which then reads the file's header once.
"""

from __future__ import annotations

import re
import struct
from typing import IO, TYPE_CHECKING, Any

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr
from surgitwin.imaging.files import FileRef

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

TAGS = {
    "MediaStorageSOPClassUID": 0x00020002,
    "MediaStorageSOPInstanceUID": 0x00020003,
    "TransferSyntaxUID": 0x00020010,
    "DirectoryRecordSequence": 0x00041220,
    "ReferencedFileID": 0x00041500,
    "ImageType": 0x00080008,
    "SOPClassUID": 0x00080016,
    "SOPInstanceUID": 0x00080018,
    "StudyDate": 0x00080020,
    "SeriesDate": 0x00080021,
    "AcquisitionDate": 0x00080022,
    "ContentDate": 0x00080023,
    "AcquisitionDateTime": 0x0008002A,
    "StudyTime": 0x00080030,
    "SeriesTime": 0x00080031,
    "AcquisitionTime": 0x00080032,
    "ContentTime": 0x00080033,
    "AccessionNumber": 0x00080050,
    "Modality": 0x00080060,
    "Manufacturer": 0x00080070,
    "InstitutionName": 0x00080080,
    "InstitutionAddress": 0x00080081,
    "ReferringPhysicianName": 0x00080090,
    "CodeMeaning": 0x00080104,
    "StationName": 0x00081010,
    "StudyDescription": 0x00081030,
    "ProcedureCodeSequence": 0x00081032,
    "SeriesDescription": 0x0008103E,
    "InstitutionalDepartmentName": 0x00081040,
    "PhysiciansOfRecord": 0x00081048,
    "NameOfPhysiciansReadingStudy": 0x00081060,
    "ManufacturerModelName": 0x00081090,
    "ComplexImageComponent": 0x00089208,
    "PatientName": 0x00100010,
    "PatientID": 0x00100020,
    "IssuerOfPatientID": 0x00100021,
    "TypeOfPatientID": 0x00100022,
    "PatientBirthDate": 0x00100030,
    "PatientBirthTime": 0x00100032,
    "PatientSex": 0x00100040,
    "OtherPatientIDs": 0x00101000,
    "PatientAge": 0x00101010,
    "PatientSize": 0x00101020,
    "PatientWeight": 0x00101030,
    "EthnicGroup": 0x00102160,
    "AdditionalPatientHistory": 0x001021B0,
    "PregnancyStatus": 0x001021C0,
    "PatientSpeciesDescription": 0x00102201,
    "PatientComments": 0x00104000,
    "ClinicalTrialSponsorName": 0x00120010,
    "ClinicalTrialProtocolID": 0x00120020,
    "ClinicalTrialSubjectID": 0x00120040,
    "PatientIdentityRemoved": 0x00120062,
    "DeidentificationMethod": 0x00120063,
    "ContrastBolusAgent": 0x00180010,
    "ContrastBolusAgentSequence": 0x00180012,
    "BodyPartExamined": 0x00180015,
    "ScanningSequence": 0x00180020,
    "SequenceVariant": 0x00180021,
    "SliceThickness": 0x00180050,
    "KVP": 0x00180060,
    "RepetitionTime": 0x00180080,
    "EchoTime": 0x00180081,
    "InversionTime": 0x00180082,
    "EchoNumbers": 0x00180086,
    "MagneticFieldStrength": 0x00180087,
    "SpacingBetweenSlices": 0x00180088,
    "DeviceSerialNumber": 0x00181000,
    "GantryID": 0x00181008,
    "SoftwareVersions": 0x00181020,
    "ProtocolName": 0x00181030,
    "ContrastBolusVolume": 0x00181041,
    "ContrastBolusStartTime": 0x00181042,
    "SpatialResolution": 0x00181050,
    "TriggerTime": 0x00181060,
    "GantryDetectorTilt": 0x00181120,
    "ConvolutionKernel": 0x00181210,
    "FlipAngle": 0x00181314,
    "PatientPosition": 0x00185100,
    "FrameAcquisitionDateTime": 0x00189074,
    "DiffusionGradientDirectionSequence": 0x00189076,
    "InversionTimes": 0x00189079,
    "EffectiveEchoTime": 0x00189082,
    "DiffusionBValue": 0x00189087,
    "DiffusionGradientOrientation": 0x00189089,
    "MRTimingAndRelatedParametersSequence": 0x00189112,
    "MREchoSequence": 0x00189114,
    "MRModifierSequence": 0x00189115,
    "MRDiffusionSequence": 0x00189117,
    "CardiacSynchronizationSequence": 0x00189118,
    "MRImageFrameTypeSequence": 0x00189226,
    "CTReconstructionSequence": 0x00189314,
    "CTXRayDetailsSequence": 0x00189325,
    "CTImageFrameTypeSequence": 0x00189329,
    "StudyInstanceUID": 0x0020000D,
    "SeriesInstanceUID": 0x0020000E,
    "StudyID": 0x00200010,
    "SeriesNumber": 0x00200011,
    "AcquisitionNumber": 0x00200012,
    "InstanceNumber": 0x00200013,
    "ImagePositionPatient": 0x00200032,
    "ImageOrientationPatient": 0x00200037,
    "FrameOfReferenceUID": 0x00200052,
    "Laterality": 0x00200060,
    "TemporalPositionIdentifier": 0x00200100,
    "PositionReferenceIndicator": 0x00201040,
    "SliceLocation": 0x00201041,
    "ImageComments": 0x00204000,
    "StackID": 0x00209056,
    "FrameContentSequence": 0x00209111,
    "PlanePositionSequence": 0x00209113,
    "PlaneOrientationSequence": 0x00209116,
    "TemporalPositionIndex": 0x00209128,
    "NominalCardiacTriggerDelayTime": 0x00209153,
    "FrameAcquisitionNumber": 0x00209156,
    "NominalPercentageOfCardiacPhase": 0x00209241,
    "SamplesPerPixel": 0x00280002,
    "PhotometricInterpretation": 0x00280004,
    "NumberOfFrames": 0x00280008,
    "Rows": 0x00280010,
    "Columns": 0x00280011,
    "PixelSpacing": 0x00280030,
    "BitsAllocated": 0x00280100,
    "BitsStored": 0x00280101,
    "HighBit": 0x00280102,
    "PixelRepresentation": 0x00280103,
    "PixelPaddingValue": 0x00280120,
    "PixelPaddingRangeLimit": 0x00280121,
    "RescaleIntercept": 0x00281052,
    "RescaleSlope": 0x00281053,
    "RescaleType": 0x00281054,
    "ModalityLUTSequence": 0x00283000,
    "PixelMeasuresSequence": 0x00289110,
    "PixelValueTransformationSequence": 0x00289145,
    "SharedFunctionalGroupsSequence": 0x52009229,
    "PerFrameFunctionalGroupsSequence": 0x52009230,
    "ExtendedOffsetTable": 0x7FE00001,
    "ExtendedOffsetTableLengths": 0x7FE00002,
    "PixelData": 0x7FE00010,
}
"""Tags of the elements that this program asks for (PS3.6)."""

NAMES = frozenset(("PatientName", "ReferringPhysicianName", "PhysiciansOfRecord", "NameOfPhysiciansReadingStudy"))
"""Those of them that are persons' names; they are asked for as text and as JSON only."""

_CHARACTER_SETS = 0x00080005
_SYNTAX = 0x00020010
# In these the bytes of ASCII mean what they mean in ASCII.
_LIKE_ASCII = frozenset(("", *(f"ISO_IR {number}" for number in (6, 100, 101, 109, 110, 126, 127, 138, 144, 148, 192))))
_EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
_JPEG_SYNTAXES, _RLE_SYNTAX = "1.2.840.10008.1.2.4.", "1.2.840.10008.1.2.5"
_PIXELS = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_DEEPEST = 32
# Representations by the length of their head.
_SHORT = frozenset(b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split())
_LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_TEXTS = frozenset(b"AE AS CS DA DT LO SH TM UI".split())
_LONG_TEXTS = frozenset(b"LT ST UT".split())
_NUMBERS = {b"US": "H", b"SS": "h", b"UL": "L", b"SL": "l", b"FL": "f", b"FD": "d"}
_PRINTABLE = re.compile(rb"[ -~]*")
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_INTEGER = re.compile(r"[+-]?\d+")
_NAME = re.compile(r"[^=\\^]+(\^[^=\\^]+)*")
_head = struct.Struct("<HH2sH").unpack_from
_item = struct.Struct("<HHL").unpack_from
_length = struct.Struct("<L").unpack_from
_FIRST_READ, _MOST_READ = 1 << 13, 1 << 22


class _Unusual(Exception):
    """Something that is left to pydicom."""


class _CutShort(Exception):
    """The bytes end in the middle."""


class PlainHeader:
    """A header whose elements are looked at when they are asked for.

    Attributes
    ----------
    end
        Where the header ends in the file: at the pixels, if there are any.
    original_encoding
        As pydicom's datasets have it: not implicit, little-endian.
    """

    __slots__ = ("_data", "_elements", "_file", "_full", "end")
    preamble = True
    original_encoding = (False, True)

    def __init__(self, file: FileRef, data: bytes, elements: dict[int, tuple[bytes, int, int]], end: int) -> None:
        self._file = file
        self._data = data
        self._elements = elements
        self._full: FileDataset | None = None
        self.end = end

    @property
    def file_meta(self) -> PlainHeader:
        return self

    def __contains__(self, keyword: str) -> bool:
        return TAGS[keyword] in self._elements if keyword in TAGS else keyword in self.full()

    def has(self, tag: int) -> bool:
        """Whether there is such an element; for private ones."""
        return tag in self._elements

    def full(self) -> FileDataset:
        """The header as pydicom reads it.

        Raises
        ------
        BadInput
            If the file can no longer be read.
        """
        if self._full is None:
            import pydicom

            try:
                with self._file.open() as stream:
                    self._full = pydicom.dcmread(stream, stop_before_pixels=True, force=True)
            except (OSError, EOFError, ValueError, NotImplementedError, RecursionError, struct.error) as error:
                raise BadInput(tr("'{file}' can no longer be read.").format(file=self._file.name)) from error
        return self._full

    def plain(self, keyword: str) -> tuple[bool, Any]:
        """(True, value) of a plain element, None for one that is missing or blank; (False, None) for every other."""
        tag = TAGS.get(keyword)
        if tag is None:
            return False, None
        found = self._elements.get(tag)
        if found is None:
            return True, None
        if found[0] == b"PN" and keyword not in NAMES:
            return False, None  # pydicom's names are no texts
        try:
            return True, _value(found[0], self._data[found[1] : found[2]])
        except _Unusual:
            return False, None

    def plain_text(self, keyword: str) -> str | None:
        """A plain element of a textual representation as it is written; None for every other."""
        found = self._elements.get(TAGS.get(keyword, -1))
        if found is None:
            return "" if keyword in TAGS else None
        try:
            value = _value(found[0], self._data[found[1] : found[2]])
        except _Unusual:
            return None
        if found[0] in _TEXTS and isinstance(value, list):
            return "\\".join(value)
        if found[0] in _TEXTS or found[0] in _LONG_TEXTS or found[0] == b"PN":
            return "" if value is None else str(value)
        return "" if value is None else None


def read_plain(file: FileRef, stream: IO[bytes]) -> PlainHeader | None:
    """The header of the DICOM object in ``stream``, which stands at its beginning; None if it is for pydicom."""
    data = stream.read(_FIRST_READ)
    while data[128:132] == b"DICM":
        try:
            elements, end = _elements(data)
        except _Unusual:
            return None
        except _CutShort:
            more = stream.read(len(data)) if len(data) < _MOST_READ else b""
            if not more:
                return None
            data += more
            continue
        return PlainHeader(file, data, elements, end)
    return None


def _elements(data: bytes) -> tuple[dict[int, tuple[bytes, int, int]], int]:
    """Representation, begin and end of every element before the pixels, and where those begin."""
    elements: dict[int, tuple[bytes, int, int]] = {}
    at, last, meta = 132, 0, True
    while True:
        if len(data) < at + 8:
            raise _CutShort  # a file that ends here has no pixels, and is for pydicom
        group, element, representation, length = _head(data, at)
        tag = group << 16 | element
        if meta and group != 2:
            _require_known_syntax(data, elements)
            meta = False
        if tag in _PIXELS:
            if len(data) < at + 12:
                raise _CutShort
            break
        if tag <= last:
            raise _Unusual
        last = tag
        begin, end = _extent(data, at, representation, length, 0)
        elements[tag] = (representation, begin, end)
        at = end
    if meta or _one_text(data, elements, _CHARACTER_SETS) not in _LIKE_ASCII:
        raise _Unusual
    return elements, at


def _extent(data: bytes, at: int, representation: bytes, length: int, depth: int) -> tuple[int, int]:
    """Where the value of the element at ``at`` begins and ends."""
    begin = at + 8
    if representation in _LONG:
        begin = at + 12
        if len(data) < begin:
            raise _CutShort
        (length,) = _length(data, at + 8)
    elif representation not in _SHORT:
        raise _Unusual
    if length == _UNDEFINED:
        if representation != b"SQ":
            raise _Unusual
        return begin, _sequence_end(data, begin, depth)
    if len(data) < begin + length:
        raise _CutShort
    return begin, begin + length


def _sequence_end(data: bytes, at: int, depth: int) -> int:
    """The end of a sequence of undefined length whose items begin at ``at``."""
    if depth > _DEEPEST:
        raise _Unusual
    while True:
        if len(data) < at + 8:
            raise _CutShort
        group, element, length = _item(data, at)
        tag = group << 16 | element
        at += 8
        if tag == _SEQUENCE_END and length == 0:
            return at
        if tag != _ITEM:
            raise _Unusual
        at = at + length if length != _UNDEFINED else _item_end(data, at, depth)


def _item_end(data: bytes, at: int, depth: int) -> int:
    """The end of an item of undefined length whose elements begin at ``at``."""
    while True:
        if len(data) < at + 8:
            raise _CutShort
        group, element, representation, length = _head(data, at)
        if group << 16 | element == _ITEM_END:
            if _length(data, at + 4)[0] != 0:
                raise _Unusual
            return at + 8
        at = _extent(data, at, representation, length, depth + 1)[1]


def _require_known_syntax(data: bytes, elements: dict[int, tuple[bytes, int, int]]) -> None:
    syntax = _one_text(data, elements, _SYNTAX)
    known = syntax in (_EXPLICIT_LITTLE_ENDIAN, _RLE_SYNTAX) or syntax.startswith(_JPEG_SYNTAXES)
    if not known:
        raise _Unusual


def _one_text(data: bytes, elements: dict[int, tuple[bytes, int, int]], tag: int) -> str:
    """One text, empty if it is missing or blank."""
    if tag not in elements:
        return ""
    representation, begin, end = elements[tag]
    found = _value(representation, data[begin:end])
    if found is not None and not isinstance(found, str):
        raise _Unusual
    return found or ""


def _value(representation: bytes, stored: bytes) -> Any:
    """What pydicom makes of an element's bytes: text, a number, a list of several, None for nothing.

    Raises
    ------
    _Unusual
        If that is not certain.
    """
    if representation in _NUMBERS:
        return _binary(_NUMBERS[representation], stored)
    if stored[-1:] == b"\0" and representation != b"AE":
        stored = stored[:-1]
    if _PRINTABLE.fullmatch(stored) is None:
        raise _Unusual
    text = stored.decode("ascii").strip()
    if representation in _LONG_TEXTS:
        return text or None
    if representation == b"PN":
        if text and _NAME.fullmatch(text) is None:
            raise _Unusual
        return text or None
    if representation not in _TEXTS and representation not in (b"DS", b"IS"):
        raise _Unusual
    if not text:
        return None
    parts = text.split("\\")
    if representation == b"DS":
        return _parsed(parts, _DECIMAL, float)
    if representation == b"IS":
        return _parsed(parts, _INTEGER, int)
    if len(parts) == 1:
        return text
    if any(not part or part != part.strip() for part in parts):
        raise _Unusual
    return parts


def _parsed(parts: list[str], written: re.Pattern[str], kind: type[float] | type[int]) -> Any:
    stripped = [part.strip() for part in parts]
    if any(written.fullmatch(part) is None for part in stripped):
        raise _Unusual
    numbers = [kind(part) for part in stripped]
    return numbers[0] if len(numbers) == 1 else numbers


def _binary(code: str, stored: bytes) -> Any:
    size = struct.calcsize("<" + code)
    if len(stored) % size:
        raise _Unusual
    if not stored:
        return None
    numbers = struct.unpack(f"<{len(stored) // size}{code}", stored)
    return numbers[0] if len(numbers) == 1 else list(numbers)
