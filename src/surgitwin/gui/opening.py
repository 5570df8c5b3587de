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
from surgitwin.gui.desk import Desk, new_case_path, read_all, unread
from surgitwin.gui.settings import Settings, cases_folder, save_settings
from surgitwin.jobs import JobEvent, JobState
from surgitwin.scene.nodes import VolumeNode
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
        """Open a case file; what the views show of it is read before it comes on the desk."""

        def make(ctx: Context) -> Session:
            session = Session.open(path, read_only=read_only)
            try:
                volumes = session.scene.of_type(VolumeNode)
                read_all(unread(session.scene, volumes[0].id if volumes else None), ctx)
                ctx.check()
            except BaseException:
                session.close()
                raise
            return session

        def arrived(session: Session) -> None:
            self._remember(path)
            self._desk.set_session(session)

        def failed(error: BaseException) -> None:
            if isinstance(error, CaseLocked):
                again = partial(self.open_case, path, read_only=True)
                self._desk.say(str(error), "caution", tr("Open read-only"), again)
            else:
                self._desk.report(error)

        self._bring(tr("Opening {name}").format(name=path.name), make, arrived, failed)

    def _bring(
        self,
        title: str,
        make: Callable[[Context], Session],
        arrived: Callable[[Session], None],
        failed: Callable[[BaseException], None],
        given_up: Callable[[], object] | None = None,
    ) -> None:
        """Make a session as a job; one that is cancelled at the last moment is closed, and ``given_up`` called."""
        desk = self._desk
        made: list[Session] = []

        def work(ctx: Context) -> Session:
            desk.closer.wait()
            session = make(ctx)
            desk.arriving.add(session)
            made.append(session)
            return session

        job = desk.lobby.runner.submit(title, work, arrived, failed)

        def watch(event: JobEvent) -> None:
            if event.job is job and job.state is JobState.CANCELLED and made:
                desk.arriving.discard(made[0])
                desk.closer.put_away(made.pop(), given_up)
            if not job.active:
                disconnect()

        disconnect = desk.lobby.runner.events.connect(watch)

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
        self._bring(
            tr("New case"),
            lambda ctx: Session(CaseFile.create(case_path, Scene())),
            lambda session: self._fill(
                session, case_path, NewCase(path=path, series=series_uid, pseudonym=pseudonym), then
            ),
            self._desk.report,
            lambda: case_path.unlink(missing_ok=True),
        )

    def _fill(self, session: Session, case_path: Path, command: NewCase, then: Callable[[], None] | None) -> None:
        """Put a new case on the desk and load its images."""
        self._desk.set_session(session)

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
            self._desk.set_session(None, lambda: path.unlink(missing_ok=True))


def _gave_up(job: Any) -> bool:
    return job.state is JobState.CANCELLED
