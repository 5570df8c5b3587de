"""A whole batch: which cases are done already, the others on a cluster, and every one of them a row in the table."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from surgitwin.batch import samples
from surgitwin.batch.cases import Case, Prepared, prepare, refuse_foreign_outputs, refuse_shared_outputs
from surgitwin.batch.cluster import Outcome, Pool, connected, default_workers
from surgitwin.batch.columns import Value, all_numbers, pick
from surgitwin.batch.ledger import Entry, Ledger, states_of, why_again
from surgitwin.batch.recipe import Recipe
from surgitwin.batch.table import check_table, write_table
from surgitwin.batch.work import CaseResult, CaseTask, run_case
from surgitwin.core.errors import BadInput, Cancelled
from surgitwin.core.progress import Context
from surgitwin.core.text import tr

Document = dict[str, Any]


@dataclass
class _Job:
    """A case on its way to its row."""

    case: Case
    note: str = ""
    prepared: Prepared = field(default_factory=lambda: Prepared((), (), (), frozenset()))
    states: dict[str, str | None] = field(default_factory=dict)
    replace: bool = False
    row: dict[str, Any] | None = None
    result: CaseResult | None = None
    parts: dict[int, Any] = field(default_factory=dict)
    chunks: int = 0


class Batch:
    """A recipe on many cases.

    Parameters
    ----------
    table
        Where the rows go; what was done is remembered in a ledger beside it.
    again
        Do everything anew, also what is done.

    Raises
    ------
    BadInput
        If the table cannot be written, or the recipe would write one file for several cases; nothing has been done.
    """

    def __init__(self, recipe: Recipe, cases: Sequence[Case], table: Path, *, again: bool = False) -> None:
        check_table(table)
        self._recipe = recipe
        self._table = table
        self._ledger = Ledger.beside(table)
        if table.exists() and not self._ledger.path.exists():
            message = tr("{path} exists already and is no table of a batch. Choose another name with --out.")
            raise BadInput(message.format(path=table))
        self._token = secrets.token_hex(8)
        known = self._ledger.read()
        self._jobs = [_Job(case) for case in cases]
        for job in self._jobs:
            self._judge(job, known.get(job.case.key), again)
        refuse_shared_outputs(cases, [job.prepared for job in self._jobs])

    def _judge(self, job: _Job, entry: Entry | None, again: bool) -> None:
        """Whether a case must be done, and whether it can be."""
        try:
            job.prepared = prepare(self._recipe, job.case)
            job.states = states_of(job.case, job.prepared)
            why = why_again(entry, self._recipe.token, job.states)
            if why is None and not again and entry is not None:
                job.row = {**entry.row, "status": "skipped", "note": tr("Done in an earlier run."), "seconds": None}
                return
            job.note = tr("Done again because it was asked for.") if why is None else why
            refuse_foreign_outputs(job.prepared, frozenset(entry.outputs if entry is not None else ()))
            self._check_target(job, entry)
        except BadInput as error:
            job.row = self._row(job, CaseResult("failed", None, str(error)))

    def _check_target(self, job: _Job, entry: Entry | None) -> None:
        """A case that is made must not take the place of one that this batch did not make, or that was edited since."""
        path = job.case.path
        if job.case.image is None or path is None or not path.exists():
            return
        job.replace = entry is not None and entry.states.get(str(path)) == job.states[str(path)]
        if not job.replace:
            message = tr("{path} exists already, and it is not as this batch has left it. Move it away first.")
            raise BadInput(message.format(path=path))

    def run(self, ctx: Context, *, scheduler: str | None = None, workers: int | None = None) -> Document:
        """Do what is not done yet, and write the table.

        Parameters
        ----------
        scheduler
            The address of a dask scheduler; without it this machine's own processes, ``workers`` of them.

        Raises
        ------
        BadInput
            If the scheduler cannot be used, or the table cannot be written.
        Cancelled
            What was done until then is kept, and in the table.
        """
        waiting = [job for job in self._jobs if job.row is None]
        try:
            if waiting:
                count = workers if workers is not None else default_workers(self._tasks(len(waiting)))
                ctx.progress(0.0, tr("Starting workers"))
                with connected(scheduler, count) as client:
                    self._work(Pool(client, self._token), waiting, ctx)
        except (Cancelled, KeyboardInterrupt):
            done = sum(job.row is not None and job.row["status"] in ("done", "skipped") for job in self._jobs)
            message = tr("Cancelled. {done} of {count} cases are done and kept; the same command does the others.")
            raise Cancelled(message.format(done=done, count=len(self._jobs))) from None
        finally:
            self._write()
        return self._document()

    def _tasks(self, cases: int) -> int:
        wish = self._recipe.samples
        return cases * (1 if wish is None else -(-wish.samples // wish.chunk))

    def _work(self, pool: Pool, waiting: Iterable[_Job], ctx: Context) -> None:
        for job in waiting:
            key = f"case-{self._name(job)}"
            pool.add((job, None), key, run_case, self._task(job))
            outputs = tuple(map(str, job.prepared.outputs))
            self._ledger.add(Entry(job.case.key, self._recipe.token, "started", job.states, outputs))
        try:
            while pool:
                self._take(pool, pool.next(ctx))
                self._report(ctx)
        except (Cancelled, KeyboardInterrupt):
            for outcome in pool.stop():
                self._take(None, outcome)
            raise

    def _name(self, job: _Job) -> str:
        """Tells the scheduler's tasks apart without naming a patient in its log."""
        return hashlib.sha256(f"{self._token} {job.case.key}".encode("utf-8", "surrogateescape")).hexdigest()[:24]

    def _task(self, job: _Job) -> CaseTask:
        return CaseTask(
            job.case,
            job.prepared.commands,
            tuple(step.title for step in self._recipe.steps),
            tuple(step.label for step in self._recipe.steps),
            self._recipe.columns,
            self._recipe.samples,
            self._name(job),
            job.replace,
        )

    def _take(self, pool: Pool | None, outcome: Outcome) -> None:
        """One task is done: a case, or a part of a case's samples. Without a pool nothing new is begun."""
        job, number = outcome.tag
        if job.row is not None:  # a part of it has failed before
            return
        if outcome.lost:
            self._finish(job, CaseResult("failed", tr("samples") if number is not None else None, outcome.lost))
        elif number is not None:
            self._take_chunk(job, number, outcome.value)
        elif outcome.value.drawable is None:
            if outcome.value.status != "cancelled":
                self._finish(job, outcome.value)
        elif pool is not None:
            self._draw(pool, job, outcome.value)

    def _draw(self, pool: Pool, job: _Job, result: CaseResult) -> None:
        assert self._recipe.samples is not None and result.drawable is not None
        job.result = result
        chunks = samples.chunks_of(self._recipe.samples, result.drawable)
        job.chunks = len(chunks)
        for number in reversed(range(len(chunks))):
            key = f"samples-{self._name(job)}-{number}"
            pool.add((job, number), key, samples.draw_chunk, chunks[number], first=True)

    def _take_chunk(self, job: _Job, number: int, part: Any) -> None:
        if isinstance(part, BadInput):
            self._finish(job, CaseResult("failed", tr("samples"), str(part)))
            return
        job.parts[number] = part
        if len(job.parts) < job.chunks:
            return
        assert job.result is not None and job.result.drawable is not None
        found = samples.joined(job.result.drawable, [job.parts[n] for n in range(job.chunks)])
        job.parts.clear()
        wished = self._recipe.columns
        values: dict[str, Value] = {**job.result.values}
        if wished is None:
            values |= all_numbers({"samples": found})
        else:
            values |= pick({"samples": found}, {name: way for name, way in wished.items() if way[0] == "samples"})
        self._finish(job, replace(job.result, values=values, drawable=None))

    def _finish(self, job: _Job, result: CaseResult) -> None:
        """Give the case its row, and remember it."""
        job.row = self._row(job, result)
        path = job.case.path
        states = dict(job.states)
        written = result.state or (job.result.state if job.result is not None else None)
        if path is not None and written is not None:
            states[str(path)] = written
        status: Literal["done", "failed"] = "done" if result.status == "done" else "failed"
        outputs = tuple(map(str, job.prepared.outputs))
        self._ledger.add(Entry(job.case.key, self._recipe.token, status, states, outputs, job.row))

    def _row(self, job: _Job, result: CaseResult) -> dict[str, Any]:
        return {
            "case": job.case.shown,
            "status": result.status,
            "note": job.note or None,
            "step": result.step,
            "message": result.message,
            "warnings": "; ".join(result.warnings) or None,
            "seconds": result.seconds,
            **result.values,
        }

    def _report(self, ctx: Context) -> None:
        done = sum(job.row is not None for job in self._jobs)
        message = tr("{done} of {count} cases").format(done=done, count=len(self._jobs))
        ctx.progress(done / len(self._jobs), message)

    def _rows(self) -> list[dict[str, Any]]:
        unknown = {"status": "not done"}
        return [job.row or {"case": job.case.shown, "note": job.note or None, **unknown} for job in self._jobs]

    def _write(self) -> None:
        columns = self._recipe.columns
        write_table(self._table, self._rows(), None if columns is None else list(columns))

    def _document(self) -> Document:
        rows = self._rows()
        failed = [row for row in rows if row["status"] == "failed"]
        return {
            "recipe": self._recipe.name,
            "table": str(self._table),
            "ledger": str(self._ledger.path),
            "rows": len(rows),
            "done": sum(row["status"] == "done" for row in rows),
            "skipped": sum(row["status"] == "skipped" for row in rows),
            "failed": [{"case": row["case"], "step": row["step"], "message": row["message"]} for row in failed],
            "warnings": self._empty_columns(rows),
        }

    def _empty_columns(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Columns that hold nothing for any case: perhaps their way is misspelt."""
        good = [row for row in rows if row["status"] in ("done", "skipped")]
        empty = [name for name in self._recipe.columns or () if not any(name in row for row in good)]
        if not good or not empty:
            return []
        message = tr("No case has anything in: {columns}. Check how they are spelt in the recipe.")
        return [{"code": "empty-column", "message": message.format(columns=", ".join(empty))}]
