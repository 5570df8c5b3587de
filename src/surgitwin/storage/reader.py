"""Reads nodes and arrays out of the database; arrays only when they are asked for."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import apsw
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from surgitwin.core.ids import ArrayId, NodeId
from surgitwin.scene.nodes import NODE_TYPES, Node
from surgitwin.storage import failures
from surgitwin.storage.batches import LogRow, checksum
from surgitwin.storage.chunks import ChunkGrid, decode

T = TypeVar("T")
Loader = Callable[[], NDArray[Any]]
Rename = Callable[[ArrayId, int, bool], ArrayId]
AT_ONCE = 32  # chunks that are fetched in one question to the storage thread


class Ask(Protocol):
    """Has a question to the database answered by the thread that owns it."""

    def __call__(self, question: Callable[[apsw.Connection], T]) -> T: ...


@dataclass(frozen=True)
class StoredNode:
    """A row of table nodes, with the array rows of its fields."""

    id: NodeId
    type: str
    parent: NodeId | None
    text: str
    crc: int
    arrays: dict[str, int]


@dataclass(frozen=True)
class StoredArray:
    """A row of table arrays."""

    row: int
    dtype: np.dtype[Any]
    grid: ChunkGrid
    codec: str


def stored_nodes(db: apsw.Connection, version: int) -> list[StoredNode]:
    arrays: dict[str, dict[str, int]] = {}
    for node, field, row in db.execute("SELECT node, field, array FROM node_arrays WHERE version=?", (version,)):
        arrays.setdefault(node, {})[field] = row
    # As bytes: damaged text must not keep the other nodes from being read; its checksum tells.
    columns = "id, type, parent, CAST(json AS BLOB), crc"
    rows = db.execute(f"SELECT {columns} FROM nodes WHERE version=? ORDER BY id", (version,))
    return [
        StoredNode(node, kind, parent, (json_text or b"").decode("utf-8", "replace"), crc, arrays.get(node, {}))
        for node, kind, parent, json_text, crc in rows
    ]


def array_ids(stored: StoredNode) -> dict[ArrayId, int]:
    """The id of each array of a stored node, and the row that holds it."""
    fields = json.loads(stored.text)
    return {ArrayId(fields[field]["array"]): row for field, row in stored.arrays.items()}


def build_node(stored: StoredNode, loader_of: Callable[[int], Loader], rename: Rename | None = None) -> Node:
    """Turn a row into a node whose arrays load themselves.

    Parameters
    ----------
    rename
        Gives the id that an array shall have in the scene, from its stored id, its row, and whether it is constant.

    Raises
    ------
    ValueError
        With the reason, if the row is damaged or of a type that this version does not know.
    """
    if checksum(stored.text) != stored.crc:
        raise ValueError("its checksum differs")
    if stored.type not in NODE_TYPES:
        raise ValueError(f"its type “{stored.type}” is unknown")
    fields = json.loads(stored.text)
    rows: dict[ArrayId, int] = {}
    for field, row in stored.arrays.items():
        value = fields[field]
        array_id = ArrayId(value["array"])
        if rename is not None:
            array_id = value["array"] = rename(array_id, row, bool(value["constant"]))
        rows[array_id] = row
    try:
        context = {"array_loader": lambda array_id: loader_of(rows[array_id])}
        return NODE_TYPES[stored.type].model_validate(fields, context=context)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from error


def build_nodes(
    path: Path,
    stored: Iterable[StoredNode],
    loader_of: Callable[[int], Loader],
    rename: Rename | None = None,
) -> list[Node]:
    """`build_node` for all; a bad one gives the sentence for a damaged file."""
    nodes: list[Node] = []
    for one in stored:
        try:
            nodes.append(build_node(one, loader_of, rename))
        except (ValueError, KeyError, TypeError) as error:
            raise failures.damaged(path, f"node {one.id}: {error}") from error
    return nodes


def log_rows(db: apsw.Connection) -> list[LogRow]:
    """The log of commands, the oldest line first."""
    query = "SELECT at, who, command, params, inputs FROM log ORDER BY id"
    return [
        LogRow(at, who, command, json.loads(params), json.loads(inputs))
        for at, who, command, params, inputs in db.execute(query)
    ]


def stored_array(db: apsw.Connection, row: int) -> StoredArray:
    """Raises `ValueError` if there is no such row or its text is damaged."""
    found = db.execute("SELECT dtype, shape, chunk_shape, codec FROM arrays WHERE id=?", (row,)).fetchall()
    if not found:
        raise ValueError(f"array {row} is missing")
    dtype, shape, chunk_shape, codec = found[0]
    try:
        grid = ChunkGrid(tuple(map(int, json.loads(str(shape)))), tuple(map(int, json.loads(str(chunk_shape)))))
        return StoredArray(row, np.dtype(str(dtype)), grid, str(codec))
    except TypeError as error:
        raise ValueError(f"array {row} is described wrongly") from error


def stored_chunks(db: apsw.Connection, row: int, first: int, count: int) -> list[tuple[int, bytes]]:
    """The compressed chunks at positions ``first`` to ``first + count - 1``."""
    query = (
        "SELECT position, data FROM array_chunks JOIN chunks ON chunks.id=array_chunks.chunk "
        "WHERE array=? AND position>=? AND position<? ORDER BY position"
    )
    return [(position, data) for position, data in db.execute(query, (row, first, first + count))]


def read_array(path: Path, row: int, ask: Ask, pool: ThreadPoolExecutor) -> NDArray[Any]:
    """Read one array; a few chunks at a time, decompressed on the workers.

    Raises
    ------
    BadInput
        If a chunk is missing or damaged.
    """
    try:
        array = ask(functools.partial(stored_array, row=row))
        grid = array.grid
        whole = np.empty(grid.shape, array.dtype)

        def place(chunk: tuple[int, bytes]) -> None:
            position, data = chunk
            whole[grid.slices(position)] = decode(data, array.codec, grid.chunk_size(position), array.dtype)

        for first in range(0, len(grid), AT_ONCE):
            chunks = ask(functools.partial(stored_chunks, row=row, first=first, count=AT_ONCE))
            if len(chunks) != min(AT_ONCE, len(grid) - first):
                raise ValueError(f"a part of array {row} is missing")
            list(pool.map(place, chunks))
        return whole
    except UnicodeDecodeError as error:
        raise failures.damaged(path) from error
    except ValueError as error:
        raise failures.damaged(path, str(error)) from error
    except failures.UNREADABLE as error:
        raise failures.not_opened(path, error) from error
