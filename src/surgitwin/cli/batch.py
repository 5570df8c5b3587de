"""``surgitwin batch``: the same commands on many cases."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from surgitwin.cli.progress import terminal_progress
from surgitwin.cli.running import say
from surgitwin.cli.streams import output_kept_clean, print_json
from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr

_Json = Annotated[bool, Parameter(name="--json", help=tr("print one JSON document"), negative="")]


def batch(
    recipe: Path,
    /,
    *cases: Annotated[Path, Parameter(allow_leading_hyphen=True)],
    scheduler: str | None = None,
    workers: int | None = None,
    out: Path | None = None,
    cases_in: Path | None = None,
    again: Annotated[bool, Parameter(negative="")] = False,
    json: _Json = False,
) -> int:
    """Do the steps of a recipe to many cases, on all processors or on a dask cluster, and make one table.

    Parameters
    ----------
    recipe
        The steps, JSON or TOML; see docs/user/batch.md.
    cases
        Case files; or images, if the recipe's first step is “new”; or -, if it needs none.
    scheduler
        Address of a dask scheduler, for example tcp://server:8786; without it this machine does the work.
    workers
        How many processes on this machine.
    out
        The table, .csv or .parquet; without it a .csv beside the recipe.
    cases_in
        Folder for the cases that “new” makes.
    again
        Do all cases anew, also those that are done.
    """
    from surgitwin.batch.cases import collect_cases
    from surgitwin.batch.recipe import read_recipe
    from surgitwin.batch.run import Batch

    if workers is not None and (workers < 1 or scheduler is not None):
        raise BadInput(tr("--workers must be 1 or more, and goes without --scheduler."))
    read = read_recipe(recipe)
    table = out if out is not None else recipe.with_name(recipe.stem + ".csv")
    with output_kept_clean(), terminal_progress(tr("Batch"), quiet=json) as ctx:
        whole = Batch(read, collect_cases(read, cases, cases_in), table, again=again)
        document = whole.run(ctx, scheduler=scheduler, workers=workers)
    if json:
        print_json(document)
    else:
        text = tr("{table}: {done} cases done, {skipped} done in an earlier run, {failed} failed.")
        sys.stdout.write(text.format(**{**document, "failed": len(document["failed"])}) + "\n")
    for warning in document["warnings"]:
        say(warning["message"])
    failed = document["failed"]
    if failed:
        message = tr("{failed} of {count} cases failed; the first is {case}: {why} All are listed in {table}.")
        first = {"case": failed[0]["case"], "why": failed[0]["message"]}
        raise BadInput(message.format(failed=len(failed), count=document["rows"], table=document["table"], **first))
    return 0
