"""What a worker does: all commands of a recipe on one case, which is then changed as a whole or not at all."""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from surgitwin.batch.cases import Case
from surgitwin.batch.columns import Value, all_numbers, pick, warning_codes
from surgitwin.batch.ledger import state_of
from surgitwin.batch.recipe import SampleWish
from surgitwin.commands.base import Command
from surgitwin.core.errors import BadInput, Cancelled, CaseLocked, SurgitwinError
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.session import Session
from surgitwin.storage.case_file import CaseFile
from surgitwin.storage.files import put_in_place, refuse_existing

if TYPE_CHECKING:
    from surgitwin.batch.samples import Drawable

log = logging.getLogger(__name__)
T = TypeVar("T")
LOCK_TRIES = 25
LOCK_WAIT_S = 0.2


@dataclass(frozen=True)
class CaseTask:
    """Everything that a worker needs to know.

    Attributes
    ----------
    titles, labels
        Of each command: its step as people are told, and as columns begin.
    token
        Names the folder in which the case is worked on: a retry finds what a dead worker has left there.
    replace
        A case that this batch made earlier may be replaced.
    """

    case: Case
    commands: tuple[Command, ...]
    titles: tuple[str, ...]
    labels: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...]] | None
    samples: SampleWish | None
    token: str
    replace: bool = False

    @property
    def edits(self) -> bool:
        return any(command.case == "create" or command.changes_case for command in self.commands)


@dataclass(frozen=True)
class CaseResult:
    """What became of a case.

    Attributes
    ----------
    warnings
        The codes of what the steps warned of.
    state
        The case file's own state right after it was written; see `ledger.state_of`.
    drawable
        What samples are to be drawn from, if the recipe wants some.
    """

    status: Literal["done", "failed", "cancelled"]
    step: str | None = None
    message: str | None = None
    seconds: float = 0.0
    values: Mapping[str, Value] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    state: str | None = None
    drawable: Drawable | None = None


class StepFailed(Exception):
    """A step cannot be done; ``sentence`` says why."""

    def __init__(self, step: str | None, sentence: str) -> None:
        super().__init__(sentence)
        self.step, self.sentence = step, sentence


def run_case(task: CaseTask, ctx: Context) -> CaseResult:
    """Do a recipe to a case.

    The work is done on a copy, which takes the case's place when all steps are done: a step that fails, a worker that
    dies and a second attempt find the case as it was.
    """
    begun = time.monotonic()
    try:
        result = _worked(task, ctx)
    except Cancelled:
        result = CaseResult("cancelled")
    except StepFailed as failure:
        result = CaseResult("failed", failure.step, failure.sentence)
    return replace(result, seconds=round(time.monotonic() - begun, 3))


def _worked(task: CaseTask, ctx: Context) -> CaseResult:
    steps = _Steps(task, ctx)
    path = task.case.path
    if path is None:
        with Session() as session:
            return steps.done(session)
    if not task.edits:
        with opening(lambda: Session.open(path, read_only=True)) as session:
            return steps.done(session)
    with steps.guarded(None), _part_beside(path, task.token) as part:
        if task.case.image is not None:
            if not task.replace:
                refuse_existing(path)
            with Session() as session:
                result = steps.done(session, part)
        else:
            with opening(lambda: CaseFile.open(path)) as original:  # nobody else changes it meanwhile
                original.save_copy(part)
                with Session.open(part) as session:
                    result = steps.done(session)
        ctx.check()
        put_in_place(part, path, overwrite=task.replace or task.case.image is None)
        return replace(result, state=state_of(path))


@contextlib.contextmanager
def opening(open_it: Callable[[], T]) -> Iterator[T]:
    """What ``open_it`` opens, closed at the end; the sentence is a failure before the first step.

    The lock of a process that was just killed may stay for a moment: it is waited for, about five seconds.
    """
    for attempt in range(LOCK_TRIES):
        try:
            opened: Any = open_it()
            break
        except CaseLocked as error:
            if attempt == LOCK_TRIES - 1:
                raise StepFailed(None, str(error)) from None
            time.sleep(LOCK_WAIT_S)
        except SurgitwinError as error:
            raise StepFailed(None, str(error)) from None
    with opened:
        yield opened


@contextlib.contextmanager
def _part_beside(path: Path, token: str) -> Iterator[Path]:
    """Where to work on a case: a file of the same name in a hidden folder beside it, which goes at the end."""
    folder = path.with_name(f".surgitwin-batch-{token[:16]}")
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    except OSError as error:
        message = tr("The folder {folder} cannot be written to: {cause}.")
        raise BadInput(message.format(folder=path.parent, cause=error.strerror)) from None
    try:
        yield folder / path.name
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Steps:
    """The steps of one case, and their documents."""

    def __init__(self, task: CaseTask, ctx: Context) -> None:
        self._task = task
        self._ctx = ctx
        self._documents: dict[str, Any] = {}

    def done(self, session: Session, save_as: Path | None = None) -> CaseResult:
        """Do every step; a case that the first one makes is written to ``save_as`` then."""
        task = self._task
        for number, command in enumerate(task.commands):
            with self.guarded(task.titles[number]):
                document = session.perform(command, self._ctx.part(number / len(task.commands), 1.0))
                if save_as is not None and number == 0:
                    session.save_as(save_as)
                    session.log(command)
                complaint = command.complaint(document)
                if complaint:
                    raise BadInput(complaint)
                self._documents[task.labels[number]] = self._printed(command, document, session)
        drawable = None
        if task.samples is not None:
            from surgitwin.batch.samples import gather

            with self.guarded(tr("samples")):
                drawable = gather(task.samples, session.scene)
        if task.columns is None:
            values = all_numbers(self._documents)
        else:
            values = pick(self._documents, {n: way for n, way in task.columns.items() if way[0] != "samples"})
        warnings = [*warning_codes(self._documents.values()), *(drawable.warnings if drawable is not None else ())]
        return CaseResult("done", values=values, warnings=tuple(dict.fromkeys(warnings)), drawable=drawable)

    def _printed(self, command: Command, document: Any, session: Session) -> Any:
        """What ``--json`` prints, with the case's own name instead of that of the copy that is worked on."""
        printed = command.printed(document)
        if isinstance(printed, dict) and "case" in printed and session.case_path is not None:
            printed = {**printed, "case": str(self._task.case.path)}
        return printed

    @contextlib.contextmanager
    def guarded(self, step: str | None) -> Iterator[None]:
        """Whatever goes wrong here is a sentence about this step."""
        try:
            yield
        except (Cancelled, StepFailed):
            raise
        except SurgitwinError as error:
            raise StepFailed(step, str(error)) from None
        except MemoryError:
            raise StepFailed(step, tr("There was not enough memory. Use fewer workers or a smaller image.")) from None
        except Exception as error:  # one case's fault must not stop the others
            log.debug("Fault", exc_info=error)
            message = tr("A fault in the program stopped this ({kind}: {what}).")
            raise StepFailed(step, message.format(kind=type(error).__name__, what=error)) from error
