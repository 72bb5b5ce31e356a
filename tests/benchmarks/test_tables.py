import csv
import dataclasses
import io
import math

import pytest

from benchmarks import goals, plots, results, rows, table
from benchmarks.cases import cases, from_json
from benchmarks.families import FAMILIES

STAMP = {"processor": "any"}
RATES = {name: 1e9 for name in ("flops", "exponentials", "reciprocals", "tanhs", "bytes")}


def times(median):
    return {
        "best": 0.8 * median,
        "median": median,
        "lower": 0.9 * median,
        "upper": 1.1 * median,
        "samples": 5,
        "first": median + 1,
    }


@pytest.fixture
def kept(tmp_path):
    found = results.Results(tmp_path / "runs" / "cpu.jsonl", STAMP)
    found.add(rows.rates_key("tensorflow", "xla", "float32"), {"rates": RATES, "dtype": "float32"})
    return found


def case_of(found, **wanted):
    """The only case that is so."""
    (case,) = [c for c in found if all(getattr(c, k) == v for k, v in wanted.items())]
    return case


ADDITIVE = {"family": "additive", "dtype": "float32", "step": "forward", "mode": "xla"}


def test_ratios_are_of_medians_and_shares_of_the_limit(kept):
    asked = cases(["tensorflow"], only="additive")
    case = case_of(asked, **ADDITIVE, length=256, measure="time")
    skipped = {"skipped": "would hold 34.4 GB"}
    measured = {"ours": times(2.0), "keras AdditiveAttention": times(25.0)}
    kept.add(case.key, {**measured, "our LuongAttention": skipped})
    ours, theirs, luong = rows.rows_of(case, kept)
    assert (ours.contestant, ours.ratio, theirs.ratio) == ("ours", 1.0, 12.5)
    work = FAMILIES["additive"].work(dict(case.sizes), "forward")
    assert work.reciprocals == 8 * 256 * 256 * 256
    assert ours.share == pytest.approx(work.seconds(RATES) / 2)
    assert theirs.share == pytest.approx(work.seconds(RATES) / 25)
    assert luong.times is None and luong.note == "would hold 34.4 GB"
    line = next(x for x in table.times_table(FAMILIES["additive"], asked, kept) if "12.50×" in x)
    assert "would hold 34.4 GB" in line and "2e+03 ± 10 %" in line


def test_what_was_not_run_says_why(kept):
    asked = cases(["tensorflow"], only="additive")
    case = case_of(asked, **ADDITIVE, length=128, measure="time")
    kept.add(case.key, {"died": "the process ended: SIGKILL"})
    page = table.markdown(["# head"], asked, kept, goals.outcomes(asked, kept))
    assert "the process ended: SIGKILL" in page and "not run: the time was up" in page
    assert "not measured" in page
    for block in page.split("\n\n"):  # all rows of a table have as many cells
        lines = [line for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) <= 1


def test_the_csv_has_a_line_for_every_contestant(kept):
    asked = cases(["tensorflow", "torch"])
    for case in asked:
        if case.measure == "memory":
            kept.add(case.key, {case.contestant: {"peak": 12345}})
    lines = list(csv.DictReader(io.StringIO(table.as_csv(asked, kept))))
    assert len(lines) == sum(
        c.backend in each.backends
        for c in asked
        if c.measure == "time"
        for each in FAMILIES[c.family].contestants
    )
    assert {line["backend"] for line in lines if line["peak_bytes"]} == {"tensorflow"}


def test_goals_are_met_by_the_numbers(kept):
    asked = cases(["tensorflow", "torch"])
    for case in asked:
        if case.measure == "time":
            names = [each.name for each in FAMILIES[case.family].contestants]
            slow = {name: times(11.0 * case.length) for name in names}
            kept.add(case.key, slow | {"ours": times(1.0 * case.length)})
        else:
            peak = 100 if case.contestant == "ours" else 1100
            kept.add(case.key, {case.contestant: {"peak": peak}})
    outcomes = {outcome.text: outcome for outcome in goals.outcomes(asked, kept)}
    failed = [text for text, outcome in outcomes.items() if outcome.verdict != "met"]
    assert failed == ["AdditiveAttention ≥ 12 × Keras's speed: forward, xla, T=256"]
    (torch,) = [outcome for text, outcome in outcomes.items() if "PyTorch" in text]
    assert torch.measured == "11.00"
    growths = [outcome.measured for text, outcome in outcomes.items() if "T^e" in text]
    assert growths == ["1", "1"]


def test_a_goal_that_is_half_measured_is_not_met():
    assert goals.at_least("", [3.0, None], 2).verdict == "not measured"
    assert goals.at_least("", [1.9, None], 2).verdict == "**not met**"
    assert goals.at_least("", [3.0, 2.0], 2).verdict == "met"


def test_the_exponent_is_a_slope():
    assert goals.exponent([(math.log(x), math.log(3 * x**1.5)) for x in (1, 4, 9)]) == (
        pytest.approx(1.5)
    )
    assert goals.exponent([(0.0, 0.0)]) is None


def test_pictures_of_time_and_memory(kept, tmp_path):
    asked = cases(["tensorflow"], only="additive")
    for case in asked:
        names = [each.name for each in FAMILIES["additive"].contestants]
        if case.measure == "time":
            kept.add(case.key, {name: times(case.length) for name in names})
        else:
            kept.add(case.key, {case.contestant: {"peak": case.length}})
    paths = plots.draw(asked, kept, tmp_path / "pictures")
    names = ["benchmark_time_additive.png", "benchmark_memory_additive.png"]
    assert [path.name for path in paths] == names
    assert all(path.stat().st_size > 10_000 for path in paths)


def test_a_run_resumes_from_what_was_kept(kept):
    kept.add("one", {"x": 1})
    with open(kept.path, "a", encoding="utf-8") as file:
        file.write('{"key": "half a li')
    again = results.Results(kept.path, STAMP)
    assert "one" in again and again.others == 0
    again.add("two", {"x": 2})
    assert results.Results(kept.path, STAMP).get("two") == {"x": 2}
    other = results.Results(kept.path, {"processor": "another"})
    assert "one" not in other and other.others == 3


def test_a_file_is_written_at_once(tmp_path):
    results.write(tmp_path / "docs" / "page.md", "old")
    results.write(tmp_path / "docs" / "page.md", "new")
    assert [path.name for path in (tmp_path / "docs").iterdir()] == ["page.md"]
    assert (tmp_path / "docs" / "page.md").read_text() == "new"


def test_a_case_survives_json_and_its_key_is_its_own():
    asked = cases(["tensorflow", "jax", "torch"]) + cases(["jax"], "gpu", only="local")
    assert all(from_json(dataclasses.asdict(case)) == case for case in asked)
    assert len({case.key for case in asked}) == len(set(asked))


def test_goals_come_first_and_backends_take_turns():
    asked = cases(["tensorflow", "jax", "torch"])
    is_goal = [case.length in FAMILIES[case.family].goal_lengths for case in asked]
    assert is_goal == sorted(is_goal, reverse=True)
    assert [case.backend for case in asked[:4]] == ["tensorflow", "tensorflow", "jax", "torch"]
    gpu = cases(["jax", "torch"], device="gpu")
    assert {case.dtype for case in gpu} == {"float32", "tf32", "bfloat16"}
    assert {case.backend for case in gpu if case.measure == "memory"} == {"jax"}
