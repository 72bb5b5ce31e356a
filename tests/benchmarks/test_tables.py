import csv
import dataclasses
import io
import math

import pytest

from benchmarks import goals, plots, results, rows, table
from benchmarks.cases import Case, list_cases
from benchmarks.families import FAMILIES

STAMP = {"processor": "any"}
RATES = {name: 1e9 for name in ("flops", "exponentials", "reciprocals", "tanhs", "bytes")}


def make_times(median):
    return {
        "best": 0.8 * median,
        "median": median,
        "lower": 0.9 * median,
        "upper": 1.1 * median,
        "samples": 5,
        "first": median + 1,
    }


@pytest.fixture
def store(tmp_path):
    store = results.Results(tmp_path / "runs" / "cpu.jsonl", STAMP)
    store.add(
        rows.make_rates_key("tensorflow", "xla", "float32"), {"rates": RATES, "dtype": "float32"}
    )
    return store


def select_case(all_cases, **fields):
    """Return the only case with these fields."""
    (case,) = [c for c in all_cases if all(getattr(c, k) == v for k, v in fields.items())]
    return case


ADDITIVE = {"family": "additive", "dtype": "float32", "step": "forward", "mode": "xla"}


def test_speed_up_is_a_ratio_of_medians_and_limit_share_a_fraction_of_the_limit(store):
    all_cases = list_cases(["tensorflow"], only="additive")
    case = select_case(all_cases, **ADDITIVE, length=256, measure="time")
    skipped = {"skipped": "would need 34.4 GB"}
    measured = {"ours": make_times(2.0), "keras AdditiveAttention": make_times(25.0)}
    store.add(case.key, {**measured, "our LuongAttention": skipped})
    ours, theirs, luong = rows.make_rows(case, store)
    assert (ours.contestant, ours.speed_up, theirs.speed_up) == ("ours", 1.0, 12.5)
    work = FAMILIES["additive"].count_work(dict(case.sizes), "forward")
    assert work.reciprocals == 8 * 256 * 256 * 256
    assert ours.limit_share == pytest.approx(work.seconds(RATES) / 2)
    assert theirs.limit_share == pytest.approx(work.seconds(RATES) / 25)
    assert luong.times is None and luong.note == "would need 34.4 GB"
    line = next(
        x for x in table.format_times(FAMILIES["additive"], all_cases, store) if "12.50×" in x
    )
    assert "would need 34.4 GB" in line and "2e+03 ± 10 %" in line


def test_missing_results_have_a_reason(store):
    all_cases = list_cases(["tensorflow"], only="additive")
    case = select_case(all_cases, **ADDITIVE, length=128, measure="time")
    store.add(case.key, {"died": "the process ended: SIGKILL"})
    page = table.format_page(["# head"], all_cases, store, goals.evaluate_goals(all_cases, store))
    assert "the process ended: SIGKILL" in page and "not run: time limit reached" in page
    assert "not measured" in page
    for block in page.split("\n\n"):  # All rows of a table have the same number of cells.
        lines = [line for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) <= 1


def test_csv_has_a_line_for_every_contestant(store):
    all_cases = list_cases(["tensorflow", "torch"])
    for case in all_cases:
        if case.measure == "memory":
            store.add(case.key, {case.contestant: {"peak": 12345}})
    lines = list(csv.DictReader(io.StringIO(table.format_csv(all_cases, store))))
    assert len(lines) == sum(
        c.backend in contestant.backends
        for c in all_cases
        if c.measure == "time"
        for contestant in FAMILIES[c.family].contestants
    )
    assert {line["backend"] for line in lines if line["peak_bytes"]} == {"tensorflow"}


def test_goals_compare_the_measurements(store):
    all_cases = list_cases(["tensorflow", "torch"])
    for case in all_cases:
        if case.measure == "time":
            names = [contestant.name for contestant in FAMILIES[case.family].contestants]
            slow = {name: make_times(11.0 * case.length) for name in names}
            store.add(case.key, slow | {"ours": make_times(1.0 * case.length)})
        else:
            peak = 100 if case.contestant == "ours" else 1100
            store.add(case.key, {case.contestant: {"peak": peak}})
    outcomes = {outcome.text: outcome for outcome in goals.evaluate_goals(all_cases, store)}
    failed = [text for text, outcome in outcomes.items() if outcome.verdict != "met"]
    assert failed == ["AdditiveAttention ≥ 12 × Keras's speed: forward, xla, T=256"]
    (torch,) = [outcome for text, outcome in outcomes.items() if "PyTorch" in text]
    assert torch.measured == "11.00"
    growths = [outcome.measured for text, outcome in outcomes.items() if "T^e" in text]
    assert growths == ["1", "1"]


def test_partly_measured_goal_is_not_met():
    assert goals.check_at_least("", [3.0, None], 2).verdict == "not measured"
    assert goals.check_at_least("", [1.9, None], 2).verdict == "**not met**"
    assert goals.check_at_least("", [3.0, 2.0], 2).verdict == "met"


def test_exponent_is_the_slope_of_logarithms():
    assert goals.fit_exponent([(math.log(x), math.log(3 * x**1.5)) for x in (1, 4, 9)]) == (
        pytest.approx(1.5)
    )
    assert goals.fit_exponent([(0.0, 0.0)]) is None


def test_plots_of_time_and_memory_are_drawn(store, tmp_path):
    all_cases = list_cases(["tensorflow"], only="additive")
    for case in all_cases:
        names = [contestant.name for contestant in FAMILIES["additive"].contestants]
        if case.measure == "time":
            store.add(case.key, {name: make_times(case.length) for name in names})
        else:
            store.add(case.key, {case.contestant: {"peak": case.length}})
    paths = plots.draw_plots(all_cases, store, tmp_path / "pictures")
    names = ["benchmark_time_additive.png", "benchmark_memory_additive.png"]
    assert [path.name for path in paths] == names
    assert all(path.stat().st_size > 10_000 for path in paths)


def test_run_resumes_from_stored_results(store):
    store.add("one", {"x": 1})
    with open(store.path, "a", encoding="utf-8") as file:
        file.write('{"key": "half a li')
    reopened = results.Results(store.path, STAMP)
    assert "one" in reopened and reopened.stale_count == 0
    reopened.add("two", {"x": 2})
    assert results.Results(store.path, STAMP).get("two") == {"x": 2}
    other = results.Results(store.path, {"processor": "another"})
    assert "one" not in other and other.stale_count == 3


def test_file_is_written_atomically(tmp_path):
    results.write_atomically(tmp_path / "docs" / "page.md", "old")
    results.write_atomically(tmp_path / "docs" / "page.md", "new")
    assert [path.name for path in (tmp_path / "docs").iterdir()] == ["page.md"]
    assert (tmp_path / "docs" / "page.md").read_text() == "new"


def test_case_survives_json_and_has_a_unique_key():
    all_cases = list_cases(["tensorflow", "jax", "torch"]) + list_cases(
        ["jax"], "gpu", only="local"
    )
    assert all(Case.from_json(dataclasses.asdict(case)) == case for case in all_cases)
    assert len({case.key for case in all_cases}) == len(set(all_cases))


def test_cases_of_goals_come_first_and_backends_alternate():
    all_cases = list_cases(["tensorflow", "jax", "torch"])
    is_goal = [case.length in FAMILIES[case.family].goal_lengths for case in all_cases]
    assert is_goal == sorted(is_goal, reverse=True)
    assert [case.backend for case in all_cases[:4]] == ["tensorflow", "tensorflow", "jax", "torch"]
    gpu = list_cases(["jax", "torch"], device="gpu")
    assert {case.dtype for case in gpu} == {"float32", "tf32", "bfloat16"}
    assert {case.backend for case in gpu if case.measure == "memory"} == {"jax"}
