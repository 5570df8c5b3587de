"""The window: puts the parts in their places and tells them about each other."""

from __future__ import annotations

import contextlib
import json
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QByteArray, QSize, Qt
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QKeySequence, QResizeEvent, QShortcut
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QMainWindow,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from surgitwin.commands.images import AddToCase
from surgitwin.commands.sharing import CopyCase
from surgitwin.core.errors import SurgitwinError
from surgitwin.core.text import tr
from surgitwin.gui.desk import Desk, Say
from surgitwin.gui.dialogs import show_about, show_shortcuts
from surgitwin.gui.live_plan import LivePlan
from surgitwin.gui.live_segments import LiveSegments
from surgitwin.gui.opening import Opener
from surgitwin.gui.palette import Action, Palette
from surgitwin.gui.panels.deliver import DeliverPanel
from surgitwin.gui.panels.fit import FitPanel
from surgitwin.gui.panels.measure import MeasurePanel
from surgitwin.gui.panels.plan import PlanPanel
from surgitwin.gui.panels.segment import SegmentPanel
from surgitwin.gui.panels.simulate import SimulatePanel
from surgitwin.gui.panels.study import StudyPanel
from surgitwin.gui.plan_step import PlanStep
from surgitwin.gui.rail import STEPS, Rail
from surgitwin.gui.second_look import SecondLook
from surgitwin.gui.settings import Settings, load_settings, save_settings
from surgitwin.gui.spans import SegmentSpans
from surgitwin.gui.stage import Stage
from surgitwin.gui.start_page import StartPage
from surgitwin.gui.status_bar import StatusBar
from surgitwin.gui.theme import Theme, set_role
from surgitwin.gui.tools.measure import MeasureTool
from surgitwin.gui.top_bar import TopBar
from surgitwin.gui.tree import TwinTree
from surgitwin.gui.warming import Warming
from surgitwin.gui.widgets.banner import Banner
from surgitwin.render.tokens import RESOURCES
from surgitwin.render.windowing import window_presets
from surgitwin.scene.nodes import SegmentNode

LEFT_WIDTHS = (184, 288)
SMALLEST = (900, 480)  # a full HD screen at 200 % has 960 x 540, and a task bar
LEVELS = {"info": "info", "caution": "caution", "error": "bad"}


class MainWindow(QMainWindow):
    def __init__(self, theme: Theme, settings: Settings | None = None) -> None:
        super().__init__()
        self.theme = theme
        self.settings = settings or load_settings()
        self.desk = Desk(self)
        self.live = LivePlan(self.desk, self)
        self.spans = SegmentSpans(self.desk, self)
        self.edited = LiveSegments(self.desk, self)
        self.setWindowTitle("Surgitwin")
        self.setMinimumSize(*SMALLEST)
        self.resize(QSize(1680, 1020).boundedTo(self.screen().availableGeometry().size()))
        self.setAcceptDrops(True)
        self._build()
        self.opener = Opener(self.desk, self.settings, self._choose_series)
        self._connect()
        self.actions_list = self._actions()
        self._shortcuts()
        self._show_page()
        self.warming = Warming(self, lambda: self.desk.session is None)
        if self.settings.geometry:
            self.restoreGeometry(QByteArray.fromBase64(self.settings.geometry.encode()))

    # ---- parts -------------------------------------------------------------------------------------------------

    def _build(self) -> None:
        theme, desk = self.theme, self.desk
        self.top_bar = TopBar(desk, theme)
        self.rail = Rail(theme)
        self.tree = TwinTree(desk, theme)
        self.second = SecondLook(desk, self)
        self.stage = Stage(desk, theme, self.live, self.spans, self.edited, self.second)
        self.start_page = StartPage(theme)
        self.status = StatusBar(desk, theme)
        self.banner = Banner(theme)
        self.study = StudyPanel(desk, theme, self.second, list(window_presets()), volume_preset_choices())
        self.segment = SegmentPanel(desk, theme)
        self.plan = PlanPanel(desk, theme, self.live, self.spans.of)
        self.planning = PlanStep(desk, theme, self.live, self.stage, self.plan, self.spans)
        self.simulate = SimulatePanel(desk, theme)
        self.fit = FitPanel(desk, theme, self.settings)
        self.deliver = DeliverPanel(desk, theme)
        self.deliver.print.outline_changed.connect(self.stage.show_outline)
        self.measure = MeasurePanel(desk, theme)
        self.panels = QStackedWidget()
        for panel in (self.study, self.segment, self.plan, self.simulate, self.fit, self.deliver):
            self.panels.addWidget(panel)
        self.panels.addWidget(self.measure)
        self.panels.setFixedWidth(self.study.width())
        self.centre = QStackedWidget()
        self.centre.addWidget(self.start_page)
        self.centre.addWidget(self.stage)
        middle = QVBoxLayout()
        middle.setContentsMargins(0, 0, 0, 0)
        middle.setSpacing(0)
        banner_row = QHBoxLayout()
        banner_row.setContentsMargins(8, 4, 8, 4)
        banner_row.addWidget(self.banner)
        self._banner_holder = QWidget()
        self._banner_holder.setLayout(banner_row)
        self._banner_holder.setVisible(False)
        middle.addWidget(self._banner_holder)
        middle.addWidget(self.centre, 1)
        self.left = self._left_column()
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.rail)
        row.addWidget(self.left)
        row.addLayout(middle, 1)
        row.addWidget(self.panels)
        whole = QWidget()
        set_role(whole, "window")
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for part, edge in ((self.top_bar, "bottom"), (self.rail, "right"), (self.left, "right"), (self.status, "top")):
            part.setProperty("edge", edge)
        column.addWidget(self.top_bar)
        column.addLayout(row, 1)
        column.addWidget(self.status)
        self.setCentralWidget(whole)

    def _left_column(self) -> QWidget:
        left = QWidget()
        set_role(left, "panel")
        left.setFixedWidth(LEFT_WIDTHS[1])
        column = QVBoxLayout(left)
        column.setContentsMargins(8, 12, 8, 8)
        heading = QLabel(tr("Twin").upper())
        heading.setFont(self.theme.font("font-small"))
        set_role(heading, "section")
        heading.setContentsMargins(8, 0, 0, 0)
        column.addWidget(heading)
        column.addWidget(self.tree, 1)
        return left

    def _connect(self) -> None:
        desk = self.desk
        self.rail.step_chosen.connect(self.show_step)
        self.top_bar.search_wanted.connect(self.show_palette)
        self.top_bar.home_wanted.connect(self.go_home)
        desk.said.connect(self._say)
        self.banner.closed.connect(lambda: self._banner_holder.setVisible(False))
        desk.session_changed.connect(lambda _: self._show_page())
        desk.preview_changed.connect(lambda _: self._show_page())
        self.start_page.folder_wanted.connect(self.open_folder)
        self.start_page.file_wanted.connect(self.open_file)
        self.start_page.case_wanted.connect(self.open_case)
        self.start_page.sample_wanted.connect(lambda name: self.opener.open_sample(name))
        self.start_page.recent_chosen.connect(lambda path: self.opener.open(path))
        self.study.open_folder_wanted.connect(self.open_folder)
        self.study.load_wanted.connect(lambda path, uid: self.opener.load(path, uid))
        self.study.add_wanted.connect(lambda path, uid: self.opener.add(path, uid))
        self.study.window_wanted.connect(lambda preset: self.stage.set_window(preset.window))
        self.study.slab_wanted.connect(self.stage.set_slab)
        self.study.volume_preset_wanted.connect(self.stage.set_volume_preset)
        self.segment.preview_changed.connect(self.stage.set_preview)
        self.segment.tool_changed.connect(self.stage.set_tool)
        self.study.second.tool_changed.connect(self.stage.set_tool)
        self.study.second.pairs.crosshair_shown.connect(self.stage.show_crosshair)
        self.segment.bench.stroke_shown.connect(self.stage.show_stroke)
        self.segment.bench.targeted.connect(self.edited.follow)
        self.segment.label_map_wanted.connect(self.add_label_map)
        self.plan.report_wanted.connect(self.make_report)
        self.plan.plan_picked.connect(self.stage.look_at_plan)
        self.spans.changed.connect(lambda: self.tree.set_volumes(self.spans.volumes_ml))
        self.tree.currentItemChanged.connect(lambda now, _: self._tree_chosen())
        self.tree.plan_chosen.connect(lambda: self.show_step("plan"))
        self.simulate.paint.painted.connect(self._paint_tree)
        self.simulate.neck_found.connect(self._show_neck)
        self.tree.simulation_chosen.connect(self._show_simulation)
        self.tree.implant_chosen.connect(self._show_implant)
        self.fit.tool_changed.connect(self.stage.set_tool)
        self.fit.holding_changed.connect(self.stage.hold_implants)
        self.fit.tinted.connect(self.stage.tint_implant)
        self.stage.hovered.connect(self._hovered)
        self.top_bar.measure_wanted.connect(self.show_measure)
        self.measure.tool_changed.connect(self._take_measure)
        self.measure.left.connect(self._leave_measure)
        self.measure.places_wanted.connect(self._give_places)
        self.stage.view3d.place_picked.connect(self.measure.tool.place)

    def _actions(self) -> list[Action]:
        def has_case() -> bool:
            return self.desk.session is not None

        steps = [
            Action(tr("Step: {title}").format(title=title), partial(self.show_step, name), f"Ctrl+{number}", has_case)
            for number, (name, title) in enumerate(STEPS, start=1)
        ]
        looks = [
            Action(tr("Window: {name}").format(name=p.name), partial(self.stage.set_window, p.window), "", has_case)
            for p in window_presets()
        ]
        return [
            Action(tr("Open folder"), self.open_folder, "Ctrl+O"),
            Action(tr("Open image file"), self.open_file, "Ctrl+Shift+O"),
            Action(tr("Open case"), self.open_case),
            Action(tr("Open sample: abdominal CT"), lambda: self.opener.open_sample("abdomen-ct")),
            Action(tr("Open sample: liver phantom"), lambda: self.opener.open_sample("liver-phantom")),
            Action(tr("Save a version"), self.save_version, "Ctrl+S", has_case),
            Action(tr("Revert to a version"), self.revert, "", has_case),
            Action(tr("Save a copy"), self.save_copy, "Ctrl+Shift+S", has_case),
            Action(tr("Save a copy for sharing, without identity"), lambda: self.save_copy(True), "", has_case),
            Action(tr("Close case"), self.go_home, "Ctrl+W", has_case),
            Action(tr("Undo"), self.desk.undo, "Ctrl+Z", has_case),
            Action(tr("Redo"), self.desk.redo, "Ctrl+Shift+Z", has_case),
            *steps,
            Action(tr("Add label map"), self.add_label_map, "", has_case),
            Action(tr("Add surface"), self.add_surface, "", has_case),
            Action(tr("Apply segmentation method"), self.segment.apply, "", has_case),
            Action(tr("Make all surfaces"), self.segment.make_surfaces, "", has_case),
            Action(tr("New plan"), self.plan.new_plan, "", has_case),
            Action(tr("Plans side by side"), self.planning.show_side_by_side, "", has_case),
            Action(tr("Simulate the plan"), self.simulate_plan, "", has_case),
            Action(tr("Measure"), self.show_measure, "Ctrl+M", has_case),
            Action(tr("Make report"), self.make_report, "Ctrl+P", has_case),
            Action(tr("Export STL"), lambda: self.deliver.export(".stl"), "Ctrl+E", has_case),
            Action(tr("Export GLB"), lambda: self.deliver.export(".glb"), "", has_case),
            Action(tr("Save picture"), self.deliver.take_snapshot, "", has_case),
            *looks,
            Action(
                tr("Use the light theme"), lambda: self.use_theme("light"), "", lambda: self.settings.theme != "light"
            ),
            Action(
                tr("Use the dark theme"), lambda: self.use_theme("dark"), "", lambda: self.settings.theme == "light"
            ),
            Action(tr("One view large, or all four"), self.stage.toggle_view, "F11", has_case),
            Action(tr("Reset views"), self.stage.reset_views, "R", has_case),
            Action(tr("Keyboard shortcuts"), lambda: show_shortcuts(self, self.actions_list), "F1"),
            Action(tr("About Surgitwin"), lambda: show_about(self)),
            Action(tr("Quit"), self.close, "Ctrl+Q"),
        ]

    def _shortcuts(self) -> None:
        for action in self.actions_list:
            if action.shortcut and action.shortcut != "R":
                shortcut = QShortcut(QKeySequence(action.shortcut), self)
                shortcut.activated.connect(lambda a=action: a.run() if a.enabled() else None)
        redo = QShortcut(QKeySequence("Ctrl+Y"), self)
        redo.activated.connect(self.desk.redo)
        palette = QShortcut(QKeySequence("Ctrl+K"), self)
        palette.activated.connect(self.show_palette)

    # ---- pages -------------------------------------------------------------------------------------------------

    def show_step(self, name: str) -> None:
        """Bring a step's panel to the front."""
        self.rail.show_step(name)
        self.stage.set_planning(name == "plan")
        if name != "plan":
            self.planning.leave()
        if name == "plan":
            self.stage.look_at_plan()
        self.panels.setCurrentWidget(
            {
                "study": self.study,
                "segment": self.segment,
                "plan": self.plan,
                "simulate": self.simulate,
                "fit": self.fit,
                "deliver": self.deliver,
            }[name]
        )
        self.stage.show_outline(self.deliver.print.mesh if name == "deliver" else None)
        if name == "simulate":
            self.simulate.refresh()
        else:
            self.stage.paint_tree(None)
            self.stage.show_neck(None)

    def show_measure(self) -> None:
        """Bring the measurements to the front; a step of the rail takes them away again."""
        self.panels.setCurrentWidget(self.measure)

    def _take_measure(self, tool: MeasureTool) -> None:
        self.stage.set_tool(tool)
        self.stage.view3d.measure_tool = tool

    def _leave_measure(self) -> None:
        self.stage.view3d.measure_tool = None
        if self.stage.axial.tool is self.measure.tool:
            self.stage.set_tool(None)

    def _give_places(self, wanted: bool) -> None:
        self.stage.view3d.gives_places = wanted

    def _show_page(self) -> None:
        open_case = self.desk.session is not None
        listed = self.study.series.count() > 0
        page = self.stage if open_case else self.start_page
        if self.centre.currentWidget() is not page:
            self.centre.setCurrentWidget(page)
            # The keys of the views work at once, and so does Enter on the start page.
            (self.stage.axial if open_case else self.start_page.open_folder).setFocus()
        self.left.setVisible(open_case)
        self.rail.setVisible(open_case)
        self.panels.setVisible(open_case or listed)
        if not open_case:
            self.start_page.show_recent(self.settings.existing_recent())
            if self.panels.currentWidget() is not self.study:
                self.show_step("study")

    def _choose_series(self, path: Path, series: list[dict[str, Any]]) -> None:
        self.study.show_series(path, series)
        self.show_step("study")
        self._show_page()

    def _tree_chosen(self) -> None:
        node = self.tree.selected()
        if isinstance(node, SegmentNode):
            self.segment.numbers.show_segment(node)
            self.segment.choose_target(node)
            span = self.spans.of(node)
            if span is not None:
                self.desk.move_crosshair(span.centre)

    def _hovered(self, point: Any, value: float | None) -> None:
        volume = self.desk.volume
        self.status.show_cursor(point, value, volume.unit if volume is not None else "")

    def _say(self, say: Say) -> None:
        if say.kind == "info" and not say.action:
            self.status.show_message(say.text)
            return
        actions = ((say.action, say.on_action),) if say.action and say.on_action is not None else ()
        self.banner.show_message(say.text, LEVELS[say.kind], actions)  # type: ignore[arg-type]
        self._banner_holder.setVisible(True)

    # ---- what the menus do -------------------------------------------------------------------------------------

    def show_palette(self) -> None:
        palette = Palette(self.actions_list, self.theme, self)
        palette.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        corner = self.mapToGlobal(self.rect().topLeft())
        palette.move(corner.x() + (self.width() - palette.width()) // 2, corner.y() + 72)
        palette.show()

    def open_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, tr("Open a folder of images"))
        if chosen:
            self.opener.open(Path(chosen))

    def open_file(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, tr("Open an image"))
        if chosen:
            self.opener.open(Path(chosen))

    def open_case(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, tr("Open a case"), "", tr("Cases (*.twin)"))
        if chosen:
            self.opener.open(Path(chosen))

    def add_label_map(self, path: Path | None = None, table: Path | None = None) -> None:
        if path is None:
            kinds = tr("Label maps (*.nii *.nii.gz *.nrrd *.nhdr *.mha *.mhd)")
            chosen, _ = QFileDialog.getOpenFileName(self, tr("Add a label map"), "", kinds)
            if not chosen:
                return
            path = Path(chosen)
            table = table or _table_beside(path)
        self.opener.add_label_map(path, table)

    def add_surface(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, tr("Add a surface"), "", tr("Surfaces (*.stl *.obj *.ply *.vtp)"))
        if chosen:
            self.desk.do(AddToCase(path=Path(chosen), as_="surface"))

    def _paint_tree(self, painted: Any) -> None:
        """Only while the Simulate step is in front do its colours lie on the vessels."""
        self.stage.paint_tree(painted if self.panels.currentWidget() is self.simulate else None)

    def _show_neck(self, neck: Any) -> None:
        self.stage.show_neck(neck if self.panels.currentWidget() is self.simulate else None)

    def _show_simulation(self, simulator: str) -> None:
        self.show_step("simulate")
        self.simulate.choose(simulator)

    def _show_implant(self, implant: str) -> None:
        self.show_step("fit")
        self.fit.choose(implant)

    def simulate_plan(self) -> None:
        self.show_step("simulate")
        self.simulate.simulate()

    def make_report(self) -> None:
        self.show_step("deliver")
        self.deliver.make_report()

    def use_theme(self, name: str) -> None:
        self.settings.theme = name
        save_settings(self.settings)
        self.desk.say(tr("The new colours are there from the next start."))

    def save_version(self) -> None:
        """Everything is saved already; this gives the present state a name to return to."""
        session = self.desk.session
        if session is None:
            return
        number = len(session.version_names()) + 1
        name, agreed = QInputDialog.getText(
            self, tr("Save a version"), tr("Name of this version"), text=tr("Version {number}").format(number=number)
        )
        if agreed and name:
            try:
                session.save_version(name)
            except SurgitwinError as error:
                self.desk.report(error)
            else:
                self.desk.say(tr("Saved as “{name}”. You can return to it with “Revert”.").format(name=name))

    def revert(self) -> None:
        session = self.desk.session
        names = session.version_names() if session is not None else []
        if session is None or not names:
            self.desk.say(tr("This case has no saved version yet. Save one with Ctrl+S."))
            return
        name, agreed = QInputDialog.getItem(self, tr("Revert"), tr("Return to"), names, 0, False)
        if agreed:
            try:
                session.revert(name)
            except SurgitwinError as error:
                self.desk.report(error)

    def save_copy(self, for_sharing: bool = False) -> None:
        session = self.desk.session
        if session is None:
            return
        name = f"{session.scene.case.pseudonym}.twin" if len(session.scene) else "case.twin"
        chosen, _ = QFileDialog.getSaveFileName(self, tr("Save a copy"), name, tr("Cases (*.twin)"))
        if not chosen:
            return
        command = CopyCase(out=Path(chosen), for_sharing=for_sharing, overwrite=True)  # the dialog has asked
        self.desk.do(command, lambda _: self.desk.say(tr("Saved {name}.").format(name=command.out.name)))

    def go_home(self) -> None:
        """Close the case and show the start page."""
        self.desk.set_session(None)
        self.study.show_series(None, [])
        self._show_page()

    # ---- Qt ----------------------------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        """In a small window the views need the room more than the tree does."""
        self.left.setFixedWidth(min(max(event.size().width() * 18 // 100, LEFT_WIDTHS[0]), LEFT_WIDTHS[1]))
        super().resizeEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasUrls() and event.mimeData().urls()[0].isLocalFile():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        urls = event.mimeData().urls()
        if urls:
            event.acceptProposedAction()
            self.opener.open(Path(urls[0].toLocalFile()))

    def closeEvent(self, event: QCloseEvent) -> None:
        self.settings.geometry = bytes(self.saveGeometry().toBase64().data()).decode()
        save_settings(self.settings)
        with contextlib.suppress(SurgitwinError):
            self.desk.close()
        self.warming.stop()
        self.edited.close()
        self.segment.bench.close()
        self.fit.close_hand()
        self.measure.close_surfaces()
        self.planning.close()
        self.stage.close_views()
        super().closeEvent(event)


def volume_preset_choices() -> list[tuple[str, str]]:
    """Name and id of each way to render a volume, read without importing VTK."""
    data = json.loads((RESOURCES / "presets" / "volumes.json").read_text(encoding="utf-8"))
    return [(str(entry["name"]), str(entry["id"])) for entry in data["presets"]]


def _table_beside(path: Path) -> Path | None:
    """A label table that lies beside a label map under the same name."""
    stem = path.name.split(".")[0]
    for suffix in (".json", ".txt", ".csv"):
        beside = path.parent / f"{stem}{suffix}"
        if beside.is_file():
            return beside
    return None
