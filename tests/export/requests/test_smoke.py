"""The smoke test of a running server, here with a server that sends prepared answers."""

import contextlib
import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from keras_attention import export
from keras_attention.export.__main__ import main
from keras_attention.export.requests import smoke
from keras_attention.export.requests.record import ANSWERS


@contextlib.contextmanager
def open_server(answer):
    """Open a server that sends `answer(path, headers, body)`, a status and a JSON value."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):  # noqa: N802
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, content = answer(self.path, self.headers, body)
            content = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def load_answer(path, body):
    """Return the kept answer to a request, as a server sends it."""
    file = path / ANSWERS / f"{body['signature_name']}.json"
    outputs = json.loads(file.read_text())["outputs"]
    return next(iter(outputs.values())) if len(outputs) == 1 else outputs


def test_a_server_with_the_kept_answers_passes(translator_export, capsys):
    *_, path = translator_export
    received = []

    def answer(url, headers, body):
        received.append((url, headers["Authorization"]))
        return 200, {"outputs": load_answer(path, body)}

    with open_server(answer) as address:
        arguments = ["smoke", f"http://{address}/proxy/", str(path)]
        assert main([*arguments, "--header", "Authorization: Bearer a", "--name", "other"]) == 0
        assert export.smoke(address, path.parent)[1] == []
    output = capsys.readouterr().out
    assert "encode: answered in" in output and "as at export" in output
    assert received[0] == ("/proxy/v1/models/other/versions/1:predict", "Bearer a")
    assert received[2] == ("/v1/models/translator/versions/1:predict", None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda out: {**out, "summary": np.add(out["summary"], 0.1).tolist()}, "a difference of"),
        (lambda out: {**out, "summary": out["summary"][:1]}, "Received: shape="),
        (lambda out: {"summary": out["summary"]}, r"Received: \['summary'\]"),
        (lambda out: out["summary"], "Received: list"),
        (lambda out: {**out, "summary": [["a"] * 7] * 3}, "21 of 21 values differ"),
        (lambda out: {**out, "summary": [[np.nan] * 7] * 3}, "a difference of"),
    ],
)
def test_a_wrong_answer_is_a_problem(translator_export, change, message, capsys):
    *_, path = translator_export

    def answer(_, __, body):
        outputs = load_answer(path, body)
        is_changed = body["signature_name"] == "serving_default"
        return 200, {"outputs": change(outputs) if is_changed else outputs}

    with open_server(answer) as address:
        lines, problems = export.smoke(address, path)
        assert main(["smoke", address, str(path)]) == 1
    (problem,) = problems
    assert problem.startswith("serving_default: Expected")
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(problem)
    assert len(lines) == 1 and "problem: serving_default" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "content", "message"),
    [
        (404, {"error": "no such model"}, "404 .*no such model"),
        (200, {"predictions": []}, "KeyError: 'outputs'"),
        (200, [], "TypeError"),
    ],
)
def test_an_error_of_the_server_is_a_problem(translator_export, status, content, message):
    *_, path = translator_export
    with open_server(lambda *_: (status, content)) as address:
        lines, problems = export.smoke(address, path)
    assert lines == [] and len(problems) == 2
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(problems[0])


def test_an_export_without_requests_is_refused(translator_export, tmp_path, capsys):
    *_, path = translator_export
    shutil.copytree(path, tmp_path / "1", ignore=shutil.ignore_patterns("requests"))
    with pytest.raises(ValueError, match="with example requests"):
        export.smoke("localhost:1", tmp_path)
    assert main(["smoke", "localhost:1", str(tmp_path)]) == 1
    assert "with example requests" in capsys.readouterr().err


def test_it_is_said_if_no_answer_was_compared(translator_export, tmp_path):
    *_, path = translator_export
    shutil.copytree(path, tmp_path / "1", ignore=shutil.ignore_patterns("answers"))
    with open_server(lambda *_: (200, {"outputs": []})) as address:
        lines, problems = export.smoke(address, tmp_path)
    assert problems == [] and lines[-1].startswith("no answer was compared")


def test_a_version_that_is_a_link_is_addressed_by_its_own_name(translator_export, tmp_path):
    *_, path = translator_export
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "3").symlink_to(path)
    (tmp_path / "dates").symlink_to("served")
    received = []

    def answer(url, _, body):
        received.append(url)
        return 200, {"outputs": load_answer(path, body)}

    with open_server(answer) as address:
        assert export.smoke(address, tmp_path / "dates")[1] == []
    assert set(received) == {"/v1/models/dates/versions/3:predict"}
    document = export.openapi(tmp_path / "dates")
    assert document["info"] == {"title": "dates", "version": "3"}
    (directory, _) = export.triton(tmp_path / "dates", tmp_path / "models")
    assert directory.name == "dates_encode" and (directory / "3" / "model.py").exists()
    assert "MODEL_NAME=dates" in export.how_to_serve(tmp_path / "dates" / "3")


def test_escape_sequences_in_an_answer_are_escaped(translator_export):
    *_, path = translator_export
    with open_server(lambda *_: (404, {"error": "\x1b[2J\u202e"})) as address:
        _, problems = export.smoke(f"{address}/\u202e", path)
    assert problems and not any("\u202e" in problem for problem in problems)


def test_a_malformed_header_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["smoke", "localhost:1", str(tmp_path), "--header", "token"])
    assert "--header 'NAME: VALUE'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("theirs", "ours", "is_equal"),
    [
        ([[1.0, 2.0]], [[1.0005, 2.0]], True),
        ([[1.0, 2.0]], [[1.01, 2.0]], False),
        ([1e-9, 1e-9], [1e-9, 2e-9], False),  # relative to the output, not to 1
        ([5.0, 7.0, -1e9], [1.0, 2.0, -1e9], False),  # not relative to a masked score
        ([1.0, -1.0001e9], [1.0, -1e9], True),
        ([1e-6, 5.0], [0.0, 5.0], True),
        ([[1.0, 2.0], [3.0]], [[1.0, 2.0], [3.0, 4.0]], False),
        ([["a", "b"], ["c"]], [["a", "b"], ["c", "d"]], False),
        ([[1.0, 2.0], 3.0], [[1.0, 2.0], [3.0, 4.0]], False),
        ([[[1.0], 2.0]], [[[1.0], [2.0]]], False),
        ([np.nan], [np.nan], True),
        ([2.0], [2], True),  # a server may write a float as an integer, and vice versa
        (["a", {"b64": "/w=="}], ["a", {"b64": "/w=="}], True),
        (["a", {"b64": "/w=="}], ["a", "b"], False),
        ([True], [False], False),
        ([], [], True),
    ],
)
def test_answers_are_compared_relative_to_their_magnitude(theirs, ours, is_equal):
    differences = smoke.find_differences(theirs, {"outputs": {"y": ours}}, smoke.TOLERANCE)
    assert (list(differences) == []) == is_equal
