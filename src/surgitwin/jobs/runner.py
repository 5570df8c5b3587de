"""Runs jobs on worker threads and hands their results back to the main thread."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum
from queue import Empty, SimpleQueue
from typing import Any

from surgitwin.core.errors import Cancelled, SurgitwinError
from surgitwin.core.progress import Context, Progress
from surgitwin.core.signals import Signal
from surgitwin.core.text import tr
from surgitwin.jobs.apart import Processes

log = logging.getLogger(__name__)


class JobState(Enum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(eq=False)
class Job:
    """One piece of work; the runner alone changes it, on the main thread."""

    title: str
    context: Context
    state: JobState = JobState.WAITING
    progress: Progress = field(default_factory=lambda: Progress(None, ""))
    error: str = ""

    @property
    def active(self) -> bool:
        return self.state in (JobState.WAITING, JobState.RUNNING)


@dataclass(frozen=True)
class JobEvent:
    """Something about ``job`` changed: its state or its progress."""

    job: Job


class Runner:
    """A few worker threads and the queue between them and the main thread.

    Parameters
    ----------
    wake
        Called from a worker thread whenever `pump` has something to do; the window posts an event there.
    """

    def __init__(self, wake: Callable[[], None] | None = None, workers: int = 2) -> None:
        self.events: Signal[JobEvent] = Signal()
        self._wake = wake
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="surgitwin-job")
        self._queue: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._processes = Processes()
        self._jobs: list[Job] = []
        self._main = threading.get_ident()

    @property
    def active(self) -> list[Job]:
        return [job for job in self._jobs if job.active]

    def on_wake(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def submit(
        self,
        title: str,
        work: Callable[[Context], Any],
        done: Callable[[Any], None],
        failed: Callable[[BaseException], None] | None = None,
        partial: Callable[[object], None] | None = None,
    ) -> Job:
        """Run ``work`` on a worker thread, then ``done(result)`` or ``failed(error)`` on the main thread.

        Partial results that the work hands out go to ``partial`` on the main thread.

        A cancelled job calls neither ``done`` nor, unless ``work`` failed before it noticed, ``failed``.
        """
        job = Job(title, Context())

        def report(progress: Progress) -> None:
            self._post(lambda: self._report(job, progress))

        def hand_out(result: object) -> None:
            if partial is not None:
                self._post(lambda: partial(result))

        job.context = Context(report, hand_out if partial is not None else None, self._processes)
        self._jobs.append(job)
        self.events.emit(JobEvent(job))
        self._pool.submit(self._run, job, work, done, failed)
        return job

    def pump(self, budget_s: float | None = None) -> bool:
        """Deliver what the workers left; called on the main thread.

        Parameters
        ----------
        budget_s
            Stop after this time, so that a window stays awake while many small results come in; one is delivered in
            any case. Without it, everything is.

        Returns
        -------
        True if something may be left.
        """
        end = None if budget_s is None else time.monotonic() + budget_s
        while True:
            try:
                call = self._queue.get_nowait()
            except Empty:
                return False
            call()
            if end is not None and time.monotonic() > end:
                return True

    def wait(self, timeout_s: float = 600.0) -> None:
        """Pump until no job is active; for scripts and tests."""
        limit = threading.Event()
        timer = threading.Timer(timeout_s, limit.set)
        timer.daemon = True
        timer.start()
        try:
            while self.active and not limit.is_set():
                try:
                    self._queue.get(timeout=0.05)()
                except Empty:
                    continue
        finally:
            timer.cancel()
        self.pump()

    def close(self) -> None:
        """Cancel what runs, wait for it to stop, and end the threads."""
        for job in self.active:
            job.context.cancel()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._processes.close()
        self._wake = None

    def _post(self, call: Callable[[], None]) -> None:
        self._queue.put(call)
        if self._wake is not None:
            self._wake()

    def _run(
        self,
        job: Job,
        work: Callable[[Context], Any],
        done: Callable[[Any], None],
        failed: Callable[[BaseException], None] | None,
    ) -> None:
        self._post(lambda: self._set(job, JobState.RUNNING))
        try:
            job.context.check()
            result = work(job.context)
            job.context.check()
        except Cancelled:
            self._post(lambda: self._set(job, JobState.CANCELLED))
        except BaseException as error:  # noqa: BLE001, every failure of a job must reach the main thread
            self._post(lambda error=error: self._fail(job, error, failed))  # type: ignore[misc]
        else:
            self._post(lambda: self._finish(job, result, done, failed))

    def _finish(
        self,
        job: Job,
        result: Any,
        done: Callable[[Any], None],
        failed: Callable[[BaseException], None] | None,
    ) -> None:
        if job.context.cancelled:
            self._set(job, JobState.CANCELLED)
            return
        try:
            done(result)
        except SurgitwinError as error:
            self._fail(job, error, failed)
        else:
            self._set(job, JobState.DONE)

    def _report(self, job: Job, progress: Progress) -> None:
        job.progress = progress
        self.events.emit(JobEvent(job))

    def _set(self, job: Job, state: JobState) -> None:
        job.state = state
        if not job.active:
            self._jobs = [other for other in self._jobs if other is not job]
        self.events.emit(JobEvent(job))

    def _fail(self, job: Job, error: BaseException, failed: Callable[[BaseException], None] | None) -> None:
        if isinstance(error, SurgitwinError):
            job.error = str(error)
        elif isinstance(error, MemoryError):
            job.error = tr("There was not enough memory for “{title}”. Close other programs or use a smaller region.")
            job.error = job.error.format(title=job.title)
        else:
            job.error = tr("“{title}” stopped because of a fault in the program: {kind}. Nothing was changed.")
            job.error = job.error.format(title=job.title, kind=type(error).__name__)
            log.error("A job failed", exc_info=error)
        self._set(job, JobState.FAILED)
        if failed is not None:
            failed(error)
