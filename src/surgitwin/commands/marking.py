"""Named places of the patient that implants are fitted by."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from surgitwin.commands.base import Arg, Bench, Command, Document, Work, at_once
from surgitwin.commands.images import describe
from surgitwin.commands.points import place
from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr
from surgitwin.scene.nodes import LandmarkNode, VolumeNode


class MarkPlace(Command):
    """Put a landmark at a place, or move the one of that name; what was fitted by it becomes out of date."""

    name: ClassVar[str] = "mark"
    title: ClassVar[str] = tr("Mark a landmark")
    summary: ClassVar[str] = tr("Put a named landmark at a place, such as asis_right for the angles of a cup.")

    name_: Annotated[
        str,
        Arg(
            tr(
                "what it is called; the pelvis has asis_right, asis_left, pubic_tubercle_right and "
                "pubic_tubercle_left; one of that name is moved"
            ),
            option="name",
        ),
    ] = Field(min_length=1, max_length=200)
    at: Annotated[str, Arg(tr("where: x,y,z in LPS mm"), unit="mm")]

    def start(self, bench: Bench) -> Work[Any]:
        scene = bench.scene
        if not self.name_.strip():
            raise BadInput(tr("A landmark needs a name, such as asis_right."))
        where = place(self.at, tr("The landmark"))
        wanted = self.name_.strip().casefold()
        there = next((one for one in scene.of_type(LandmarkNode) if one.name.casefold() == wanted), None)
        frames = [one.identity.frame_of_reference_uid for one in scene.of_type(VolumeNode)]

        def apply() -> Document:
            with bench.transaction(tr("Mark {name}").format(name=self.name_.strip())) as tx:
                if there is not None:
                    tx.set(there.id, position_mm=where)
                    node = scene.expect(there.id, LandmarkNode)
                else:
                    node = LandmarkNode(
                        name=self.name_.strip(), parent=scene.case.id, position_mm=where,
                        frame_of_reference_uid=frames[0] if frames else "",
                    )  # fmt: skip
                    tx.add(node)
            return {"node": describe(node), "position_mm": list(where), "moved": there is not None, "warnings": []}

        return at_once(apply)
