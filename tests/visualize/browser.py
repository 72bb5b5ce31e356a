"""Run a script in a page that headless Chromium opens from disk."""

import html
import json
import re
import shutil
import subprocess

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
OPTIONS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run
    --disable-background-networking --disable-component-update --disable-sync
    --enable-logging=stderr --virtual-time-budget=1000 --window-size=900,700""".split()


def run_in_page(page, script, directory):
    """Return the results of a script that runs at the end of a page, and check that it is quiet.

    Args:
        page: HTML text.
        script: Body of a JavaScript function that returns results which JSON can represent.
        directory: An empty folder.
    """
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        pytest.skip(f"no browser is installed: none of {', '.join(NAMES)} is on the path")
    code = f"""<script>
    const results = JSON.stringify((() => {{ {script} }})());
    document.body.replaceChildren();
    document.body.setAttribute("data-results", results);
    </script></body>"""
    path = directory / "page.html"
    path.write_text(page.replace("</body>", code), encoding="utf-8")
    profile = f"--user-data-dir={directory / 'profile'}"
    process = subprocess.run(
        [browser, *OPTIONS, profile, "--dump-dom", path.as_uri()],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
    )
    messages = [line for line in process.stderr.splitlines() if "CONSOLE" in line]
    assert not messages, messages
    results = re.search('data-results="(.*?)"', process.stdout, re.S)
    assert results, process.stderr[-2000:]
    return json.loads(html.unescape(results[1]))
