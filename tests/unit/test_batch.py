"""Recipes, columns, tables and the ledger of a batch, and samples in parts; no cluster is started."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surgitwin.batch import samples
from surgitwin.batch.cases import Case, collect_cases, prepare, refuse_foreign_outputs, refuse_shared_outputs
from surgitwin.batch.columns import all_numbers, pick, warning_codes
from surgitwin.batch.ledger import Entry, Ledger, state_of, states_of, why_again
from surgitwin.batch.recipe import Recipe, read_recipe
from surgitwin.batch.table import check_table, write_table
from surgitwin.commands import COMMANDS
from surgitwin.core.errors import BadInput
from surgitwin.core.progress import Context
from surgitwin.scene.scene import Scene

PLAN = {"command": "plan", "name": "Right", "organ": "Liver", "plane": [[-20, 0, 0, -1, 0, 0]]}
STATS = {"command": "stats"}


def recipe(folder: Path, steps: list[Any], **more: Any) -> Recipe:
    path = folder / "recipe.json"
    path.write_text(json.dumps({"steps": steps, **more}), encoding="utf-8")
    return read_recipe(path)


# Recipes


def test_json_and_toml_say_the_same(tmp_path: Path) -> None:
    one = recipe(tmp_path, [{"command": "segment", "method": "threshold", "into": "Bone", "settings": {"low": 300}}])
    text = '[[steps]]\ncommand = "segment"\nmethod = "threshold"\ninto = "Bone"\n[steps.settings]\nlow = 300\n'
    (tmp_path / "recipe.toml").write_text(text, encoding="utf-8")
    other = read_recipe(tmp_path / "recipe.toml")

    assert (one.steps, one.token) == (other.steps, other.token)
    assert one.name == "recipe" and one.edits and not one.makes_cases


def test_another_value_makes_another_recipe(tmp_path: Path) -> None:
    tokens = {recipe(tmp_path, [PLAN | {"organ": organ}]).token for organ in ("Liver", "Spleen", "Liver")}

    assert len(tokens) == 2


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        ([STATS, {"command": "segmnt"}], "Step 2 (segmnt): There is no command “segmnt”"),
        ([STATS, {"command": "segment", "method": "threshold"}], "Step 2 (segment): into is missing."),
        ([{"command": "stats", "nonsense": 1}], "Step 1 (stats): There is no setting called nonsense."),
        ([{"command": "export", "out": "{patient}.stl"}], "Step 1 (export): “{patient}” stands for nothing"),
        ([{"command": "export", "out": "{image}.stl"}], "“{image}” stands for nothing"),
        ([STATS, {"command": "new"}], "Step 2 (new): “new” can only be the first step."),
        ([{"command": "new", "path": "x.nii"}], "Step 1 (new): leave “path” out"),
        ([STATS | {"id": "a"}, STATS | {"id": "a"}], "another step has the id “a” too"),
        ([STATS | {"id": "2"}, STATS], "the id “2” must be a word"),
        ([["stats"]], "Step 1 must be an object with a “command”"),
        ([], "has no steps"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused_with_the_number_of_the_step(
    steps: list[Any], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(BadInput) as raised:
        recipe(tmp_path, steps)

    assert sentence in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"x": "plan.flr_percent"}, "several steps are “plan”"),
        ({"x": "vessels.root"}, "there is no step “vessels”"),
        ({"x": "stats"}, "must say STEP.KEY"),
        ({"status": "stats.warnings"}, "the table has one of that name already"),
        ([], "must name at least one column"),
    ],
)
def test_columns_that_lead_nowhere_are_refused(columns: Any, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=sentence):
        recipe(tmp_path, [PLAN, PLAN | {"name": "Left"}, STATS], columns=columns)


def test_a_column_may_name_its_step_by_id_number_or_command(tmp_path: Path) -> None:
    ways = {"a": "last.x", "b": "1.x", "c": "plan.x", "d": ["stats", "segments", "Tumour 1.2", "volume_ml"]}

    found = recipe(tmp_path, [PLAN, STATS | {"id": "last"}], columns=ways).columns

    assert found == {
        "a": ("last", "x"),
        "b": ("1", "x"),
        "c": ("1", "x"),
        "d": ("last", "segments", "Tumour 1.2", "volume_ml"),
    }


@pytest.mark.parametrize("text", ["{", "[1]", '"x"', '{"step": []}', "\xff"])
def test_a_file_that_is_no_recipe_is_refused_in_one_sentence(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(text.encode("latin-1"))

    with pytest.raises(BadInput):
        read_recipe(path)
    with pytest.raises(BadInput, match="There is no recipe"):
        read_recipe(tmp_path / "missing.json")


def test_no_command_has_a_value_that_a_recipe_uses_for_itself() -> None:
    assert [kind.name for kind in COMMANDS.values() if {"command", "id"} & set(kind.model_fields)] == []


# Cases


def test_cases_made_from_images_are_named_after_them_and_safe(tmp_path: Path) -> None:
    made = recipe(tmp_path, [{"command": "new"}])
    names = ["a b.nii.gz", "CON.mha", "x:y.nrrd", "scan.v2"]

    cases = collect_cases(made, [tmp_path / name for name in names], tmp_path)

    assert [case.path.name for case in cases if case.path] == ["a b.twin", "_CON.twin", "x_y.twin", "scan.v2.twin"]
    assert [case.image for case in cases] == [tmp_path / name for name in names]


@pytest.mark.parametrize("other", ["two/scan.nii", "two/SCAN.mha", "one/../two/scan.nrrd"])
def test_two_images_that_would_make_one_case_are_refused(other: str, tmp_path: Path) -> None:
    made = recipe(tmp_path, [{"command": "new"}])

    with pytest.raises(BadInput, match="would both make the case"):
        collect_cases(made, [Path("one/scan.nii.gz"), Path(other)], tmp_path)


def test_which_cases_fit_a_recipe(tmp_path: Path) -> None:
    made, edits = recipe(tmp_path, [{"command": "new"}]), recipe(tmp_path, [STATS])

    for which, given, folder, sentence in (
        (edits, [], None, "Name at least one case"),
        (edits, ["a.twin", "./a.twin"], None, "given twice"),
        (edits, ["-"], None, "needs cases"),
        (edits, ["a.twin"], tmp_path, "--cases-in goes with"),
        (made, ["a.nii"], None, "say with --cases-in"),
        (made, ["a.nii"], tmp_path / "missing", "There is no folder"),
    ):
        with pytest.raises(BadInput, match=sentence):
            collect_cases(which, [Path(path) for path in given], folder)


def test_places_and_paths_are_filled_in_for_each_case(tmp_path: Path) -> None:
    steps = [
        {"command": "add", "path": "{folder}/{case}.nii.gz", "as": "labelmap", "labels": "names.json"},
        PLAN | {"plane": (), "surface": "cuts/{case}.json"},
        {"command": "export", "out": "out/{case}.stl", "segment": ["{case}"]},
    ]
    found = prepare(recipe(tmp_path, steps), Case("x", tmp_path / "far" / "p1.twin"))

    add, plan, export = (command.model_dump() for command in found.commands)
    cut = tmp_path / "cuts" / "p1.json"
    assert add["path"] == tmp_path / "far" / "p1.nii.gz" and add["labels"] == tmp_path / "names.json"
    assert plan["surface"] == (str(cut),) and export["segment"] == ("p1",)
    assert found.inputs == (tmp_path / "far" / "p1.nii.gz", tmp_path / "names.json", cut)
    assert found.outputs == (tmp_path / "out" / "p1.stl",) and not found.replaced


def test_a_file_that_an_earlier_step_writes_is_not_an_input(tmp_path: Path) -> None:
    steps = [
        {"command": "surface", "organ": "Liver", "along": "ring", "at": ["1,2,3", "4,5,6"], "out": "{case}.json"},
        PLAN | {"plane": (), "surface": "{case}.json"},
    ]

    found = prepare(recipe(tmp_path, steps), Case("x", tmp_path / "p1.twin"))

    assert (found.inputs, found.outputs) == ((), (tmp_path / "p1.json",))


def test_a_recipe_that_writes_one_file_for_two_cases_is_refused(tmp_path: Path) -> None:
    cases = [Case(name, tmp_path / f"{name}.twin") for name in "ab"]
    for out, sentence in (("all.stl", "Several cases would write"), ("{case}.twin", "write over the case")):
        command = "copy" if out.endswith("twin") else "export"
        one = recipe(tmp_path, [{"command": command, "out": out}])
        with pytest.raises(BadInput, match=sentence):
            refuse_shared_outputs(cases, [prepare(one, case) for case in cases])


def test_a_file_of_somebody_else_is_not_replaced_and_one_of_an_earlier_run_is(tmp_path: Path) -> None:
    step = {"command": "export", "out": "{case}.stl"}
    case, target = Case("a", tmp_path / "a.twin"), tmp_path / "a.stl"
    target.touch()
    asks, replaces = (prepare(recipe(tmp_path, [step | more]), case) for more in ({}, {"overwrite": True}))

    with pytest.raises(BadInput, match="exists already"):
        refuse_foreign_outputs(asks, frozenset())
    refuse_foreign_outputs(asks, frozenset({str(target)}))
    refuse_foreign_outputs(replaces, frozenset())
    assert asks.commands[0].model_dump()["overwrite"] is True  # a retry finds what a dead worker has left


# Columns

DOCUMENT = {
    "flr_percent": 40.5,
    "lesions": [{"name": "Tumour 1", "margin_mm": None}, {"name": "Tumour 2", "margin_mm": 3}],
    "twice": [{"name": "A", "x": 1}, {"name": "A", "x": 2}],
    "points_mm": [[1.0, 2.0], [3.0, 4.0]],
    "ok": True,
    "size_ijk": [1, 2, 3],
    "text": "7",
}


@pytest.mark.parametrize(
    ("way", "value"),
    [
        (("flr_percent",), 40.5),
        (("lesions", "tumour 2", "margin_mm"), 3),
        (("lesions", "Tumour 1", "margin_mm"), None),
        (("lesions", "1", "margin_mm"), 3),
        (("points_mm", "1", "0"), 3.0),
        (("ok",), True),
        (("size_ijk",), "[1, 2, 3]"),
    ],
)
def test_a_way_into_a_document_finds_its_value(way: tuple[str, ...], value: Any) -> None:
    assert pick({"plan": DOCUMENT}, {"c": ("plan", *way)}) == {"c": value}


@pytest.mark.parametrize("way", [("nix",), ("lesions", "Tumour 3", "margin_mm"), ("lesions", "2"), ("twice", "A", "x")])
def test_what_a_document_lacks_is_left_out_and_not_taken_for_null(way: tuple[str, ...]) -> None:
    assert pick({"plan": DOCUMENT}, {"c": ("plan", *way)}) == {}


def test_without_columns_all_numbers_land_in_the_table_under_their_names() -> None:
    assert all_numbers({"2": DOCUMENT, "sizes": {"volume_ml": 3}}) == {
        "2.flr_percent": 40.5,
        "2.lesions.Tumour 2.margin_mm": 3,
        "sizes.volume_ml": 3,
    }


def test_what_the_steps_warn_of_goes_along_with_their_numbers() -> None:
    one = {"warnings": [{"code": "cut-misses", "message": "x"}, {"code": "organ-cut-off", "message": "y"}]}

    assert warning_codes([one, [], {"warnings": []}, one, {}]) == ["cut-misses", "organ-cut-off"]


# Tables

ROWS = [
    {"case": "a.twin", "status": "done", "seconds": 1.5, "n": 3, "x": 0.1, "mixed": 2, "yes": True, "name": "ä,\n"},
    {"case": "b.twin", "status": "failed", "message": "No.", "n": None, "x": 0.1 + 0.2, "mixed": "two"},
]


def test_a_csv_table_keeps_every_digit_and_leaves_unknown_values_empty(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", ROWS, ["n", "x", "mixed", "yes", "name"])

    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["n"], first["yes"], first["name"]) == ("3", "true", "ä,\n")
    assert (second["n"], second["seconds"], second["yes"]) == ("", "", "")
    assert float(second["x"]) == 0.1 + 0.2


def test_a_parquet_table_keeps_numbers_as_numbers_and_unknown_values_as_null(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    write_table(tmp_path / "t.parquet", ROWS)

    rows = parquet.read_table(tmp_path / "t.parquet").to_pylist()

    assert [row["n"] for row in rows] == [3, None] and [row["x"] for row in rows] == [0.1, 0.1 + 0.2]
    assert [row["mixed"] for row in rows] == ["2", "two"] and [row["yes"] for row in rows] == [True, None]
    assert [row["note"] for row in rows] == [None, None]


def test_a_table_that_cannot_be_written_is_refused_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, sentence in (("t.xlsx", ".csv or .parquet"), ("no/t.csv", "There is no folder")):
        with pytest.raises(BadInput, match=sentence):
            check_table(tmp_path / name)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    check_table(tmp_path / "t.csv")
    with pytest.raises(BadInput, match=r"surgitwin\[parquet\]"):
        check_table(tmp_path / "t.parquet")


# The ledger


def test_the_last_line_of_a_case_holds_and_one_cut_short_is_not_read(tmp_path: Path) -> None:
    ledger = Ledger.beside(tmp_path / "t.parquet")
    first = Entry("a", "r", "started", {"a": "1"}, ("out",))
    last = replace(first, status="done", row={"case": "a", "x": 0.1})
    for entry in (first, last, replace(first, case="b")):
        ledger.add(entry)
    cut = ledger.path.read_bytes()[:-9]
    ledger.path.write_bytes(cut)

    assert ledger.path.name == "t.ledger.jsonl"
    assert ledger.read() == {"a": last}

    ledger.add(replace(first, case="c"))
    assert set(ledger.read()) == {"a", "c"}


def test_a_case_is_done_again_when_anything_has_changed_and_the_note_says_what(tmp_path: Path) -> None:
    one = recipe(
        tmp_path,
        [{"command": "add", "path": "{case}.nii", "as": "labelmap"}, {"command": "export", "out": "{case}.stl"}],
    )
    case = Case("a", tmp_path / "a.twin")
    for name in ("a.twin", "a.nii", "a.stl"):
        (tmp_path / name).write_bytes(b"before")
    prepared = prepare(one, case)
    states = states_of(case, prepared)
    done = Entry(case.key, one.token, "done", states, tuple(map(str, prepared.outputs)))

    assert why_again(done, one.token, states_of(case, prepared)) is None
    assert why_again(None, one.token, states) == ""
    assert "recipe" in str(why_again(done, "another", states))
    assert "interrupted" in str(why_again(replace(done, status="started"), one.token, states))
    assert "failed" in str(why_again(replace(done, status="failed"), one.token, states))
    assert "version 0.0.1" in str(why_again(replace(done, program="0.0.1"), one.token, states))
    for name in ("a.twin", "a.nii"):
        stat = (tmp_path / name).stat()
        os.utime(tmp_path / name, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000))
        assert f"{name} has changed" in str(why_again(done, one.token, states_of(case, prepared)))
        os.utime(tmp_path / name, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    (tmp_path / "a.twin-wal").write_bytes(b"a crash")
    assert "a.twin has changed" in str(why_again(done, one.token, states_of(case, prepared)))
    (tmp_path / "a.twin-wal").unlink()
    (tmp_path / "a.stl").unlink()
    assert "a.stl is missing" in str(why_again(done, one.token, states_of(case, prepared)))


def test_a_folder_of_images_has_changed_when_a_file_in_it_has(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.dcm").write_bytes(b"1")
    before = state_of(tmp_path)
    (tmp_path / "in" / "2.dcm").write_bytes(b"2")

    assert state_of(tmp_path) != before and state_of(tmp_path / "missing") is None


# Samples in parts

WISH = {
    "simulator": "portal-pressure",
    "samples": 2500,
    "chunk": 1000,
    "seed": 5,
    "settings": {"remnant_fraction": "0.4±0.03", "pvp_mmhg": "9±1"},
}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[samples.Drawable, list[samples.Chunk], list[Any]]:
    wish = recipe(tmp_path_factory.mktemp("recipe"), [], samples=WISH).samples
    assert wish is not None
    drawable = samples.gather(wish, Scene())
    chunks = samples.chunks_of(wish, drawable)
    return drawable, chunks, [samples.draw_chunk(chunk, Context()) for chunk in chunks]


def test_samples_are_drawn_in_parts_with_random_numbers_of_their_own(drawn: Any) -> None:
    _, chunks, parts = drawn

    assert [chunk.count for chunk in chunks] == [1000, 1000, 500]
    assert len({chunk.seed for chunk in chunks}) == 3
    pressures = np.concatenate([part["pvp_mmhg"] for part in parts])
    assert len(pressures) == len(set(pressures)) == 2500


def test_a_part_is_the_same_whoever_draws_it_and_whenever(drawn: Any) -> None:
    _, chunks, parts = drawn

    again = samples.draw_chunk(chunks[1], Context())

    assert not isinstance(again, BadInput)
    assert all(np.array_equal(again[name], values) for name, values in parts[1].items())


def test_the_joined_samples_say_what_the_simulator_says(drawn: Any) -> None:
    from surgitwin.simulators.registry import simulator_named

    drawable, _, parts = drawn
    found = samples.joined(drawable, parts)["pvp_mmhg"]
    simulator = simulator_named("portal-pressure")
    params = simulator.parse({**WISH["settings"], "samples": 20_000})  # type: ignore[dict-item]
    result = simulator.solve(simulator.gather(None, None, params), params, Context())
    wanted = next(output for output in result.outputs if output.name == "pvp_mmhg")

    assert (found["count"], found["unit"], found["point"]) == (2500, "mmHg", wanted.point)
    spread = wanted.high - wanted.low  # type: ignore[operator]
    assert found["value"] == pytest.approx(wanted.value, abs=0.03 * spread)
    assert found["low"] == pytest.approx(wanted.low, abs=0.06 * spread)
    assert found["high"] == pytest.approx(wanted.high, abs=0.06 * spread)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"simulator": "nonsense"}, "There is no simulator “nonsense”"),
        ({"samples": 0}, "“samples” cannot be 0"),
        ({"chunk": True}, "“chunk” cannot be True"),
        ({"settings": {"samples": 5}}, "goes beside “settings”"),
        ({"settings": {"pvp_mmhg": 400}}, "pvp_mmhg"),
        ({"nonsense": 1}, "has no entry “nonsense”"),
    ],
)
def test_samples_that_cannot_be_drawn_are_refused_before_anything_runs(
    change: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=sentence):
        recipe(tmp_path, [], samples=WISH | change)


def test_a_simulator_without_samples_of_its_own_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from surgitwin.simulators import registry
    from surgitwin.simulators.base import Simulator, SimulatorParams

    class Plain(Simulator[SimulatorParams, Any]):
        name = "plain"
        Params = SimulatorParams

    monkeypatch.setattr(registry, "simulator_named", lambda name: Plain())
    with pytest.raises(BadInput, match="“plain” cannot draw its samples in parts"):
        recipe(tmp_path, [], samples=WISH | {"simulator": "plain", "settings": {}})


def test_a_graft_is_sampled_in_parts_with_its_size_and_its_pressure(tmp_path: Path) -> None:
    settings = {"graft_volume_ml": "600±30", "standard_liver_volume_ml": 1200, "recipient_weight_kg": 70}
    wish = recipe(tmp_path, [], samples=WISH | {"simulator": "graft-pressure", "settings": settings}).samples
    assert wish is not None
    drawable = samples.gather(wish, Scene())
    parts = [samples.draw_chunk(chunk, Context()) for chunk in samples.chunks_of(wish, drawable)]

    found = samples.joined(drawable, parts)  # type: ignore[arg-type]

    from surgitwin.simulators.registry import simulator_named

    simulator = simulator_named("graft-pressure")
    params = simulator.parse({**settings, "samples": 20_000})
    result = simulator.solve(simulator.gather(None, None, params), params, Context())
    for name in ("pvp_mmhg", "grwr_percent", "gv_slv_percent"):
        wanted = next(output for output in result.outputs if output.name == name)
        spread = wanted.high - wanted.low  # type: ignore[operator]
        assert found[name]["count"] > 2000
        assert found[name]["value"] == pytest.approx(wanted.value, abs=0.05 * spread)
        assert found[name]["low"] == pytest.approx(wanted.low, abs=0.08 * spread)


def test_samples_that_contradict_themselves_are_a_sentence_and_no_number(tmp_path: Path) -> None:
    settings = {"remnant_fraction": 0.4, "pvp_mmhg": "6±4", "cvp_mmhg": "5±3"}
    wish = recipe(tmp_path, [], samples=WISH | {"settings": settings}).samples
    assert wish is not None

    chunk = samples.chunks_of(wish, samples.gather(wish, Scene()))[0]

    found = samples.draw_chunk(chunk, Context())
    assert isinstance(found, BadInput) and "contradict" in str(found)
