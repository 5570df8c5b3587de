"""The table of a batch: one row for each case, as CSV or Parquet; what is not known stays empty."""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr
from surgitwin.exchange.atomic import write_atomically

FIXED = ("case", "status", "note", "step", "message", "warnings", "seconds")
"""The columns that every table has, before those of the recipe."""

SUFFIXES = (".csv", ".parquet")
Row = Mapping[str, Any]


def check_table(path: Path) -> None:
    """Refuse a table that could not be written at the end.

    Raises
    ------
    BadInput
        If its ending is unknown, its folder is missing, or pyarrow is not installed for Parquet.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise BadInput(tr("The table {path} should end in .csv or .parquet.").format(path=path.name))
    if path.is_dir():
        raise BadInput(tr("{path} is a folder; give a file name for the table.").format(path=path))
    if not path.absolute().parent.is_dir():
        raise BadInput(
            tr("There is no folder {path} for the table. Make it first.").format(path=path.absolute().parent)
        )
    if path.suffix.lower() == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        message = tr("{path}: Parquet needs pyarrow: pip install “surgitwin[parquet]”, or name a .csv file.")
        raise BadInput(message.format(path=path.name))


def write_table(path: Path, rows: Sequence[Row], columns: Sequence[str] | None = None) -> None:
    """Write all rows, whole or not at all.

    Parameters
    ----------
    columns
        Those of the recipe, in their order; without them whatever the rows have, in the order in which they appear.
    """
    names = list(FIXED)
    names += [name for row in rows for name in row] if columns is None else list(columns)
    names = list(dict.fromkeys(names))
    if path.suffix.lower() == ".parquet":
        write_atomically(path, lambda part: _write_parquet(part, rows, names))
    else:
        write_atomically(path, lambda part: _write_csv(part, rows, names))


def _write_csv(path: Path, rows: Sequence[Row], names: list[str]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows([[_text(row.get(name)) for name in names] for row in rows])


def _text(value: Any) -> Any:
    """Numbers as Python writes them, without loss and with a decimal point; nothing for None."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else value


def _write_parquet(path: Path, rows: Sequence[Row], names: list[str]) -> None:
    import pyarrow
    from pyarrow import parquet

    columns = {
        name: _column([row.get(name) for row in rows], text=name in FIXED and name != "seconds") for name in names
    }
    parquet.write_table(pyarrow.table(columns), path)


def _column(values: list[Any], *, text: bool) -> Any:
    """One type for the whole column: text if anything in it is text, else float if anything is."""
    import pyarrow

    kinds = {type(value) for value in values if value is not None}
    if text or str in kinds or (bool in kinds and len(kinds) > 1):
        said = [value if value is None or isinstance(value, str) else str(_text(value)) for value in values]
        return pyarrow.array(said, pyarrow.string())
    if kinds == {bool}:
        return pyarrow.array(values, pyarrow.bool_())
    if kinds == {int}:
        return pyarrow.array(values, pyarrow.int64())
    return pyarrow.array([None if value is None else float(value) for value in values], pyarrow.float64())
