"""Storage of results in a file of JSON lines, from which a later run resumes."""

import json
import os
from pathlib import Path


class Results:
    """The results with one stamp. Results with other stamps stay in the file but are ignored.

    Args:
        path: The file, which is created if it does not exist.
        stamp: The conditions of the run: machine, versions, digest of the source code.
    """

    def __init__(self, path, stamp):
        self.path, self.stamp = Path(path), stamp
        self.by_key = {}
        self.stale_count = 0  # number of results with other stamps
        for line in self._load_lines():
            if line["stamp"] == stamp:
                self.by_key[line["key"]] = line["result"]
            else:
                self.stale_count += 1

    def _load_lines(self):
        if not self.path.exists():
            return
        for text in self.path.read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(text)
            except json.JSONDecodeError:
                continue  # an incomplete line, which a killed run can leave

    def __contains__(self, key):
        return key in self.by_key

    def get(self, key):
        """Return the result of the key, or None."""
        return self.by_key.get(key)

    def add(self, key, result):
        """Store a result, also in the file, to which it is appended by a single write."""
        self.by_key[key] = result
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"key": key, "stamp": self.stamp, "result": result}) + "\n"
        # Start a new line if a killed run left the last one incomplete.
        is_incomplete = self.path.exists() and self.path.read_bytes()[-1:] not in (b"", b"\n")
        with open(self.path, "ab") as file:
            file.write((b"\n" if is_incomplete else b"") + line.encode())
            file.flush()
            os.fsync(file.fileno())


def write_atomically(path, text):
    """Write a file so that readers get either the old or the new one."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".unfinished")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
