"""The report of an example's run."""

import json

from examples.report import Report


def test_a_report_has_everything_needed_to_reproduce_its_figures(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["examples/some.py", "--task", "a b"])
    Report(tmp_path, 7).write({"accuracy": 0.5}, tmp_path / "saved/3")
    written = json.loads((tmp_path / "figures.json").read_text())
    assert written["command"] == "python examples/some.py --task 'a b'"
    assert written["seed"] == 7
    assert written["accuracy"] == 0.5
    assert written["export"] == str(tmp_path / "saved/3")
    assert set(written["versions"]) == {"python", "tensorflow", "keras", "numpy"}
    assert json.loads(capsys.readouterr().out) == written


def test_the_duration_of_a_run_starts_with_its_report(tmp_path):
    report = Report(tmp_path, 0)
    report.start = tuple(moment - 120 for moment in report.start)
    report.write({})
    written = json.loads((tmp_path / "figures.json").read_text())
    assert 2 <= written["minutes of this run"] < 3
    assert 2 <= written["processor minutes of this run"] < 3
    assert written["export"] is None
