"""Checks a case file from end to end: the database, every node, every reference, every chunk of every array."""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import apsw
import numpy as np

from surgitwin.core.ids import NodeId
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.nodes import Node
from surgitwin.storage import failures, reader
from surgitwin.storage.chunks import decode
from surgitwin.storage.connection import connect_to_read, connect_to_write, look, needs_copy
from surgitwin.storage.copies import copy_while_open
from surgitwin.storage.writer import PRESENT, WORKERS

STRUCTURE = frozenset({"parent", "layer"})
"""Fields without whose node a node means nothing; other references may outlive what they name."""
_MOST_ROWS = 100  # of one kind of damage


@dataclass(frozen=True)
class VerifyReport:
    """What `verify` found.

    Attributes
    ----------
    problems
        Damage: something is lost or cannot be trusted.
    remarks
        What is whole but deserves a look, such as a plan whose organ was removed.
    """

    format: int
    nodes: int
    arrays: int
    chunks: int
    versions: int
    problems: tuple[Notice, ...] = ()
    remarks: tuple[Notice, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "format": self.format,
            "nodes": self.nodes,
            "arrays": self.arrays,
            "chunks": self.chunks,
            "versions": self.versions,
            "problems": [problem.as_json() for problem in self.problems],
            "remarks": [remark.as_json() for remark in self.remarks],
        }

    def sentences(self) -> list[str]:
        """The report for a person; the first sentence is the verdict."""
        if self.ok:
            message = tr(
                "The case is whole: {nodes} nodes, {arrays} arrays in {chunks} chunks, {versions} named versions."
            )
            verdict = message.format(nodes=self.nodes, arrays=self.arrays, chunks=self.chunks, versions=self.versions)
        else:
            verdict = tr("The case is damaged in {count} places.").format(count=len(self.problems))
        return [verdict, *(notice.message for notice in (*self.problems, *self.remarks))]


@dataclass
class _Findings:
    """What the checks collect on their way."""

    nodes: int = 0
    arrays: int = 0
    chunks: int = 0
    versions: int = 0
    problems: list[Notice] = field(default_factory=list)
    remarks: list[Notice] = field(default_factory=list)

    def problem(self, code: str, message: str, **details: Any) -> None:
        self.problems.append(Notice(code, message, details))


def verify(path: Path, *, key: str | None = None, ctx: Context | None = None) -> VerifyReport:
    """Check a case file; nothing in it is changed, and it may be open at the same time.

    A case that is open, that a crash interrupted, or that is of an older format is checked in a private copy, as it
    will be when opened.

    Raises
    ------
    BadInput
        If it is not a case at all, or is cut short, newer, or locked with another password.
    """
    path = Path(path)
    ctx = ctx or Context()
    look(path, key)
    if not needs_copy(path, key):
        db = connect_to_read(path, key)
        try:
            return _check(db, ctx)
        except failures.UNREADABLE as error:
            raise failures.not_opened(path, error) from error
        finally:
            db.close()
    with tempfile.TemporaryDirectory(prefix="surgitwin-") as folder:
        db = connect_to_write(copy_while_open(path, Path(folder)), key)
        try:
            return _check(db, ctx)
        except failures.UNREADABLE as error:
            raise failures.not_opened(path, error) from error
        finally:
            db.close()


def _check(db: apsw.Connection, ctx: Context) -> VerifyReport:
    findings = _Findings()
    _check_database(db, findings)
    if not findings.problems:
        numbers = [int(str(number)) for (number,) in db.execute("SELECT id FROM versions ORDER BY id").fetchall()]
        findings.versions = len(numbers) - 1
        for number in numbers:
            _check_nodes(db, number, findings)
        _check_arrays(db, findings, ctx)
    return VerifyReport(
        int(db.pragma("user_version")),
        findings.nodes,
        findings.arrays,
        findings.chunks,
        findings.versions,
        tuple(findings.problems),
        tuple(findings.remarks),
    )


def _check_database(db: apsw.Connection, findings: _Findings) -> None:
    for (text,) in db.execute(f"PRAGMA integrity_check({_MOST_ROWS})").fetchall():
        if text != "ok":
            message = tr("The database is damaged: {text}.").format(text=text)
            findings.problem("database-damaged", message)
    for table, row, parent, _ in db.execute("PRAGMA foreign_key_check").fetchall()[:_MOST_ROWS]:
        message = tr("A row of {table} refers to a row of {parent} that is missing.")
        findings.problem("row-missing", message.format(table=table, parent=parent), row=row)


def _check_nodes(db: apsw.Connection, version: int, findings: _Findings) -> None:
    stored = reader.stored_nodes(db, version)
    where = {} if version == PRESENT else {"version": version}
    present = {one.id for one in stored}
    for one in stored:
        if version == PRESENT:
            findings.nodes += 1
        try:
            node = reader.build_node(one, lambda row: functools.partial(np.empty, 0))
            _check_fields(db, one, node)
        except (ValueError, KeyError, TypeError) as error:
            message = tr("The node {id} cannot be read: {reason}.").format(id=one.id, reason=error)
            findings.problem("node-damaged", message, node=one.id, **where)
            continue
        for name, target in references(node):
            if target in present:
                continue
            message = tr("“{name}” ({type}) refers as {field} to a node that is not in the case.")
            text = message.format(name=node.name, type=node.type_name, field=name)
            found = findings.problems if name in STRUCTURE else findings.remarks
            found.append(Notice("node-missing", text, {"node": node.id, "missing": target, **where}))


def _check_fields(db: apsw.Connection, stored: reader.StoredNode, node: Node) -> None:
    """Raises `ValueError` if the row and its JSON disagree."""
    fields = json.loads(stored.text)
    if (fields["id"], fields["parent"]) != (stored.id, stored.parent):
        raise ValueError("its row and its text name different nodes")
    arrays = node.arrays()
    if set(arrays) != set(stored.arrays):
        raise ValueError("an array of it is not listed")
    for name, array in arrays.items():
        held = reader.stored_array(db, stored.arrays[name])
        if held.grid.shape != array.shape or held.dtype != array.dtype:
            raise ValueError(f"its array {name} has another shape or type in the file")


def references(node: Node) -> Iterator[tuple[str, NodeId]]:
    """Field and target of every reference from ``node`` to another one; origins of results are not references."""
    for name, info in type(node).model_fields.items():
        if name == "id" or not _holds_ids(info.annotation):
            continue
        value = getattr(node, name)
        if isinstance(value, str):
            yield name, NodeId(value)
        elif isinstance(value, tuple):
            yield from ((name, NodeId(one)) for one in value)


def _holds_ids(annotation: Any) -> bool:
    return annotation is NodeId or any(_holds_ids(part) for part in get_args(annotation))


def _check_arrays(db: apsw.Connection, findings: _Findings, ctx: Context) -> None:
    rows = [int(str(row)) for (row,) in db.execute("SELECT DISTINCT array FROM node_arrays ORDER BY array").fetchall()]
    findings.arrays = len(rows)
    checked: set[int] = set()  # chunks that versions share are decompressed once
    with ThreadPoolExecutor(WORKERS) as pool:
        for done, row in enumerate(rows):
            ctx.progress(done / len(rows), tr("Checking arrays"))
            try:
                _check_array(db, row, checked, findings, pool)
            except ValueError as error:
                message = tr("The array {row} is damaged: {reason}.").format(row=row, reason=error)
                findings.problem("array-damaged", message, array=row)
    findings.chunks = len(checked)


def _check_array(
    db: apsw.Connection, row: int, checked: set[int], findings: _Findings, pool: ThreadPoolExecutor
) -> None:
    array = reader.stored_array(db, row)
    listed = dict(db.execute("SELECT position, chunk FROM array_chunks WHERE array=? ORDER BY position", (row,)))
    missing = len(array.grid) - len(listed)
    if missing or set(listed) != set(range(len(array.grid))):
        raise ValueError(f"{abs(missing)} of its {len(array.grid)} chunks are missing or too many")

    def trouble(chunk: tuple[int, bytes]) -> str:
        position, data = chunk
        try:
            decode(data, array.codec, array.grid.chunk_size(position), array.dtype)
        except ValueError as error:
            return str(error)
        return ""

    new = [(int(str(position)), int(str(chunk))) for position, chunk in listed.items() if chunk not in checked]
    for first in range(0, len(new), reader.AT_ONCE):
        part = new[first : first + reader.AT_ONCE]
        chunks = [(at, bytes(db.execute("SELECT data FROM chunks WHERE id=?", (chunk,)).get)) for at, chunk in part]
        for (position, chunk), reason in zip(part, pool.map(trouble, chunks), strict=True):
            checked.add(chunk)
            if reason:
                message = tr("A chunk of the array {row} is damaged: {reason}.").format(row=row, reason=reason)
                details = {"array": row, "position": position, "chunk": chunk}
                findings.problem("chunk-damaged", message, **details)
