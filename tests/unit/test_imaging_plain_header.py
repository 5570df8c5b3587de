"""Headers read without pydicom say what pydicom says, whatever is written in them."""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydicom.datadict import tag_for_keyword

from surgitwin.imaging.dicom_identity import as_json, contrast_of, patient_of, repeated_fields
from surgitwin.imaging.dicom_object import UnreadableFile, _read_with_pydicom, read_header
from surgitwin.imaging.dicom_values import integer, items, number, numbers, private_number, quiet_pydicom, text, texts
from surgitwin.imaging.dicom_values import value as value_of
from surgitwin.imaging.files import FileRef
from surgitwin.imaging.plain_header import NAMES, TAGS, PlainHeader, read_plain

EXPLICIT = b"1.2.840.10008.1.2.1"
CT = b"1.2.840.10008.5.1.4.1.1.2"
LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
WORDS = [word for word in TAGS if TAGS[word] >> 16 > 2]  # those of the meta header stand apart in pydicom
REPRESENTATIONS = sorted({*LONG, *b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split()})


def element(tag: int, representation: bytes, stored: bytes, length: int | None = None) -> bytes:
    length = len(stored) if length is None else length
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, representation)
    return (
        head
        + struct.pack("<HL" if representation in LONG else "<H", *(0, length)[representation not in LONG :])
        + stored
    )


def dicom(elements: bytes, syntax: bytes = EXPLICIT) -> bytes:
    """A file with these elements and a meta header."""
    meta = element(0x00020002, b"UI", CT + b"\0") + element(0x00020010, b"UI", syntax + b"\0" * (len(syntax) % 2))
    return bytes(128) + b"DICM" + element(0x00020000, b"UL", struct.pack("<L", len(meta))) + meta + elements


def file_of(path: Path, data: bytes) -> FileRef:
    path.write_bytes(data)
    return FileRef(path.name, path, len(data))


def told(header: Any, words: Iterable[str] = WORDS) -> dict[str, Any]:
    """Everything that the readers ask of a header; what cannot be asked of it raises, and is left out."""
    asked: dict[str, Callable[[], Any]] = {
        "private": lambda: private_number(header, 0x0019, 0x100C),
        "repeated": lambda: repeated_fields(header),
        "patient": lambda: patient_of(header),
        "contrast": lambda: contrast_of(header),
    }
    for word in words:
        asked |= {
            f"{word} as text": partial(text, header, word),
            f"{word} as texts": partial(texts, header, word),
            f"{word} as JSON": lambda word=word: as_json(value_of(header, word)) or None,
            f"{word} as items": lambda word=word: len(items(header, word)),
            f"{word} there": lambda word=word: word in header,
        }
        if word not in NAMES:
            asked |= {
                f"{word} as number": partial(number, header, word),
                f"{word} as integer": partial(integer, header, word),
                f"{word} as numbers": lambda word=word: [numbers(header, word, count) for count in (1, 2, 3, 6)],
            }
    answers = {}
    with quiet_pydicom():
        for name, ask in asked.items():
            with contextlib.suppress(TypeError, ValueError, AttributeError, NotImplementedError, KeyError, OSError):
                answers[name] = ask()
    return answers


def both(path: Path, data: bytes) -> tuple[PlainHeader | None, Any]:
    file = file_of(path, data)
    with file.open() as stream:
        plain = read_plain(file, stream)
    with quiet_pydicom():
        return plain, pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True, force=True)


NUMBERS = (b"1", b"-12.50 ", b" 3 ", b"1e3", b"+4", b"0x1", b"1_0", b"nan", b"inf", b"1.5\\2.5\\-3 ", b"1\\2")
TEXTS = (b"", b" ", b"\0", b"\\", b"a\\b ", b"a \\ b", b"A^B", b"A^B^", b"^", b"A=B", b"ORIGINAL\\PRIMARY\\AXIAL ")
ODD = (b"1.2.3\0", b"x\0\0", b"a\x1b$Bb", b"\xc4rzte", b"two\r\nlines ", b"101112.5", b"  led", b"12345678901234567.5")
WRITTEN = st.one_of(
    st.sampled_from(NUMBERS + TEXTS + ODD),
    st.binary(max_size=12),
    st.text("0123456789.+-eE\\ ^=Aa\0", max_size=14).map(str.encode),
)
ELEMENT = st.tuples(st.sampled_from(sorted(TAGS)), st.sampled_from(REPRESENTATIONS), WRITTEN)


@pytest.mark.parametrize("word", sorted(TAGS))
def test_every_tag_is_the_standards(word: str) -> None:
    assert TAGS[word] == tag_for_keyword(word)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(ELEMENT, max_size=12),
    st.sampled_from([None, b"", b"ISO_IR 100", b"ISO_IR 192", b"ISO_IR 13", b"\\ISO 2022 IR 87"]),
)
@example([("PatientName", b"PN", b"A^B "), ("PixelSpacing", b"DS", b"0.5\\0.25")], b"ISO_IR 13")
def test_a_plain_header_says_what_pydicom_says(
    tmp_path: Path, written: list[tuple[str, bytes, bytes]], character_set: bytes | None
) -> None:
    by_tag = {TAGS[word]: (representation, stored) for word, representation, stored in written if TAGS[word] >> 16 > 2}
    if character_set is not None:
        by_tag[0x00080005] = (b"CS", character_set + b" " * (len(character_set) % 2))
    by_tag.setdefault(0x0019100C, (b"IS", b"7 "))
    data = dicom(b"".join(element(tag, *by_tag[tag]) for tag in sorted(by_tag) if tag < 0x7FE00008))
    plain, whole = both(tmp_path / "a.dcm", data + element(0x7FE00010, b"OW", bytes(4)))

    if plain is None:
        assert character_set is not None and character_set.strip() not in (b"", b"ISO_IR 100", b"ISO_IR 192")
        return
    words = [word for word in WORDS if TAGS[word] in by_tag] + ["Modality", "ModalityLUTSequence"]
    found, expected = told(plain, words), told(whole, words)
    # A representation that makes no sense for an element may be more than pydicom can answer for.
    assert {name: found.get(name) for name in expected} == expected


def nested() -> bytes:
    """A sequence of undefined length with an item of either kind, one within the other."""
    inner = element(0x00080100, b"SH", b"77") + element(0x00080104, b"LO", b"Head")
    closed = struct.pack("<HHL", 0xFFFE, 0xE000, len(inner)) + inner
    deep = element(0x00081199, b"SQ", closed + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0), 0xFFFFFFFF)
    open_item = struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF) + inner + deep + struct.pack("<HHL", 0xFFFE, 0xE00D, 0)
    return element(0x00081032, b"SQ", closed + open_item + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0), 0xFFFFFFFF)


def slice_of(rest: bytes = b"") -> bytes:
    shown = element(0x00280002, b"US", struct.pack("<H", 1)) + element(0x00280004, b"CS", b"MONOCHROME2 ")
    size = element(0x00280010, b"US", struct.pack("<H", 3)) + element(0x00280011, b"US", struct.pack("<H", 4))
    bits = b"".join(element(0x00280100 + n, b"US", struct.pack("<H", v)) for n, v in enumerate((16, 12, 11, 0)))
    return dicom(
        element(0x00080016, b"UI", CT + b"\0")
        + element(0x00080060, b"CS", b"CT")
        + nested()
        + element(0x00091010, b"UN", b"\1\2\3\4")
        + element(0x0020000E, b"UI", b"1.2.3\0")
        + shown
        + size
        + bits
        + rest
        + element(0x7FE00010, b"OW", bytes(24))
    )


def test_sequences_of_undefined_length_are_passed_over(tmp_path: Path) -> None:
    plain, whole = both(tmp_path / "a.dcm", slice_of())

    assert plain is not None and told(plain) == told(whole)
    assert len(items(plain, "ProcedureCodeSequence")) == 2


def outcome(read: Any, file: FileRef) -> Any:
    try:
        found = read(file)
    except UnreadableFile as error:
        return str(error)
    return None if found is None else (found[0], told(found[1]))


@pytest.mark.parametrize("part", range(8))
def test_a_file_that_is_cut_off_anywhere_is_read_as_by_pydicom(tmp_path: Path, part: int) -> None:
    whole = slice_of()
    for size in range(part, len(whole) + 1, 8):
        file = file_of(tmp_path / "cut.dcm", whole[:size])
        assert outcome(read_header, file) == outcome(_read_with_pydicom, file), size


@pytest.mark.parametrize(
    "odd",
    [
        element(0x00080060, b"CS", b"MR"),  # behind elements with higher tags
        element(0x00283010, b"XX", b"12"),
        element(0x00283010, b"UN", b"1234", 0xFFFFFFFF),
        element(0x00283010, b"OW", b"1234", 5000),
        element(0x00283000, b"SQ", b""),
        element(0x52009229, b"SQ", b""),
    ],
    ids=["order", "representation", "undefined", "too long", "table", "frames"],
)
def test_what_is_odd_is_read_as_by_pydicom(tmp_path: Path, odd: bytes) -> None:
    file = file_of(tmp_path / "odd.dcm", slice_of(odd))
    assert outcome(read_header, file) == outcome(_read_with_pydicom, file)


@pytest.mark.parametrize(
    "syntax", [b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.2", b"1.2.840.10008.1.2.1.99", b"1.2.3", b""]
)
def test_other_encodings_are_left_to_pydicom(tmp_path: Path, syntax: bytes) -> None:
    file = file_of(tmp_path / "a.dcm", dicom(element(0x00080060, b"CS", b"CT"), syntax))
    with file.open() as stream:
        assert read_plain(file, stream) is None
