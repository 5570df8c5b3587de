"""Reading values from DICOM headers that may be missing, empty or malformed, without ever failing on one of them."""

from __future__ import annotations

import math
import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pydicom
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException
from pydicom.tag import BaseTag

# What pydicom raises when a stored value does not fit its type.
MALFORMED = (
    BytesLengthException,
    ValueError,
    TypeError,
    NotImplementedError,
    KeyError,
    AttributeError,
    struct.error,
    OSError,
    IndexError,
    OverflowError,
)


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Read leniently: pydicom's remarks on odd values quote them, and those may be a patient's."""
    settings = pydicom.config.settings
    before = settings.reading_validation_mode
    settings.reading_validation_mode = pydicom.config.IGNORE
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"pydicom(\..*)?")
            yield
    finally:
        settings.reading_validation_mode = before


def value(dataset: Dataset, keyword: str) -> Any:
    """The value of an element, or None if it is missing, empty or malformed."""
    tag = tag_for_keyword(keyword)
    # Most elements that are asked for are not there, and pydicom's own way to say so costs an exception each.
    if tag is None or tag not in dataset.keys():  # noqa: SIM118 (the dataset itself would wrap the tag first)
        return None
    try:
        found = dataset[BaseTag(tag)].value
    except MALFORMED:
        return None
    return None if found is None or (isinstance(found, str) and not found.strip()) else found


def text(dataset: Dataset, keyword: str) -> str:
    """The element as one line of text; several values are joined by a backslash, as DICOM writes them."""
    found = value(dataset, keyword)
    if found is None:
        return ""
    if isinstance(found, (list, tuple, pydicom.multival.MultiValue)):
        return "\\".join(str(part) for part in found).strip()
    return str(found).strip().strip("\x00")


def texts(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """All values of an element as text."""
    joined = text(dataset, keyword)
    return tuple(part.strip() for part in joined.split("\\")) if joined else ()


def numbers(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    """Exactly ``count`` finite numbers, or None."""
    return as_numbers(value(dataset, keyword), count)


def as_numbers(found: Any, count: int) -> tuple[float, ...] | None:
    if found is None or isinstance(found, (str, bytes)) or not hasattr(found, "__len__") or len(found) != count:
        return None
    try:
        parts = tuple(float(part) for part in found)
    except MALFORMED:
        return None
    return parts if all(math.isfinite(part) for part in parts) else None


def number(dataset: Dataset, keyword: str) -> float | None:
    """One finite number (the first, if there are several), or None."""
    return as_number(value(dataset, keyword))


def as_number(found: Any) -> float | None:
    if isinstance(found, bytes):
        found = found.decode("ascii", "ignore")
    if isinstance(found, str):
        found = found.split("\\")[0].strip()
    elif hasattr(found, "__len__"):
        found = found[0] if len(found) else None
    if found is None:
        return None
    try:
        parsed = float(found)
    except MALFORMED:
        return None
    return parsed if math.isfinite(parsed) else None


def integer(dataset: Dataset, keyword: str) -> int | None:
    found = number(dataset, keyword)
    return None if found is None else round(found)


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence; an empty list if there is none."""
    found = value(dataset, keyword)
    return list(found) if isinstance(found, pydicom.Sequence) else []


def first_item(dataset: Dataset | None, keyword: str) -> Dataset | None:
    found = items(dataset, keyword) if dataset is not None else []
    return found[0] if found else None


def private_number(dataset: Dataset, group: int, element: int) -> float | None:
    """The first number of a private element, whatever representation it was stored in."""
    try:
        found = dataset[group, element].value
    except MALFORMED:
        return None
    if isinstance(found, bytes) and len(found) in (4, 8) and not re.fullmatch(rb"[\d\s.+\-eE\\\x00]*", found):
        return float(struct.unpack("<f" if len(found) == 4 else "<d", found)[0])
    return as_number(found)


def private_bytes(dataset: Dataset, group: int, element: int) -> bytes:
    try:
        found = dataset[group, element].value
    except MALFORMED:
        return b""
    return found if isinstance(found, bytes) else b""


def iso_date(stored: str) -> str:
    """``19500131`` (or the old ``1950.01.31``) as ``1950-01-31``; empty if it is not a date."""
    match = re.match(r"(\d{4})\.?(\d{2})\.?(\d{2})", stored)
    if match is None or not ("01" <= match[2] <= "12" and "01" <= match[3] <= "31"):
        return ""
    return f"{match[1]}-{match[2]}-{match[3]}"


def iso_time(stored: str) -> str:
    """``140352.457`` as ``14:03:52``; empty if it is not a time."""
    match = re.match(r"(\d{2}):?(\d{2})?:?(\d{2})?", stored)
    if match is None or int(match[1]) > 23:
        return ""
    return f"{match[1]}:{match[2] or '00'}:{match[3] or '00'}"


def seconds_of_day(stored: str) -> float | None:
    """A DICOM time (``HHMMSS.ffffff``) or date and time as seconds since midnight."""
    stored = stored[8:] if re.match(r"\d{14}", stored) else stored
    match = re.match(r"(\d{2}):?(\d{2}):?(\d{2})(\.\d+)?", stored)
    if match is None:
        return None
    return int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3]) + float(match[4] or 0)
