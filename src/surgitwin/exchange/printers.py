"""Printing processes: the thinnest wall and the largest part that a printer can make, picked by the user."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr

_FILE = Path(__file__).parent.parent / "resources" / "printers.json"


class PrintProcess(BaseModel):
    """One process, as `resources/printers.json` or a user's own file holds it.

    Attributes
    ----------
    wall_mm
        The thinnest supported wall.
    plate_mm
        Width, depth and height that can be built.
    source
        Where the wall comes from; shown beside it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(min_length=1, max_length=40)
    title: str = ""
    wall_mm: float = Field(gt=0.0, le=50.0)
    plate_mm: tuple[float, float, float]
    plate_of: str = ""
    materials: tuple[str, ...] = ()
    source: str = Field(min_length=1)
    tag: str = ""


def processes(own: Path | None = None) -> dict[str, PrintProcess]:
    """The processes by name; those of a user's own file come last and replace others of their name.

    Raises
    ------
    BadInput
        If the user's file is missing or is not such a file; the sentence names the entry.
    """
    found = _read(_FILE)
    if own is not None:
        for entry in _read(own):
            found = [*(other for other in found if other.name.casefold() != entry.name.casefold()), entry]
    return {entry.name: entry for entry in found}


def process_named(name: str, own: Path | None = None) -> PrintProcess:
    """One process, its name in any case.

    Raises
    ------
    BadInput
        If there is none of this name; the sentence lists those there are.
    """
    known = processes(own)
    if not name.strip():
        message = tr("Choose the printing process, on which the thinnest wall depends, with --process: {names}.")
        raise BadInput(message.format(names=", ".join(known)))
    found = next((entry for entry in known.values() if entry.name.casefold() == name.strip().casefold()), None)
    if found is None:
        message = tr("There is no printing process “{name}”. Choose one with --process: {names}.")
        raise BadInput(message.format(name=name, names=", ".join(known)))
    return found


def _read(path: Path) -> list[PrintProcess]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        entries = content["processes"]
        if not isinstance(entries, list):
            raise TypeError
    except OSError as error:
        message = tr("{file} cannot be read: {cause}.")
        raise BadInput(message.format(file=path, cause=error.strerror or error)) from None
    except (ValueError, KeyError, TypeError):
        message = tr("{file} is no list of printing processes: it should be JSON with a list “processes”.")
        raise BadInput(message.format(file=path.name)) from None
    result: list[PrintProcess] = []
    for number, entry in enumerate(entries, 1):
        try:
            result.append(PrintProcess.model_validate(entry))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "entry"
            message = tr("Process {number} of {file} cannot be used: {where}: {why}.")
            why = str(first["msg"])
            raise BadInput(message.format(number=number, file=path.name, where=where, why=why)) from None
    return result
