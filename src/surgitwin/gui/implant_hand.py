"""The implant that is held: where the hand has it, what it may do, and how it fits there while it moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PySide6.QtCore import QObject, Signal

from surgitwin.commands.implanting import PlaceImplant, surface_source
from surgitwin.core.errors import SurgitwinError
from surgitwin.core.ids import NodeId
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.gui.desk import Desk
from surgitwin.gui.fit_tints import FitTints, Tinting
from surgitwin.gui.views.background import Background
from surgitwin.render.content import SurfaceContent
from surgitwin.scene.nodes import ImplantNode, Node

if TYPE_CHECKING:
    from surgitwin.implants.fit import Fit, LiveFit

FloatArray = NDArray[np.float64]
Constraint = Literal["free", "slide", "turn"]


@dataclass(frozen=True, eq=False)
class FitShown:
    """How the chosen implant fits, or why that is not known.

    Attributes
    ----------
    moving
        It is of where the hand has the implant, and nothing of it is stored.
    parts
        The implant and what is around it in the colours of the fit; none where they are not wanted.
    waiting
        It is being made ready, so nothing is known yet.
    pose
        4x4: where it was measured.
    """

    fit: Fit | None
    live: LiveFit | None
    onto: str
    moving: bool
    refused: str = ""
    parts: tuple[SurfaceContent, ...] = ()
    waiting: bool = False
    pose: FloatArray | None = None


@dataclass(frozen=True)
class FitAsked:
    """How the fit is measured while it moves, as in the fit command."""

    tolerance_mm: float = 1.0
    reach_mm: float = 5.0
    surface: Literal["facing", "all"] = "facing"


class ImplantHand(QObject):
    """Moves the chosen implant; a drag becomes one command when it is let go.

    Signals
    -------
    chosen_changed
        Another implant, or none.
    moved
        The implant is elsewhere on the screen: see `held`.
    fit_changed(FitShown)
        How it fits there.
    placed(Vec3, bool)
        A click while a place for a new implant is wanted, and whether it was on a surface.
    """

    chosen_changed = Signal()
    moved = Signal()
    fit_changed = Signal(object)
    placed = Signal(object, bool)

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._chosen: NodeId | None = None
        self._start: FloatArray | None = None
        self._pose: FloatArray | None = None
        self._wanted = False
        self._key: tuple[Any, ...] | None = None
        self._live: LiveFit | None = None
        self._tints: FitTints | None = None
        self._asked = FitAsked()
        self._tinting = Tinting()
        self._refused = ""
        self._measuring = False
        self._again = False
        self.constraint: Constraint = "free"
        self.placing = False
        self.background = Background(self)
        desk.session_changed.connect(lambda _: self._restart())
        desk.scene_changed.connect(lambda _: self._scene_changed())

    # ---- what is held ------------------------------------------------------------------------------------------

    @property
    def chosen(self) -> ImplantNode | None:
        return self._desk.scene.get(self._chosen, ImplantNode)

    @property
    def moving(self) -> bool:
        return self._pose is not None

    @property
    def pose(self) -> FloatArray | None:
        """Where it is on the screen."""
        from surgitwin.implants.placement import pose_of

        node = self.chosen
        if node is None:
            return None
        return self._pose if self._pose is not None else pose_of(node)

    @property
    def held(self) -> dict[NodeId, tuple[float, ...]]:
        """The implant that is not where the scene has it, with its matrix."""
        from surgitwin.implants.placement import as_matrix

        node = self.chosen
        return {node.id: as_matrix(self._pose)} if node is not None and self._pose is not None else {}

    def choose(self, node: NodeId | None) -> None:
        if node != self._chosen:
            self.abort()
            self._chosen = node
            self.chosen_changed.emit()
            self.measure()

    # ---- moving ------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """The hand closes: what follows counts from here."""
        self._start = self.pose

    def shift(self, by_mm: ArrayLike) -> None:
        """Move it by a vector, LPS mm, from where the hand closed; as far as the constraint lets it."""
        from surgitwin.implants import placement

        node, start = self.chosen, self._start
        if node is None or start is None or self.constraint == "turn":
            return
        by = np.asarray(by_mm, dtype=np.float64)
        if self.constraint == "slide":
            axis = start[:3, :3] @ placement.axis_of(node.item)
            by = (by @ axis) * axis
        self._hold(placement.shifted(start, by))

    def rotate(self, axis_lps: ArrayLike, by_deg: float) -> None:
        """Turn it about a direction through its anchor, from where the hand closed; or about its own main axis."""
        from surgitwin.implants import placement

        node, start = self.chosen, self._start
        if node is None or start is None or self.constraint == "slide":
            return
        axis = np.asarray(axis_lps, dtype=np.float64)
        if self.constraint == "turn":
            own = start[:3, :3] @ placement.axis_of(node.item)
            axis = own if axis @ own >= 0 else -own
        self._hold(placement.turned(node.item, start, by_deg, axis))

    def drop(self) -> None:
        """The hand opens: one undoable step."""
        node, pose, self._start = self.chosen, self._pose, None
        if node is None or pose is None:
            return
        from surgitwin.implants.placement import as_matrix

        command = PlaceImplant(item=node.id, matrix=as_matrix(pose))
        if self._desk.do(command, lambda _: self._put_down(), failed=self._failed) is None:
            self.abort()

    def _put_down(self) -> None:
        """What was let go is in the scene now."""
        if self._start is None and self._pose is not None:
            self._pose = None
            self.moved.emit()
            self.measure()

    def abort(self) -> bool:
        """Esc: back to where it was; true if it was elsewhere."""
        was, self._start, self._pose = self._pose is not None, None, None
        if was:
            self.moved.emit()
            self.measure()
        return was

    def nudge(self, by_mm: ArrayLike = (0.0, 0.0, 0.0), axis_lps: ArrayLike | None = None, by_deg: float = 0.0) -> None:
        """A small step by key or button."""
        self.begin()
        if axis_lps is None:
            self.shift(by_mm)
        else:
            self.rotate(axis_lps, by_deg)
        self.drop()

    def _hold(self, pose: FloatArray) -> None:
        self._pose = pose
        self.moved.emit()
        self.measure()

    def _failed(self, error: BaseException) -> None:
        self.abort()
        self._desk.report(error)

    # ---- how it fits -------------------------------------------------------------------------------------------

    def ask(self, asked: FitAsked, tinting: Tinting) -> None:
        """Measure and colour it like this from now on."""
        if (asked, tinting) != (self._asked, self._tinting):
            self._asked, self._tinting = asked, tinting
            self.measure()

    def watch(self, wanted: bool) -> None:
        """Measure the fit from now on, or no more."""
        self._wanted = wanted
        self.measure()

    def measure(self) -> None:
        """Measure the fit where the implant is; a newer place replaces one that waits."""
        node, onto = self.chosen, self._onto
        if not self._wanted or node is None or onto is None:
            self.fit_changed.emit(FitShown(None, None, "", False))
            return
        key = self._now
        if key != self._key:  # numbers and colours of something else must not stay beside its name
            self.fit_changed.emit(FitShown(None, None, onto.name, False, waiting=True))
        if self._measuring:
            self._again = True
            return
        try:
            surface = surface_source(self._desk.scene, onto) if key != self._key else None
        except SurgitwinError as error:
            self.fit_changed.emit(FitShown(None, None, onto.name, False, str(error)))
            return
        from surgitwin.implants.placement import own_mesh

        ready = None if surface is not None else (self._live, self._tints)
        work = partial(
            _measured, own_mesh(node), node, self.pose, surface, ready, (self._asked, self._tinting),
            FitShown(None, None, onto.name, self.moving, self._refused),
        )  # fmt: skip

        def done(found: tuple[FitShown, FitTints | None]) -> None:
            shown, tints = found
            self._measuring = False
            self._key, self._live, self._tints, self._refused = key, shown.live, tints, shown.refused
            outdated = key != self._now or (self._again and not shown.moving)
            if self._again or self.moving != shown.moving:
                self._again = False
                self.measure()
            if not outdated:
                self.fit_changed.emit(shown)

        self._measuring = True
        self.background.submit(work, done)

    @property
    def _onto(self) -> Node | None:
        node = self.chosen
        return self._desk.scene.get(node.onto, Node) if node is not None and node.onto is not None else None

    @property
    def _now(self) -> tuple[Any, ...] | None:
        """What a fit is of: it holds for other places as long as this is the same."""
        node, onto = self.chosen, self._onto
        return None if node is None or onto is None else (node.id, node.points.id, onto.id, onto.revision)

    # ---- the scene ---------------------------------------------------------------------------------------------

    def _scene_changed(self) -> None:
        if self._chosen is not None and self.chosen is None:
            self._chosen = None
            self.chosen_changed.emit()
        self.measure()

    def _restart(self) -> None:
        self._chosen, self._start, self._pose, self._key, self._live = None, None, None, None, None
        self.chosen_changed.emit()

    def close(self) -> None:
        self.background.close()


def _measured(
    mesh: Mesh,
    node: ImplantNode,
    pose: FloatArray | None,
    surface: Callable[[Context], Mesh] | None,
    ready: tuple[LiveFit | None, FitTints | None] | None,
    wished: tuple[FitAsked, Tinting],
    blank: FitShown,
) -> tuple[FitShown, FitTints | None]:
    """How an implant fits in a pose, on a worker; with a ``surface`` everything is made ready for it first."""
    from surgitwin.implants.fit import LiveFit

    asked, tinting = wished
    live, tints = ready if ready is not None else (None, None)
    blank = replace(blank, pose=pose)
    try:
        if surface is not None:
            live, tints = LiveFit(mesh, surface(Context()), **vars(asked)), None
        if live is None or pose is None:
            return blank, None
        if FitAsked(live.tolerance_mm, live.reach_mm, live.surface) != asked:
            live, tints = LiveFit(live.shape, live.bone, **vars(asked)), None
        tints = tints if tints is not None else FitTints(live)
        fit = live.at(pose)
        parts = tints.parts(node.id, node.name, node.opacity, fit, tinting)
        return replace(blank, fit=fit, live=live, refused="", parts=parts), tints
    except SurgitwinError as error:
        return replace(blank, refused=str(error)), None
