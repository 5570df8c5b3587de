"""Writes batches into the database, each in one transaction; chunks are shared with named versions until changed."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import apsw

from surgitwin.core.ids import ArrayId
from surgitwin.storage.batches import Batch, NodeRow, to_json
from surgitwin.storage.captures import Capture

WORKERS = min(4, os.cpu_count() or 1)
PRESENT = 0  # the version that is being worked on


@contextlib.contextmanager
def whole(db: apsw.Connection) -> Iterator[None]:
    """A transaction that is committed, and synced, or leaves no trace."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        # After some failures the engine has rolled back by itself, and a drive that fails may fail again here; what
        # was not committed does not count in either case.
        with contextlib.suppress(apsw.Error):
            if db.in_transaction:
                db.execute("ROLLBACK")
        raise


class Writer:
    """Knows which row of table arrays holds each array of the scene; lives on the storage thread."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self.rows: dict[ArrayId, int] = {}

    def write(self, db: apsw.Connection, batch: Batch, between: Callable[[], None] = lambda: None) -> None:
        """Write and sync ``batch``, whole or not at all; ``between`` is called after each chunk."""
        rows = dict(self.rows)
        with whole(db):
            for one in batch.captures:
                rows[one.array.id] = self._array_row(db, one, rows.get(one.array.id))
            for one, position, data in self._encoded(batch.captures):
                put_chunk(db, rows[one.array.id], position, data)
                between()
            for node_id in batch.removed:
                db.execute("DELETE FROM nodes WHERE version=? AND id=?", (PRESENT, node_id))
            for node in batch.nodes:
                put_node(db, node, rows)
            if batch.log:
                insert = "INSERT INTO log(at, who, command, params, inputs) VALUES(?, ?, ?, ?, ?)"
                db.executemany(insert, batch.log)
        self.rows = rows

    def _array_row(self, db: apsw.Connection, one: Capture, row: int | None) -> int:
        if one.whole or row is None:
            values = (one.array.dtype.str, to_json(one.grid.shape), to_json(one.grid.chunk_shape), one.codec)
            db.execute("INSERT INTO arrays(dtype, shape, chunk_shape, codec) VALUES(?, ?, ?, ?)", values)
            return db.last_insert_rowid()
        shared = "SELECT 1 FROM node_arrays WHERE array=? AND version<>?"
        return own_copy(db, row) if db.execute(shared, (row, PRESENT)).get else row

    def _encoded(self, captures: Iterable[Capture]) -> Iterator[tuple[Capture, int, bytes]]:
        """Compressed chunks in order; a few are compressed ahead on the workers."""
        ahead: deque[tuple[Capture, int, Future[bytes]]] = deque()
        for one in captures:
            for position in one.positions:
                ahead.append((one, position, self._pool.submit(one.encoded, position)))
                if len(ahead) > 4 * WORKERS:
                    yield _finished(ahead)
        while ahead:
            yield _finished(ahead)


def _finished(ahead: deque[tuple[Capture, int, Future[bytes]]]) -> tuple[Capture, int, bytes]:
    one, position, data = ahead.popleft()
    return one, position, data.result()


def own_copy(db: apsw.Connection, row: int) -> int:
    """Give the present state a row of its own for an array that a named version holds too; chunks stay shared."""
    copy = "INSERT INTO arrays(dtype, shape, chunk_shape, codec) SELECT dtype, shape, chunk_shape, codec FROM arrays"
    db.execute(copy + " WHERE id=?", (row,))
    own = db.last_insert_rowid()
    db.execute(
        "INSERT INTO array_chunks(array, position, chunk) SELECT ?, position, chunk FROM array_chunks WHERE array=?",
        (own, row),
    )
    db.execute("UPDATE node_arrays SET array=? WHERE array=? AND version=?", (own, row, PRESENT))
    return own


def put_chunk(db: apsw.Connection, row: int, position: int, data: bytes) -> None:
    """Set one chunk; the one before goes at once unless another array row holds it too."""
    at = (row, position)
    before = db.execute("SELECT chunk FROM array_chunks WHERE array=? AND position=?", at).get
    db.execute("INSERT INTO chunks(data) VALUES(?)", (data,))
    chunk = db.last_insert_rowid()
    upsert = "INSERT INTO array_chunks(array, position, chunk) VALUES(?, ?, ?) ON CONFLICT DO UPDATE SET chunk=?"
    db.execute(upsert, (row, position, chunk, chunk))
    if before is not None:
        unused = "NOT EXISTS(SELECT 1 FROM array_chunks WHERE chunk=?)"
        db.execute(f"DELETE FROM chunks WHERE id=? AND {unused}", (before, before))


def put_node(db: apsw.Connection, node: NodeRow, rows: dict[ArrayId, int]) -> None:
    db.execute(
        "INSERT INTO nodes(version, id, type, parent, json, crc) VALUES(?1, ?2, ?3, ?4, ?5, ?6) "
        "ON CONFLICT DO UPDATE SET type=?3, parent=?4, json=?5, crc=?6",
        (PRESENT, node.id, node.type, node.parent, node.text, node.crc),
    )
    db.execute("DELETE FROM node_arrays WHERE version=? AND node=?", (PRESENT, node.id))
    for field, array_id in node.arrays.items():
        db.execute(
            "INSERT INTO node_arrays(version, node, field, array) VALUES(?, ?, ?, ?)",
            (PRESENT, node.id, field, rows[array_id]),
        )


def drop_unused(db: apsw.Connection) -> None:
    """Remove arrays and chunks that no version refers to any more, and give their room back."""
    arrays = "FROM arrays WHERE id NOT IN (SELECT array FROM node_arrays)"
    chunks = "FROM chunks WHERE id NOT IN (SELECT chunk FROM array_chunks)"
    with whole(db):
        for part in (arrays, chunks):
            if db.execute(f"SELECT EXISTS(SELECT 1 {part})").get:
                db.execute(f"DELETE {part}")
    if db.pragma("freelist_count"):
        db.execute("PRAGMA incremental_vacuum").fetchall()  # it frees a page for each row that is fetched
