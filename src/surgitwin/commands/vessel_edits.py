"""Edits of a vessel tree by hand: cut, join, delete, make root, name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from surgitwin.commands.base import Arg, Bench, Command, Document, Work, at_once
from surgitwin.commands.images import describe
from surgitwin.commands.points import numbers_as_text, place
from surgitwin.commands.vessel_nodes import find_tree, tree_document, tree_fields, tree_of
from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr
from surgitwin.scene.nodes import Color, Point, VesselTreeNode

if TYPE_CHECKING:
    from surgitwin.vessels.tree import VesselTree

Action = Literal["cut", "join", "delete", "root", "name", "colour", "confirm"]
NEAR_MM = 10.0  # how far from a vessel a place may be that means one of its points
_TITLES = {
    "cut": tr("Cut vessel: {tree}"),
    "join": tr("Join vessels: {tree}"),
    "delete": tr("Delete branch: {tree}"),
    "root": tr("Root of vessel: {tree}"),
    "name": tr("Name branch: {tree}"),
    "colour": tr("Colour branch: {tree}"),
    "confirm": tr("Confirm names: {tree}"),
}


class EditVessels(Command):
    """Change a vessel tree by hand; undoable."""

    name: ClassVar[str] = "vessel"
    title: ClassVar[str] = tr("Edit a vessel tree")
    summary: ClassVar[str] = tr("Cut, join, delete, make root, name or colour a branch with all beyond it.")

    tree: Annotated[str, Arg(tr("the vessel tree, or its segment"), positional=True)] = Field(min_length=1)
    action: Annotated[
        Action,
        Arg(
            tr(
                "cut (at a place), join (the part at a place to another place), delete (a branch and all beyond it), "
                "root (a place becomes it), name, colour, confirm (suggested names)"
            ),
            positional=True,
        ),
    ]
    branch: Annotated[str, Arg(tr("number or name of the branch"))] = ""
    at: Annotated[str, Arg(tr("x,y,z in LPS mm on the vessel"), unit="mm")] = ""
    to: Annotated[str, Arg(tr("for join: x,y,z in LPS mm on the vessel to join to"), unit="mm")] = ""
    name_: Annotated[str | None, Arg(tr("for name: what the branch and all beyond it are called"), option="name")] = (
        Field(default=None, max_length=200)
    )
    colour: Annotated[str | None, Arg(tr("for colour: R,G,B from 0 to 255"))] = None

    @field_validator("at", "to", mode="before")
    @classmethod
    def _places_as_text(cls, value: Any) -> Any:
        """Scripts may give three numbers."""
        return value if isinstance(value, str) else numbers_as_text((value,))[0]

    def start(self, bench: Bench) -> Work[None]:
        scene = bench.scene
        node = find_tree(scene, self.tree)
        changed = self._changed(tree_of(node))

        def apply() -> Document:
            with bench.transaction(_TITLES[self.action].format(tree=node.name)) as tx:
                tx.set(node.id, **tree_fields(changed), edited=True)
            stored = scene.expect(node.id, VesselTreeNode)
            return {"node": describe(stored), "name": stored.name, **tree_document(stored)}

        return at_once(apply)

    def _changed(self, tree: VesselTree) -> VesselTree:
        """The tree after the action.

        Raises
        ------
        BadInput
            If the branch or the place is missing or is none of the tree.
        """
        from surgitwin.vessels import edit

        actions: dict[str, Callable[[], VesselTree]] = {
            "cut": lambda: edit.cut_at(tree, self._point(tree, self.at, "--at")),
            "join": lambda: edit.join(tree, self._point(tree, self.at, "--at"), self._point(tree, self.to, "--to")),
            "delete": lambda: edit.delete_branch(tree, self._branch(tree)),
            "root": lambda: edit.reroot(tree, self._point(tree, self.at, "--at")),
            "name": lambda: edit.rename(tree, self._branch(tree), self._new_name(), self._new_colour()),
            "colour": lambda: edit.recolor(tree, self._branch(tree), self._wanted_colour()),
            "confirm": lambda: edit.confirm(tree, [self._branch(tree)] if self.branch or self.at else None),
        }
        return actions[self.action]()

    def _branch(self, tree: VesselTree) -> int:
        """The branch by number, name or place."""
        if not self.branch:
            return int(tree.branch[self._point(tree, self.at, "--branch, or --at")])
        if self.branch.isdigit() and int(self.branch) in tree.row_of:
            return int(self.branch)
        named = [branch.id for branch in tree.branches if branch.name.casefold() == self.branch.casefold()]
        if len(named) == 1:
            return named[0]
        if named:
            message = tr("{count} branches are called “{name}”: {ids}. Give the number of the one you mean.")
            ids = ", ".join(str(one) for one in named)
            raise BadInput(message.format(count=len(named), name=self.branch, ids=ids))
        message = tr("There is no branch “{name}” in this tree. It has the numbers {low} to {high}.")
        ids_there = sorted(tree.row_of)
        raise BadInput(message.format(name=self.branch, low=ids_there[0], high=ids_there[-1]))

    def _point(self, tree: VesselTree, text: str, option: str) -> int:
        """The tree's point nearest to a place."""
        if not text:
            raise BadInput(tr("{action} needs {option}.").format(action=self.action, option=option))
        at: Point = place(text, tr("The place"))
        away = np.linalg.norm(tree.points_mm - np.asarray(at), axis=1)
        nearest = int(away.argmin())
        if away[nearest] > max(NEAR_MM, 2 * float(tree.radii_mm[nearest])):
            message = tr("The place {at} is {mm:.0f} mm from the nearest vessel of this tree.")
            raise BadInput(message.format(at=text, mm=away[nearest]))
        return nearest

    def _new_name(self) -> str:
        if self.name_ is None:
            raise BadInput(tr("Give the new name with --name; an empty one takes the name away."))
        return self.name_.strip()

    def _wanted_colour(self) -> Color:
        colour = self._new_colour()
        if colour is None:
            raise BadInput(tr("Give the colour with --colour R,G,B, each from 0 to 255."))
        return colour

    def _new_colour(self) -> Color | None:
        """The colour that was given, if any."""
        if self.colour is None:
            return None
        parts = self.colour.split(",")
        if len(parts) != 3 or not all(part.strip().isdigit() and int(part) <= 255 for part in parts):
            message = tr("A colour is R,G,B, each from 0 to 255, not “{text}”.")
            raise BadInput(message.format(text=self.colour))
        red, green, blue = (int(part) for part in parts)
        return red, green, blue
