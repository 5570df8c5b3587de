"""Named versions of a case: Save makes one, Revert returns to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import apsw

from surgitwin.core.ids import NodeId
from surgitwin.scene.edits import AddNode, Edit, RemoveNode
from surgitwin.scene.nodes import Node
from surgitwin.scene.scene import Scene
from surgitwin.storage.batches import now
from surgitwin.storage.writer import PRESENT, whole


@dataclass(frozen=True)
class Version:
    """A state of the case that was given a name."""

    name: str
    made_at: str
    made_by: str


def save_version(db: apsw.Connection, name: str, who: str) -> Version:
    """Keep the present state under ``name``; arrays are shared with it until they change."""
    version = Version(name, now(), who)
    with whole(db):
        insert = "INSERT INTO versions(name, made_at, made_by) VALUES(?, ?, ?)"
        db.execute(insert, (version.name, version.made_at, version.made_by))
        number = db.last_insert_rowid()
        db.execute(
            "INSERT INTO nodes(version, id, type, parent, json, crc) "
            "SELECT ?, id, type, parent, json, crc FROM nodes WHERE version=?",
            (number, PRESENT),
        )
        db.execute(
            "INSERT INTO node_arrays(version, node, field, array) "
            "SELECT ?, node, field, array FROM node_arrays WHERE version=?",
            (number, PRESENT),
        )
    return version


def list_versions(db: apsw.Connection) -> list[Version]:
    """The oldest first."""
    query = "SELECT name, made_at, made_by FROM versions WHERE id<>? ORDER BY id"
    return [Version(name, at, who) for name, at, who in db.execute(query, (PRESENT,))]


def version_number(db: apsw.Connection, name: str) -> int | None:
    found = db.execute("SELECT id FROM versions WHERE name=? AND id<>?", (name, PRESENT)).get
    return None if found is None else int(found)


def revert_edits(scene: Scene, nodes: Iterable[Node]) -> list[Edit]:
    """The edits that make ``scene`` hold exactly ``nodes``, their revisions included.

    A node that differs is removed and added again, so that it keeps the revision it had and results computed from it
    become current again. Arrays that are the same stay in memory.

    Parameters
    ----------
    nodes
        What `CaseFile.load_version` returned for this scene.
    """
    wanted = {node.id: _with_arrays_of(scene, node) for node in nodes}
    gone: list[Edit] = [RemoveNode(node) for node in scene if wanted.get(node.id) != node]
    back = [AddNode(node) for node in wanted.values() if node.id not in scene or scene.node(node.id) != node]
    return [*gone, *back]


def _with_arrays_of(scene: Scene, node: Node) -> Node:
    """``node`` with the scene's own objects for the arrays that both have."""
    if node.id not in scene:
        return node
    present = {array.id: array for array in scene.node(NodeId(node.id)).arrays().values()}
    same = {name: present[array.id] for name, array in node.arrays().items() if array.id in present}
    return node.model_copy(update=same) if same else node
