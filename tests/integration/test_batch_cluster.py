"""Batches on real schedulers with real worker processes, some of which are killed on the way."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import dask_parts
from surgitwin.batch.cluster import Outcome, Pool, connected
from surgitwin.cli.main import main
from surgitwin.core.progress import Context
from terminal import Phantom, copy_of, done, fingerprint, make_case, make_phantom, surgitwin

PROGRAM = [sys.executable, "-m", "surgitwin"]
PARTS = str(Path(dask_parts.__file__))
WAIT_S = 120
GUIDE = Path(__file__).parents[2] / "docs" / "user" / "batch.md"


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Phantom:
    return make_phantom(tmp_path_factory.mktemp("phantom"))


@pytest.fixture(scope="module")
def whole_case(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_case(phantom, tmp_path_factory.mktemp("case") / "case.twin")


def rows_of(table: Path) -> dict[str, dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as file:
        return {Path(row["case"]).stem: row for row in csv.DictReader(file)}


def write_recipe(phantom: Phantom, folder: Path) -> Path:
    """Keep a plane of the liver, and how much stays of it; a threshold comes between, where a test may wait."""
    steps = [
        {"command": "add", "path": str(phantom.tumour_map), "as": "labelmap", "name": "Second tumour"},
        {"command": "segment", "method": "threshold", "into": "Bright", "settings": {"low": 100}},
        {"command": "plan", "name": "Right", "organ": "Liver", "plane": [phantom.plane_between(20)]},
    ]
    columns = {
        "flr_percent": "plan.flr_percent",
        "bright_ml": "segment.volume_ml",
        "margin_mm": "plan.devascularised_ml",
    }
    path = folder / "recipe.json"
    path.write_text(json.dumps({"steps": steps, "columns": columns}), encoding="utf-8")
    return path


class Line:
    """Where a worker says that it is in the middle of a case; waits there until it is killed or stopped."""

    def __init__(self, note: Path, stack: ExitStack) -> None:
        self._note = note
        self._server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self._server.settimeout(WAIT_S)
        self._stack = stack

    def hold(self, case: str) -> None:
        self._note.write_text(f"{self._server.getsockname()[1]}\n{case}", encoding="utf-8")

    def process_of_worker(self) -> int:
        """Wait until a worker has come there; the next one will not wait."""
        line = self._stack.enter_context(self._server.accept()[0])
        self._note.unlink()
        return int(self._stack.enter_context(line.makefile()).readline())


def started(stack: ExitStack, *words: str, say: str) -> tuple[subprocess.Popen[str], str]:
    """A part of a cluster, once its first line is there."""
    process = subprocess.Popen(
        [sys.executable, PARTS, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    stack.callback(process.wait, WAIT_S)
    stack.callback(process.kill)
    assert process.stdout is not None
    stack.callback(process.stdout.close)
    line = process.stdout.readline().strip()
    assert line.startswith(say), line
    return process, line


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither SIGKILL nor SIGINT for another process.")
def test_a_killed_worker_a_failing_case_and_a_stopped_batch_cost_nothing_but_themselves(
    phantom: Phantom, whole_case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("a", "b", "c", "liverless")
    cases = [copy_of(whole_case, tmp_path).rename(tmp_path / f"{name}.twin") for name in names]
    done("edit", cases[3], "Liver", "--rename", "Foie")
    before = fingerprint(tmp_path)
    recipe, table = write_recipe(phantom, tmp_path), tmp_path / "recipe.csv"
    monkeypatch.setenv(dask_parts.HOLD, str(tmp_path / "hold"))
    with ExitStack() as stack:
        line = Line(tmp_path / "hold", stack)
        _, address = started(stack, "scheduler", say="tcp://127.0.0.1:")
        workers = {started(stack, "worker", address, say="ready")[0].pid for _ in range(2)}
        words = [*PROGRAM, "batch", str(recipe), *map(str, cases), "--scheduler", address, "--json"]

        # A worker is killed in the middle of a case.
        line.hold("b")
        program = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        victim = line.process_of_worker()
        assert victim in workers
        os.kill(victim, signal.SIGKILL)
        out, err = program.communicate(timeout=WAIT_S)

        document, rows = json.loads(out), rows_of(table)
        assert program.returncode == 3 and err.startswith("1 of 4 cases failed") and err.count("\n") == 1, err
        assert (document["rows"], document["done"], document["skipped"]) == (4, 3, 0)
        (failure,) = document["failed"]
        assert failure["case"] == str(cases[3]) and failure["step"] == "3 (plan)" and "Foie" in failure["message"]
        assert [rows[name]["status"] for name in names] == ["done", "done", "done", "failed"]
        assert {rows[name]["flr_percent"] for name in "abc"} == {"43.75"} and rows["b"]["margin_mm"] == ""
        for case in cases[:3]:  # what the killed worker had added is there once
            segments = [node["name"] for node in done("tree", case)["nodes"] if node["type"] == "segment"]
            assert sorted(segments) == [
                "Bright", "Liver", "Portal vein", "Right kidney", "Second tumour", "Tumour 1"
            ]  # fmt: skip
            assert done("verify", case)["ok"] is True
        after = fingerprint(tmp_path)
        assert after.keys() == before.keys() | {"recipe.json", "recipe.csv", "recipe.ledger.jsonl"}
        assert after["liverless.twin"] == before["liverless.twin"]

        # A second run does only what failed; a case that was changed is done again, and stopped in the middle.
        done("remove", cases[2], "Second tumour")
        changed = cases[2].read_bytes()
        line.hold("c")
        program = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert line.process_of_worker() in workers - {victim}
        program.send_signal(signal.SIGINT)
        out, err = program.communicate(timeout=WAIT_S)

        rows = rows_of(table)
        assert (program.returncode, out) == (4, "") and err.startswith("Cancelled. 2 of 4 cases are done"), err
        assert [rows[name]["status"] for name in names[:3]] == ["skipped", "skipped", "not done"]
        assert "c.twin has changed since" in rows["c"]["note"] and rows["b"]["flr_percent"] == "43.75"
        assert cases[2].read_bytes() == changed
        assert fingerprint(tmp_path).keys() == after.keys()

        # The third run does the rest.
        answer = surgitwin("batch", recipe, *cases[:3], "--scheduler", address, "--json")

        assert answer.status == 0, answer.err
        assert (answer.document["done"], answer.document["skipped"]) == (1, 2)
        assert "interrupted" in rows_of(table)["c"]["note"]

    # Everything is done: nobody needs a scheduler.
    answer = surgitwin("batch", recipe, *cases[:3], "--scheduler", address, "--json")
    assert (answer.status, answer.document["skipped"]) == (0, 3)
    answer = surgitwin("batch", recipe, *cases[:3], "--again", "--scheduler", "tcp://127.0.0.1:1")
    assert answer.status == 3 and "There is no scheduler at tcp://127.0.0.1:1" in answer.err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL.")
def test_a_task_that_kills_every_worker_is_given_up_and_those_beside_it_are_not() -> None:
    with connected(None, 2) as client:
        pool = Pool(client, "batch")
        pool.add("deadly", "deadly", dask_parts.die, None)
        for number in range(3):
            pool.add(number, f"double-{number}", dask_parts.double, number)
        pool.add("faulty", "faulty", dask_parts.fail, None)
        outcomes: dict[Any, Outcome] = {}
        while pool:
            outcome = pool.next(Context())
            outcomes[outcome.tag] = outcome

    assert [outcomes[number].value[0] for number in range(3)] == [0, 2, 4]
    assert os.getpid() not in {outcomes[number].value[1] for number in range(3)}
    assert "died each of the 4 times" in outcomes["deadly"].lost
    assert outcomes["faulty"].lost == "A fault in the program stopped this (ValueError: told to)."


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The recipes of the user guide in the current folder, and its commands."""
    monkeypatch.chdir(tmp_path)
    page = GUIDE.read_text(encoding="utf-8")
    for kind, name in (("json", "remnants.json"), ("toml", "pressure.toml")):
        (text,) = re.findall(rf"^```{kind}\n(.*?)```", page, re.DOTALL | re.MULTILINE)
        Path(name).write_text(text, encoding="utf-8")
    blocks = re.findall(r"^```\n(surgitwin .*?)```", page, re.DOTALL | re.MULTILINE)
    lines = [shlex.split(line)[1:] for block in blocks for line in block.splitlines()]
    return [words for words in lines if words[-1] != "cases"]


def test_the_examples_of_the_guide_can_be_typed_as_they_are_printed(examples: list[list[str]]) -> None:
    assert [words[0] for words in examples] == ["sample", "sample", "new", "new", "batch", "batch"]

    assert main(examples[0]) == 0
    shutil.copytree("p1", "p2")  # the second sample takes as long as the first
    assert [main(words) for words in examples[2:]] == [0] * 4

    rows = rows_of(Path("remnants.csv"))
    for name, row in rows.items():
        plan = done("plan", f"{name}.twin", "Left", "--organ", "Liver", "--plane=-20,0,0,-1,0,0")
        assert float(row["flr_percent"]) == plan["flr_percent"] and float(row["remnant_ml"]) == plan["remnant_ml"]
        assert Path(f"{name}-liver.stl").stat().st_size > 0
    assert rows.keys() == {"p1", "p2"} and all(float(row["spleen_ml"]) > 50 for row in rows.values())
    (row,) = rows_of(Path("pressure.csv")).values()
    assert float(row["samples.pvp_mmhg.low"]) < float(row["samples.pvp_mmhg.value"])
    assert row["samples.pvp_mmhg.count"] == "100000" and "simulated" in row["warnings"].split("; ")


def test_cases_are_made_from_images_and_one_that_somebody_has_edited_is_left_alone(
    phantom: Phantom, tmp_path: Path
) -> None:
    recipe, folder = tmp_path / "new.toml", tmp_path / "cases"
    folder.mkdir()
    lines = ['[[steps]]\ncommand = "new"', '[[steps]]\ncommand = "segment"', 'method = "threshold"', 'into = "Bright"']
    recipe.write_text("\n".join([*lines, "settings = {low = 100}"]), encoding="utf-8")
    words = ("batch", recipe, phantom.ct, phantom.tumour_map, "--cases-in", folder, "--workers", "1", "--json")

    answer = surgitwin(*words)

    assert answer.status == 3 and "No voxel" in answer.document["failed"][0]["message"]
    assert [path.name for path in folder.iterdir()] == ["ct.twin"]
    row = rows_of(tmp_path / "new.csv")["ct"]
    bright = phantom.voxels >= 100
    assert float(row["2.volume_ml"]) == pytest.approx(bright.sum() * phantom.voxel_ml)

    done("edit", folder / "ct.twin", "Bright", "--rename", "Mine")
    edited = fingerprint(folder)
    answer = surgitwin(*words[:3], *words[4:])
    assert answer.status == 3 and "not as this batch has left it" in answer.document["failed"][0]["message"]
    assert fingerprint(folder) == edited


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("missing.json", "a.twin"), "There is no recipe"),
        (("r.json",), "Name at least one case"),
        (("r.json", "a.twin", "--workers", "0"), "--workers must be 1 or more"),
        (("r.json", "a.twin", "--out", "r.xlsx"), ".csv or .parquet"),
        (("r.json", "a.twin", "--out", "mine.csv"), "is no table of a batch"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(
    words: tuple[str, ...], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("r.json").write_text('{"steps": [{"command": "stats"}]}', encoding="utf-8")
    Path("mine.csv").write_text("my own figures\n", encoding="utf-8")
    before = fingerprint(tmp_path)

    answer = surgitwin("batch", *words, "--json")

    assert (answer.status, answer.out) == (3, "") and sentence in answer.err and answer.err.count("\n") == 1
    assert fingerprint(tmp_path) == before
