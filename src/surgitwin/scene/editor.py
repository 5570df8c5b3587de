"""The only write path: a named transaction that is finished whole, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box
from surgitwin.core.ids import NodeId, new_revision
from surgitwin.core.signals import Signal
from surgitwin.core.text import tr
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.edits import AddNode, Edit, Entry, PatchArray, RemoveNode, SetField
from surgitwin.scene.history import History
from surgitwin.scene.nodes import LabelLayerNode, Node
from surgitwin.scene.scene import Modified, Scene, SceneChanged
from surgitwin.scene.signing import approvals_to_end


class Journal(Protocol):
    """Where finished changes are kept; the case file."""

    def append(self, entry: Entry, scene: Scene) -> None:
        """Take the change over; called on the main thread after the scene has changed."""


class Transaction:
    """Collects edits; each is applied at once, so that later ones see it."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.edits: list[Edit] = []
        self._bumped = 0  # edits before this one have their new revisions already

    def add(self, node: Node) -> Node:
        if node.id in self._scene:
            raise BadInput(tr("The node {id} is in the case already.").format(id=node.id))
        self._do(AddNode(node))
        return node

    def remove(self, node_id: NodeId) -> None:
        """Remove a node and everything below it."""
        node = self._scene.node(node_id)
        for below in reversed(self._scene.descendants(node_id)):
            self._do(RemoveNode(below))
        self._do(RemoveNode(node))

    def set(self, node_id: NodeId, **fields: Any) -> None:
        """Set fields of a node; the values are validated as the node's type says."""
        node = self._scene.node(node_id)
        checked = type(node).model_validate({**dict(node), **fields})
        for name in fields:
            old, new = getattr(node, name), getattr(checked, name)
            if old != new:
                self._do(SetField(node_id, name, old, new))

    def patch(
        self,
        node_id: NodeId,
        field: str,
        box: Box,
        values: NDArray[Any] | int,
        mask: NDArray[np.bool_] | None = None,
    ) -> None:
        """Replace the voxels of ``box`` (where ``mask`` is true) in an array of a node.

        Parameters
        ----------
        values, mask
            Of the box's shape [k, j, i]; ``values`` may be one number.
        """
        array = self._scene.node(node_id).arrays()[field]
        if array.constant:
            raise BadInput(tr("The voxels of “{name}” cannot be edited.").format(name=self._scene.node(node_id).name))
        before = array.read()[box.slices].copy()
        after = np.broadcast_to(np.asarray(values, dtype=array.dtype), before.shape)
        if mask is not None:
            after = np.where(mask, after, before)
        patch = PatchArray.between(node_id, field, box, before, after)
        if patch is not None:
            self._do(patch)

    def carry_out(self, edits: Iterable[Edit]) -> None:
        """Carry out edits that were worked out elsewhere, such as those that bring back a named version."""
        for edit in edits:
            self._do(edit)

    def bump_revisions(self) -> None:
        """Give a new revision to every node whose content changed since the last call; the end of a step calls it.

        What was approved and has changed is a draft again.
        """
        changed = self._changed_content()
        for node in approvals_to_end(self._scene, self.edits[self._bumped :], changed):
            self.set(node.id, status="draft", sign_off=None)
        self._bumped = len(self.edits)
        for node_id in changed:
            if node_id in self._scene:
                old = self._scene.node(node_id).revision
                self._do(SetField(node_id, "revision", old, new_revision()))

    def rollback(self) -> None:
        for edit in reversed(self.edits):
            self._scene.apply(edit.inverse())
        self.edits.clear()
        self._bumped = 0

    def _do(self, edit: Edit) -> None:
        self._scene.apply(edit)
        self.edits.append(edit)

    def _changed_content(self) -> list[NodeId]:
        added = {edit.node.id for edit in self.edits if isinstance(edit, AddNode)}
        changed: dict[NodeId, None] = {}
        for edit in self.edits[self._bumped :]:
            if isinstance(edit, SetField) and edit.field not in type(self._scene_node(edit.node_id)).quiet_fields:
                changed[edit.node_id] = None
                if isinstance(edit.new, ArrayData):  # of a label layer: any voxel of its segments may differ
                    changed.update(dict.fromkeys(s.id for s in self._scene.segments_of_layer(edit.node_id)))
            elif isinstance(edit, PatchArray):
                changed[edit.node_id] = None
                changed.update(dict.fromkeys(self._segments_in(edit)))
        return [node_id for node_id in changed if node_id not in added]

    def _scene_node(self, node_id: NodeId) -> Node:
        if node_id in self._scene:
            return self._scene.node(node_id)
        return next(e.node for e in self.edits if isinstance(e, RemoveNode) and e.node.id == node_id)

    def _segments_in(self, edit: PatchArray) -> list[NodeId]:
        """The segments whose voxels a patch of a label layer touched; others keep their revision."""
        if not isinstance(self._scene_node(edit.node_id), LabelLayerNode):
            return []
        return [s.id for s in self._scene.segments_of_layer(edit.node_id) if s.value in edit.values]


class Editor:
    """Changes a scene, remembers how to undo it, and tells the case file and the views.

    Parameters
    ----------
    journal
        The case file, or ``None`` for a scene that lives in memory only.
    """

    def __init__(self, scene: Scene, history: History | None = None, journal: Journal | None = None) -> None:
        self.scene = scene
        self.history = history or History()
        self.journal = journal
        self.changed: Signal[SceneChanged] = Signal()
        self._open = False

    @contextmanager
    def transaction(self, name: str) -> Iterator[Transaction]:
        """Change the scene as one named, undoable step.

        Raises
        ------
        RuntimeError
            If another transaction is open: one step cannot hide inside another.
        """
        if self._open:
            raise RuntimeError(f"“{name}” was started while another change was open.")
        self._open = True
        transaction = Transaction(self.scene)
        try:
            try:
                yield transaction
                transaction.bump_revisions()
            except BaseException:
                transaction.rollback()
                raise
            if transaction.edits:
                entry = Entry(name, tuple(transaction.edits))
                self._keep(entry, undo_in_memory=transaction.rollback)
                self.history.push(entry)
        finally:
            self._open = False
        if transaction.edits:
            self.changed.emit(summary(entry))

    def undo(self) -> str | None:
        """Undo the latest change and return its name, or ``None`` if there is none."""
        entry = self.history.next_undo()
        if entry is None:
            return None
        self._replay(entry.inverse(tr("Undo: {name}").format(name=entry.name)), self.history.mark_undone)
        return entry.name

    def redo(self) -> str | None:
        """Do the latest undone change again and return its name, or ``None`` if there is none."""
        entry = self.history.next_redo()
        if entry is None:
            return None
        self._replay(Entry(tr("Redo: {name}").format(name=entry.name), entry.edits), self.history.mark_redone)
        return entry.name

    def _replay(self, entry: Entry, mark: Callable[[], None]) -> None:
        """Carry out ``entry``; the history knows of it by ``mark`` before anybody hears of the change."""
        if self._open:
            raise RuntimeError("Undo and redo cannot run inside a change.")
        for edit in entry.edits:
            self.scene.apply(edit)

        def take_back() -> None:
            for edit in reversed(entry.edits):
                self.scene.apply(edit.inverse())

        self._keep(entry, undo_in_memory=take_back)
        mark()
        self.changed.emit(summary(entry))

    def _keep(self, entry: Entry, undo_in_memory: Any) -> None:
        """Hand the change to the case file; if it cannot take it, the scene goes back too."""
        if self.journal is None:
            return
        try:
            self.journal.append(entry, self.scene)
        except BaseException:
            undo_in_memory()
            raise


def summary(entry: Entry) -> SceneChanged:
    """Sort the nodes that an entry touched into created, modified and deleted; each is in one group."""
    created: dict[NodeId, None] = {}
    deleted: dict[NodeId, None] = {}
    modified: dict[NodeId, Modified] = {}
    for edit in entry.edits:
        if isinstance(edit, AddNode):
            if edit.node_id in deleted:
                del deleted[edit.node_id]
                modified[edit.node_id] = Modified(frozenset(type(edit.node).model_fields))
            else:
                created[edit.node_id] = None
        elif isinstance(edit, RemoveNode):
            modified.pop(edit.node_id, None)
            if edit.node_id in created:
                del created[edit.node_id]
            else:
                deleted[edit.node_id] = None
        elif edit.node_id not in created:
            before = modified.get(edit.node_id, Modified(frozenset()))
            box = edit.box if isinstance(edit, PatchArray) else None
            both = before.box.union(box) if before.box and box else before.box or box
            modified[edit.node_id] = Modified(before.fields | {edit.field}, both)
    return SceneChanged(entry.name, tuple(created), modified, tuple(deleted))
