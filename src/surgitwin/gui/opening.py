"""Everything that puts a case on the desk: case files, folders, images, samples, dropped files."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from surgitwin.commands.images import AddToCase, ListSeries, NewCase, new_pseudonym
from surgitwin.core.errors import CaseLocked, NeedsConfirmation, SurgitwinError
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.gui.desk import Desk, new_case_path
from surgitwin.gui.settings import Settings, cases_folder, save_settings
from surgitwin.scene.scene import Scene
from surgitwin.session import Session
from surgitwin.storage.case_file import CaseFile

if TYPE_CHECKING:
    from surgitwin.samples import SampleCase

CASE_SUFFIX = ".twin"
MESH_SUFFIXES = (".stl", ".obj", ".ply", ".vtp")


class Opener:
    """Opens things and remembers them.

    Parameters
    ----------
    on_series
        Shows the series that a path holds, so that the user picks one: (path, series documents).
    """

    def __init__(self, desk: Desk, settings: Settings, on_series: Callable[[Path, list[dict[str, Any]]], None]) -> None:
        self._desk = desk
        self._settings = settings
        self._on_series = on_series

    def open(self, path: Path) -> None:
        """Open whatever this is: a case, a folder, an image, a surface."""
        if path.suffix.lower() == CASE_SUFFIX and path.is_file():
            self.open_case(path)
        elif path.suffix.lower() in MESH_SUFFIXES and self._desk.session is not None:
            self._desk.do(AddToCase(path=path, as_="surface"))
        else:
            self.look_through(path)

    def open_case(self, path: Path, *, read_only: bool = False) -> None:
        try:
            session = Session.open(path, read_only=read_only)
        except CaseLocked as error:
            self._desk.say(str(error), "caution", tr("Open read-only"), lambda: self.open_case(path, read_only=True))
            return
        except SurgitwinError as error:
            self._desk.report(error)
            return
        self._remember(path)
        self._desk.set_session(session)

    def look_through(self, path: Path, then: Callable[[], None] | None = None) -> None:
        """List the volumes in a folder or file; a single one is loaded at once.

        Parameters
        ----------
        then
            What to do once it is loaded; given for a path that is to become a new case, whatever is open now.
        """

        def found(document: dict[str, Any]) -> None:
            series = document["series"]
            volumes = [entry for entry in series if entry.get("loadable", True) and entry.get("size_ijk")]
            if not volumes:
                self._desk.say(tr("{name} holds no images that can be shown.").format(name=path.name), "caution")
            elif len(volumes) == 1 and (self._desk.session is None or then is not None):
                self.load(path, str(volumes[0]["series_uid"]), then)
            else:
                self._on_series(path, series)

        try:
            command = ListSeries(path=path)
            self._desk.lobby.submit(command, found, self._desk.report)
        except SurgitwinError as error:
            self._desk.report(error)

    def load(self, path: Path, series_uid: str, then: Callable[[], None] | None = None) -> None:
        """Start a new case from a series; the views fill while it loads."""
        pseudonym = new_pseudonym()
        case_path = new_case_path(cases_folder(), pseudonym)
        try:
            session = Session(CaseFile.create(case_path, Scene()))
        except SurgitwinError as error:
            self._desk.report(error)
            return
        self._desk.set_session(session)
        command = NewCase(path=path, series=series_uid, pseudonym=pseudonym)

        def done(_: dict[str, Any]) -> None:
            self._desk.preview_changed.emit(None)
            self._remember(case_path)
            if then is not None:
                then()

        def failed(error: BaseException) -> None:
            self._desk.preview_changed.emit(None)
            self._discard(session, case_path)
            self._desk.report(error)

        job = self._desk.do(command, done, self._desk.preview_changed.emit, failed)
        if job is None:
            self._discard(session, case_path)
            return
        session.runner.events.connect(
            lambda event: self._discard(session, case_path) if event.job is job and _gave_up(event.job) else None
        )

    def add(self, path: Path, series_uid: str, *, confirmed: bool = False) -> None:
        """Add a series to the open case; another patient's images are refused or, once confirmed, logged."""
        command = AddToCase(path=path, as_="volume", series=series_uid, confirm=confirmed)

        def failed(error: BaseException) -> None:
            if isinstance(error, NeedsConfirmation):
                self._desk.say(
                    error.finding, "caution", tr("Add anyway"), lambda: self.add(path, series_uid, confirmed=True)
                )
            else:
                self._desk.report(error)

        self._desk.do(command, failed=failed)

    def open_sample(self, name: str) -> None:
        """Write the sample's input into the data folder once, and open it as a user would."""
        from surgitwin.samples import SAMPLES

        sample = SAMPLES[name]
        folder = cases_folder().parent / "samples" / name
        done_mark = folder / ".complete"

        def work(ctx: Context) -> None:
            if not done_mark.exists():
                import shutil

                shutil.rmtree(folder, ignore_errors=True)
                folder.parent.mkdir(parents=True, exist_ok=True)
                sample.write(folder, ctx)
                done_mark.touch()

        self._desk.lobby.runner.submit(
            tr("Preparing sample: {title}").format(title=sample.title),
            work,
            lambda _: self.look_through(folder / sample.dicom_folder, lambda: self._offer_structures(sample, folder)),
            self._desk.report,
        )

    def _offer_structures(self, sample: SampleCase, folder: Path) -> None:
        """A sample's organs are at hand; adding them is the user's to say."""
        maps = list(sample.label_maps)

        def add_next() -> None:
            if maps:
                label_map = maps.pop(0)
                self.add_label_map(folder / label_map.path, folder / label_map.table, add_next)

        message = tr("This sample comes with its organs, already marked.")
        self._desk.say(message, "info", tr("Add the organs"), add_next)

    def add_label_map(
        self, path: Path, table: Path | None, then: Callable[[], None] | None = None, *, confirmed: bool = False
    ) -> None:
        """Add a label map to the image that is shown; another patient's is refused or, once confirmed, logged."""
        volume = self._desk.volume
        onto = volume.id if volume is not None else None
        command = AddToCase(path=path, as_="labelmap", labels=table, onto=onto, confirm=confirmed)

        def failed(error: BaseException) -> None:
            if isinstance(error, NeedsConfirmation):
                again = partial(self.add_label_map, path, table, then, confirmed=True)
                self._desk.say(error.finding, "caution", tr("Add anyway"), again)
            else:
                self._desk.report(error)

        self._desk.do(command, lambda _: then() if then is not None else None, failed=failed)

    def _remember(self, path: Path) -> None:
        self._settings.opened(path)
        save_settings(self._settings)

    def _discard(self, session: Session, path: Path) -> None:
        """Take away a case that never got its images."""
        if self._desk.session is session and len(session.scene) == 0:
            self._desk.set_session(None)
            path.unlink(missing_ok=True)


def _gave_up(job: Any) -> bool:
    from surgitwin.jobs import JobState

    return job.state is JobState.CANCELLED
