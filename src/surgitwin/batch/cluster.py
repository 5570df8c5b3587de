"""Workers: a cluster of this machine's own, or one that is there, and tasks on them that survive a worker's death."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from surgitwin import __version__
from surgitwin.batch.remote import prepare_own_worker, program_version, stop_batch, stoppable
from surgitwin.core.errors import BadInput, SurgitwinError
from surgitwin.core.progress import Context
from surgitwin.core.text import tr

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_S = 15.0
NO_WORKER_S = 60.0
STOP_S = 20.0
POLL_S = 0.2
GB_PER_WORKER = 4.0
OWN_ALLOWED_FAILURES = 1  # of a task beside others; then it is tried alone


def default_workers(tasks: int) -> int:
    """As many as there are tasks, processors, and 4 GB parts of memory; one at least."""
    import psutil

    memory = int(psutil.virtual_memory().total / 1e9 / GB_PER_WORKER)
    return max(1, min(tasks, os.cpu_count() or 1, memory))


@contextlib.contextmanager
def connected(scheduler: str | None, workers: int) -> Iterator[Client]:
    """A client of the scheduler at an address, or of a cluster of this machine's own.

    Raises
    ------
    BadInput
        If there is no such scheduler, it has no workers, or they have another version of this program.
    """
    quiet = not os.environ.get("SURGITWIN_DEBUG")
    if quiet:
        # The client's remarks on a worker that died: the table has a sentence on it.
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with _own(workers, quiet) if scheduler is None else _existing(scheduler) as client:
        yield client


@contextlib.contextmanager
def _own(workers: int, quiet: bool) -> Iterator[Client]:
    import tempfile

    import dask
    from distributed import Client, LocalCluster
    from distributed.security import Security

    settings = {
        "distributed.worker.multiprocessing-method": "spawn",
        "distributed.scheduler.allowed-failures": OWN_ALLOWED_FAILURES,
        # Results are small. A worker that pauses because its libraries hold memory would never go on.
        "distributed.worker.memory.target": False,
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.pause": False,
        "distributed.worker.memory.terminate": 0.95,
    }
    with contextlib.ExitStack() as stack:
        stack.enter_context(dask.config.set(settings))
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="surgitwin-", ignore_cleanup_errors=True))
        # With certificates that live as long as the cluster: a port that is open on this machine is open to all its
        # users, and whoever may speak to a scheduler may run programs.
        security = Security.temporary()
        cluster = stack.enter_context(
            LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                protocol="tls://",
                security=security,
                dashboard_address=None,
                local_directory=folder,
                silence_logs=logging.CRITICAL if quiet else logging.WARNING,
            )
        )
        client = stack.enter_context(Client(cluster, security=security, set_as_default=False))
        client.register_plugin(_own_worker_plugin())
        yield client


def _own_worker_plugin() -> Any:
    """Also for workers that replace one that died."""
    from distributed import WorkerPlugin

    class OwnWorker(WorkerPlugin):
        name = "surgitwin-own-worker"

        def setup(self, worker: Any) -> None:
            prepare_own_worker()

    return OwnWorker()


@contextlib.contextmanager
def _existing(address: str) -> Iterator[Client]:
    from distributed import Client

    try:
        client = Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        message = tr("There is no scheduler at {address} ({cause}). Start one with: dask scheduler")
        cause = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise BadInput(message.format(address=address, cause=cause[:200])) from None
    with client:
        _check_workers(client, address)
        yield client


def _check_workers(client: Client, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=CONNECT_S)
    except TimeoutError:
        message = tr("The scheduler at {address} has no workers. Start some with: dask worker {address}")
        raise BadInput(message.format(address=address)) from None
    for worker, answer in client.run(program_version, on_error="return").items():
        if isinstance(answer, BaseException):
            message = tr("The worker {worker} cannot load Surgitwin ({cause}). Install version {version} there.")
            raise BadInput(message.format(worker=worker, cause=answer, version=__version__))
        if answer != __version__:
            message = tr("The worker {worker} has Surgitwin {theirs}, this is {ours}. Install the same version there.")
            raise BadInput(message.format(worker=worker, theirs=answer, ours=__version__))


@dataclass(frozen=True)
class Outcome:
    """What became of a task: its value, or a sentence that says why there is none."""

    tag: Any
    value: Any = None
    lost: str = ""


@dataclass(frozen=True)
class _Task:
    tag: Any
    key: str
    function: Callable[[Any, Context], Any]
    argument: Any


class Pool:
    """Runs tasks, as many at a time as the workers have threads, and hands out each result when it is there.

    A task whose worker dies is given to another one by the scheduler, a few times. When that was too often it is
    tried again after all others, with nothing beside it: whose fault a death is cannot be told while several tasks
    share a machine's memory. Only what fails alone is given up.
    """

    def __init__(self, client: Client, batch: str) -> None:
        self._client = client
        self._batch = batch
        self._waiting: deque[_Task] = deque()
        self._suspects: deque[_Task] = deque()
        self._flying: dict[str, tuple[_Task, Future[Any], bool]] = {}
        self._ended: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._workers_seen = time.monotonic()

    def add(
        self, tag: Any, key: str, function: Callable[[Any, Context], Any], argument: Any, *, first: bool = False
    ) -> None:
        """Queue ``function(argument, ctx)``; ``key`` names it for the scheduler, whose log must not tell who it is."""
        task = _Task(tag, key, function, argument)
        self._waiting.appendleft(task) if first else self._waiting.append(task)

    def __bool__(self) -> bool:
        return bool(self._waiting or self._suspects or self._flying)

    def next(self, ctx: Context) -> Outcome:
        """Wait for the next task that is done.

        Raises
        ------
        Cancelled
            If the context was cancelled.
        SurgitwinError
            If no worker is left, or the scheduler is gone.
        """
        while True:
            ctx.check()
            self._start()
            outcome = self._take(POLL_S)
            if outcome is not None:
                return outcome

    def stop(self) -> list[Outcome]:
        """Ask what runs to stop, and return what was done until then; what had not begun is forgotten."""
        self._waiting.clear()
        self._suspects.clear()
        for key, (_task, future, _alone) in list(self._flying.items()):
            if future.status == "pending" and not self._is_running(future):
                future.cancel()
                del self._flying[key]
        outcomes: list[Outcome] = []
        with contextlib.suppress(OSError, SurgitwinError):  # the scheduler may be gone: then nothing is left to stop
            self._client.run(stop_batch, self._batch)
            until = time.monotonic() + STOP_S
            while self._flying and time.monotonic() < until:
                outcome = self._take(POLL_S)
                outcomes += [outcome] if outcome is not None else []
        self._client.cancel([future for _, future, _ in self._flying.values()])
        return outcomes

    def _is_running(self, future: Future[Any]) -> bool:
        return any(str(future.key) in map(str, keys) for keys in self._client.processing().values())

    def _slots(self) -> int:
        """Threads of all workers; complains when there have been none for a minute."""
        try:
            slots = int(sum(self._client.nthreads().values()))
        except (OSError, RuntimeError) as error:
            message = tr("The connection to the scheduler was lost ({cause}). What was done is kept; start again.")
            raise SurgitwinError(message.format(cause=str(error).rstrip(".") or type(error).__name__)) from error
        now = time.monotonic()
        if slots:
            self._workers_seen = now
        elif now - self._workers_seen > NO_WORKER_S:
            raise SurgitwinError(tr("No worker has been there for a minute. What was done is kept; start again."))
        return slots

    def _start(self) -> None:
        slots = self._slots()
        while self._waiting and len(self._flying) < max(slots, 1):
            self._submit(self._waiting.popleft(), alone=False)
        if self._suspects and not self._waiting and not self._flying:
            self._submit(self._suspects.popleft(), alone=True)

    def _submit(self, task: _Task, *, alone: bool) -> None:
        key = f"surgitwin-{task.key}{'-alone' if alone else ''}"
        future = self._client.submit(
            stoppable, self._batch, task.function, task.argument, key=key, pure=False, retries=0
        )
        self._flying[key] = (task, future, alone)
        future.add_done_callback(lambda done: self._ended.put(str(done.key)))

    def _take(self, patience_s: float) -> Outcome | None:
        try:
            key = self._ended.get(timeout=patience_s)
        except queue.Empty:
            return None
        if key not in self._flying:
            return None
        task, future, alone = self._flying.pop(key)
        return self._outcome(task, future, alone)

    def _outcome(self, task: _Task, future: Future[Any], alone: bool) -> Outcome | None:
        from distributed import KilledWorker

        if future.status == "finished":
            return Outcome(task.tag, future.result())
        if future.status in ("cancelled", "lost"):
            raise SurgitwinError(tr("The connection to the scheduler was lost. What was done is kept; start again."))
        error: Any = future.exception()
        if not isinstance(error, KilledWorker):
            message = tr("A fault in the program stopped this ({kind}: {what}).")
            return Outcome(task.tag, lost=message.format(kind=type(error).__name__, what=error))
        if not alone:
            self._suspects.append(task)
            return None
        times = 2 * (int(getattr(error, "allowed_failures", 0)) + 1)
        message = tr(
            "The worker died each of the {times} times that it was tried, the last ones with nothing beside it; there"
            " may not have been enough memory. Try it with --workers 1."
        )
        return Outcome(task.tag, lost=message.format(times=times))
