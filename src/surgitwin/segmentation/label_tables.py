"""Label tables: which value of a label map is which structure. JSON, CSV, and the text files of other programs."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr
from surgitwin.segmentation.palette import Color

_VALUE_WORDS = ("value", "label", "id", "index", "idx", "key", "labelvalue", "label value", "label id", "number")
_NAME_WORDS = ("name", "structure", "segment", "label name", "labelname", "text", "description", "class", "meaning")
_LARGEST = 65535


@dataclass(frozen=True)
class LabelTable:
    """Names and, where the file gives them, colours (sRGB, 0 to 255) by label value; 0 is background."""

    names: dict[int, str] = field(default_factory=dict)
    colors: dict[int, Color] = field(default_factory=dict)


def read_label_table(path: Path) -> LabelTable:
    """Read a label table.

    Understood are: JSON (``{"1": "liver"}``, ``{"liver": 1}``, either under ``"labels"``, a list of objects with
    ``value``, ``name`` and perhaps ``color``), CSV and TSV with or without a header, ITK-SNAP label descriptions,
    3D Slicer colour tables, and lines such as ``1 liver`` or ``1: liver``.

    Raises
    ------
    BadInput
        If the file cannot be read as any of them, gives a value two names, or names no value from 1 to 65535.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        message = tr("The label table {file} cannot be read: {cause}.")
        raise BadInput(message.format(file=path.name, cause=error.strerror or error)) from None
    except UnicodeDecodeError:
        raise BadInput(
            tr("The label table {file} is not text; give JSON, CSV or text.").format(file=path.name)
        ) from None
    if "\x00" in text:
        raise BadInput(tr("The label table {file} is not text; give JSON, CSV or text.").format(file=path.name))
    rows = _json_rows(text, path) if _looks_like_json(text, path) else _text_rows(text, path)
    return _table(rows, path)


Row = tuple[Any, Any, Any]  # value, name, colour or None


def _looks_like_json(text: str, path: Path) -> bool:
    return path.suffix.lower() == ".json" or text.lstrip()[:1] in ("{", "[")


def _table(rows: list[Row], path: Path) -> LabelTable:
    names: dict[int, str] = {}
    colors: dict[int, Color] = {}
    for raw_value, raw_name, raw_color in rows:
        value = _integer(raw_value)
        if value is None or not 0 <= value <= _LARGEST or not isinstance(raw_name, str):
            message = tr(
                "The label table {file} gives {name!r} to {value!r}; a label is a whole number from 0 to {top}."
            )
            raise BadInput(message.format(file=path.name, name=raw_name, value=raw_value, top=_LARGEST))
        name = raw_name.strip()
        if value == 0 or not name:
            continue
        if names.setdefault(value, name) != name:
            message = tr("The label table {file} gives the value {value} two names: '{first}' and '{second}'.")
            raise BadInput(message.format(file=path.name, value=value, first=names[value], second=name))
        color = _color(raw_color)
        if color is not None:
            colors[value] = color
    if not names:
        message = tr("The label table {file} names no value; it may look like {example}.")
        raise BadInput(message.format(file=path.name, example='{"1": "liver", "2": "spleen"}'))
    return LabelTable(names, colors)


def _json_rows(text: str, path: Path) -> list[Row]:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        message = tr("The label table {file} is not valid JSON: {cause} in line {line}.")
        raise BadInput(message.format(file=path.name, cause=error.msg, line=error.lineno)) from None
    if isinstance(document, dict):
        for key in ("labels", "segments", "label_table"):
            if isinstance(document.get(key), (dict, list)):
                document = document[key]
                break
    if isinstance(document, list):
        return [_object_row(entry, None, path) for entry in document]
    if isinstance(document, dict):
        return [_pair_row(key, entry, path) for key, entry in document.items()]
    return []


def _pair_row(key: str, entry: Any, path: Path) -> Row:
    """A member of a JSON object: value to name, name to value, or value to an object."""
    if isinstance(entry, dict):
        return _object_row(entry, key, path)
    if _integer(key) is None and _integer(entry) is not None:
        return entry, key, None
    return key, entry, None


def _object_row(entry: Any, key: str | None, path: Path) -> Row:
    if not isinstance(entry, dict):
        message = tr("The label table {file} lists {entry!r} where an object with 'value' and 'name' belongs.")
        raise BadInput(message.format(file=path.name, entry=entry))
    lower = {str(name).lower(): content for name, content in entry.items()}
    key_is_value = key is not None and _integer(key) is not None
    value = key if key_is_value else next((lower[word] for word in _VALUE_WORDS if word in lower), None)
    name = next((lower[word] for word in _NAME_WORDS if word in lower), None if key_is_value else key)
    return value, name, lower.get("color", lower.get("colour", lower.get("rgb")))


def _text_rows(text: str, path: Path) -> list[Row]:
    lines = [line.strip() for line in text.splitlines()]
    lines = [
        line for line in lines if line and not line.startswith(("#", "//")) and not re.fullmatch(r"[|\s:+-]+", line)
    ]
    if not lines:
        return []
    delimiter = next((mark for mark in ("\t", ";", ",") if all(mark in line for line in lines)), None)
    if delimiter is not None:
        return _csv_rows(lines, delimiter, path)
    return [row for line in lines if (row := _line_row(line, path)) is not None]


def _csv_rows(lines: list[str], delimiter: str, path: Path) -> list[Row]:
    table = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter)]
    header = [re.sub(r"[_-]", " ", cell.lower()) for cell in table[0]]
    if any(_integer(cell) is not None for cell in table[0]):
        # No header: the column of whole numbers is the value, the other one the name.
        value_column = 0 if _integer(table[0][0]) is not None else 1
        name_column = 1 - value_column
        color_columns = [2, 3, 4] if len(table[0]) >= 5 else []
    else:
        value_column = next((header.index(word) for word in _VALUE_WORDS if word in header), -1)
        name_column = next(
            (header.index(word) for word in _NAME_WORDS if word in header and header.index(word) != value_column), -1
        )
        color_columns = _color_columns(header)
        table = table[1:]
        if value_column < 0 or name_column < 0:
            message = tr("The label table {file} has the columns {columns}; it needs one 'value' and one 'name'.")
            raise BadInput(message.format(file=path.name, columns=", ".join(header)))
    rows: list[Row] = []
    for cells in table:
        if max(value_column, name_column) >= len(cells):
            raise BadInput(_unreadable(path, delimiter.join(cells)))
        color = [cells[c] for c in color_columns] if color_columns and max(color_columns) < len(cells) else None
        rows.append((cells[value_column], cells[name_column], color[0] if color and len(color) == 1 else color))
    return rows


def _color_columns(header: list[str]) -> list[int]:
    for names in (("r", "g", "b"), ("red", "green", "blue"), ("color",), ("colour",), ("rgb",)):
        if all(name in header for name in names):
            return [header.index(name) for name in names]
    return []


def _line_row(line: str, path: Path) -> Row | None:
    snap = re.fullmatch(r'(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+[\d.]+\s+\d+\s+\d+\s+"(.*)"', line)
    if snap:  # ITK-SNAP: value, red, green, blue, alpha, two visibilities, "name"
        return snap.group(1), "" if snap.group(1) == "0" else snap.group(5), [snap.group(c) for c in (2, 3, 4)]
    slicer = re.fullmatch(r"(\d+)\s+(\S+)\s+(\d+)\s+(\d+)\s+(\d+)\s+\d+", line)
    if slicer:  # 3D Slicer: value, name without spaces, red, green, blue, alpha
        return slicer.group(1), slicer.group(2), [slicer.group(c) for c in (3, 4, 5)]
    row = line.strip("|").strip()
    pair = re.fullmatch(r"\"?(\d+)\"?\s*[:=|,;\t ]\s*(.+)", row)
    if pair:
        return pair.group(1), pair.group(2).strip(" '\",|"), None
    if line.startswith("|"):  # the heading of a Markdown table
        return None
    raise BadInput(_unreadable(path, line))


def _unreadable(path: Path, line: str) -> str:
    message = tr("The label table {file} cannot be read at '{line}'; a line may look like '1 liver' or '1,liver'.")
    return message.format(file=path.name, line=line[:60])


def _integer(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d+(\.0*)?\s*", value):
        return int(float(value))
    return None


def _color(value: Any) -> Color | None:
    """A colour from ``#rrggbb``, ``r,g,b`` text or three numbers (0 to 255, or fractions)."""
    if isinstance(value, str):
        if re.fullmatch(r"#[0-9a-fA-F]{6}", value.strip()):
            code = value.strip()[1:]
            return int(code[0:2], 16), int(code[2:4], 16), int(code[4:6], 16)
        value = value.replace(",", " ").split()
    if not isinstance(value, (list, tuple)) or len(value) < 3:
        return None
    try:
        channels = [float(channel) for channel in value[:3]]
    except (TypeError, ValueError):
        return None
    fractions = all(0 <= c <= 1 for c in channels) and any(not c.is_integer() for c in channels)
    red, green, blue = (min(max(round(c * 255 if fractions else c), 0), 255) for c in channels)
    return red, green, blue
