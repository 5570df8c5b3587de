"""Functions called in a process of their own: the same results, errors, progress and cancelling as on a thread."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from surgitwin.core.errors import BadInput, Cancelled, NeedsConfirmation, SurgitwinError
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context, Progress
from surgitwin.jobs import Runner
from surgitwin.jobs.apart import Processes
from surgitwin.resection import LiveCut, PartitionInput, Plane, PlaneCut, Structure, prepare


def add(one: Any, two: Any, *, ctx: Context) -> tuple[Any, int]:
    ctx.progress(0.5, "Half")
    return one + two, os.getpid()


def refuse(sentence: str, *, ctx: Context) -> None:
    raise BadInput(sentence)


def ask(*, ctx: Context) -> None:
    raise NeedsConfirmation("Another patient.", "Confirm it.")


def divide(number: int, *, ctx: Context) -> float:
    return number / 0


def die(*, ctx: Context) -> None:
    os._exit(9)


def print_and_return(*, ctx: Context) -> str:
    print("noise")  # noqa: T201, what libraries do
    return "answer"


def sleep(seconds: float, *, ctx: Context) -> None:
    ctx.progress(0.0, "Asleep")
    time.sleep(seconds)


def hand_out(count: int, *, ctx: Context) -> bool:
    for number in range(count):
        ctx.partial(np.full(3, number))
    return ctx.watched


@pytest.fixture
def processes() -> Iterator[Processes]:
    made = Processes()
    yield made
    made.close()


def test_a_function_called_apart_returns_what_it_returns_here(processes: Processes) -> None:
    one = np.arange(60_000, dtype=np.int16).reshape(3, 100, 200)[:, ::-1]
    one.flags.writeable = False
    here, own = Context().apart(add, one, 7)
    apart, other = Context(helper=processes).apart(add, one, 7)
    assert own == os.getpid() != other
    assert apart.dtype == here.dtype and np.array_equal(apart, here)


def test_a_process_is_kept_for_the_next_call_and_two_calls_have_two(processes: Processes) -> None:
    ctx = Context(helper=processes)
    first, second = ctx.apart(add, 1, 2)[1], ctx.apart(add, 1, 2)[1]
    assert first == second
    found: list[int] = []
    started = threading.Event()
    other = Context(lambda _: started.set(), helper=processes)
    thread = threading.Thread(target=lambda: other.apart(sleep, 0.5))
    thread.start()
    assert started.wait(30)
    found.append(ctx.apart(add, 1, 2)[1])
    thread.join()
    assert found[0] != first


def test_progress_and_partial_results_come_back_within_their_part(processes: Processes) -> None:
    seen: list[Progress] = []
    parts: list[Any] = []
    ctx = Context(seen.append, parts.append, processes)
    ctx.part(0.5, 1.0).apart(add, 1, 2)
    assert seen == [Progress(0.75, "Half")]
    assert ctx.apart(hand_out, 3)
    assert [part.tolist() for part in parts] == [[0] * 3, [1] * 3, [2] * 3]
    assert not Context(helper=processes).apart(hand_out, 3), "nobody listens"


def test_errors_come_back_as_they_were_raised(processes: Processes) -> None:
    ctx = Context(helper=processes)
    pid = ctx.apart(add, 1, 2)[1]
    with pytest.raises(BadInput, match="The file is empty"):
        ctx.apart(refuse, "The file is empty.")
    with pytest.raises(NeedsConfirmation) as asked:
        ctx.apart(ask)
    assert (asked.value.finding, asked.value.how) == ("Another patient.", "Confirm it.")
    with pytest.raises(ZeroDivisionError) as fault:
        ctx.apart(divide, 3)
    assert "in divide" in "".join(fault.value.__notes__), "the log says where it was"
    assert ctx.apart(add, 1, 2)[1] == pid, "an error costs no process"


def test_what_a_function_prints_does_not_end_up_among_the_answers(processes: Processes) -> None:
    assert Context(helper=processes).apart(print_and_return) == "answer"


def test_cancelling_ends_a_function_that_never_asks(processes: Processes) -> None:
    started = threading.Event()
    ctx = Context(lambda _: started.set(), helper=processes)
    raised: list[BaseException] = []

    def work() -> None:
        try:
            ctx.apart(sleep, 600)
        except BaseException as error:  # noqa: BLE001, looked at below
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert started.wait(30)
    ctx.cancel()
    thread.join(30)
    assert not thread.is_alive() and isinstance(raised[0], Cancelled)
    assert Context(helper=processes).apart(add, 1, 2)[0] == 3, "the next call has a new process"


def test_a_lost_process_is_said_in_a_sentence_and_replaced(processes: Processes) -> None:
    ctx = Context(helper=processes)
    with pytest.raises(SurgitwinError, match="stopped"):
        ctx.apart(die)
    pid = ctx.apart(add, 1, 2)[1]
    assert processes._idle is not None
    processes._idle.kill()
    processes._idle.wait()
    assert ctx.apart(add, 1, 2)[1] != pid


def test_a_process_that_waits_too_long_is_ended(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("surgitwin.jobs.apart.IDLE_S", 0.05)
    Context(helper=processes).apart(add, 1, 2)
    until = time.monotonic() + 30
    while processes._idle is not None and time.monotonic() < until:
        time.sleep(0.01)
    assert processes._idle is None


def test_jobs_of_a_runner_call_apart_and_nothing_is_left_when_it_closes() -> None:
    runner = Runner()
    found: list[Any] = []
    runner.submit("Add", lambda ctx: ctx.apart(add, np.ones(5), 1), found.append)
    runner.wait()
    runner.close()
    assert found[0][0].tolist() == [2.0] * 5 and found[0][1] != os.getpid()
    assert runner._processes._idle is None


def prepared_plan(*, ctx: Context) -> PartitionInput:
    organ, lesion = np.zeros((20, 22, 24), np.bool_), np.zeros((20, 22, 24), np.bool_)
    organ[3:17, 2:20, 4:21] = lesion[6:9, 7:12, 8:12] = True
    geometry = Geometry.from_parts((24, 22, 20), (0.7, 1.1, 2.3))
    return prepare(Structure("Liver", organ), geometry, ctx, lesions=[Structure("Tumour", lesion)], is_liver=True)


def test_an_organ_that_was_prepared_apart_is_cut_to_the_same_numbers(processes: Processes) -> None:
    cuts = [PlaneCut((Plane((9.0, 8.0, 20.0), (0.4, -0.3, 1.0)),))]
    apart = Context(helper=processes).apart(prepared_plan)
    here, there = (LiveCut(each).evaluate(cuts) for each in (Context().apart(prepared_plan), apart))
    assert here == there and here.removed_voxels > 0
