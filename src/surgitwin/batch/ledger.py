"""What a batch has done, as lines beside its table, so that a second run skips it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from surgitwin import __version__
from surgitwin.batch.cases import Case, Prepared
from surgitwin.core.durable import sync_folder
from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr

SUFFIX = ".ledger.jsonl"


@dataclass(frozen=True)
class Entry:
    """What is known of one case.

    Attributes
    ----------
    recipe
        The token of the recipe.
    states
        What the case file and each input looked like afterwards; see `state_of`.
    outputs
        Files that the recipe writes for it.
    row
        Its row in the table.
    """

    case: str
    recipe: str
    status: Literal["started", "done", "failed"]
    states: Mapping[str, str | None] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    row: Mapping[str, Any] = field(default_factory=dict)
    program: str = __version__


class Ledger:
    """Lines of a file, one for each thing that happened to a case; the last one of a case holds.

    A line is on the disk when `add` returns. One that a crash has cut short is not read: its case is done again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def beside(cls, table: Path) -> Ledger:
        return cls(table.with_name(table.stem + SUFFIX))

    def read(self) -> dict[str, Entry]:
        """The latest entry of each case, by its key.

        Raises
        ------
        BadInput
            If the file cannot be read.
        """
        if not self.path.exists():
            return {}
        try:
            lines = self.path.read_bytes().splitlines()
        except OSError as error:
            raise BadInput(tr("{file} cannot be read: {cause}.").format(file=self.path, cause=error.strerror)) from None
        entries = [entry for entry in map(_entry, lines) if entry is not None]
        return {entry.case: entry for entry in entries}

    def add(self, entry: Entry) -> None:
        """Write a line; on the disk when this returns.

        Raises
        ------
        BadInput
            If it cannot be written.
        """
        line = json.dumps(asdict(entry), ensure_ascii=False).encode("utf-8") + b"\n"
        try:
            new = not self.path.exists()
            with self.path.open("ab+") as file:
                if file.tell():
                    file.seek(-1, os.SEEK_END)
                    line = line if file.read(1) == b"\n" else b"\n" + line
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            if new:
                sync_folder(self.path.absolute().parent)
        except OSError as error:
            message = tr("{file} cannot be written: {cause}.")
            raise BadInput(message.format(file=self.path, cause=error.strerror or error)) from None


def _entry(line: bytes) -> Entry | None:
    try:
        content = json.loads(line)
        return Entry(**{**content, "outputs": tuple(content["outputs"])})
    except (ValueError, TypeError, KeyError):
        return None


def state_of(path: Path) -> str | None:
    """What tells whether a file or folder was changed: sizes and times of change; None if it cannot be seen.

    The write-ahead log that a crash leaves beside a case counts as a part of it.
    """
    try:
        if path.is_dir():
            return _state_of_folder(path)
        stat = path.stat()
        state = f"{stat.st_size} {stat.st_mtime_ns}"
        log = path.with_name(path.name + "-wal")
        return f"{state} {log.stat().st_size} {log.stat().st_mtime_ns}" if log.exists() else state
    except OSError:  # missing, or closed to us: whoever works on it will say so
        return None


def _state_of_folder(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            stat = path.stat()
            line = f"{path.relative_to(folder).as_posix()} {stat.st_size} {stat.st_mtime_ns}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def states_of(case: Case, prepared: Prepared) -> dict[str, str | None]:
    """The state of the case file and of every input, by path."""
    paths = [*([case.path] if case.path is not None else []), *prepared.inputs]
    return {str(path): state_of(path) for path in paths}


def why_again(entry: Entry | None, recipe: str, states: Mapping[str, str | None]) -> str | None:
    """None if the case is done and nothing has changed since; else a sentence that says why it is done again.

    The sentence is empty for a case that was never begun.
    """
    if entry is None:
        return ""
    if entry.status == "started":
        return tr("Done again: an earlier run was interrupted.")
    if entry.status == "failed":
        return tr("Tried again after it had failed.")
    if entry.recipe != recipe:
        return tr("Done again: the recipe has changed.")
    if entry.program != __version__:
        return tr("Done again: version {old} had done it.").format(old=entry.program)
    changed = [path for path, state in states.items() if state is None or entry.states.get(path) != state]
    if changed:
        return tr("Done again: {file} has changed since.").format(file=changed[0])
    missing = [path for path in entry.outputs if not Path(path).exists()]
    if missing:
        return tr("Done again: {file} is missing.").format(file=missing[0])
    return None
