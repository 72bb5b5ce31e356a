"""Update saved_models/manifest.json, which says how to reproduce each published export.

    python -m examples.manifest runs/translate_dates-seed0 runs/pointer_hull-seed0

The command adds or replaces the entries of the exports of these runs, which must be in
saved_models/. An entry has the contents of the run's figures.json without its learning curves, and
the digests of the export's files. Published exports are those in the repository; each has at most
`MAX_EXPORT_BYTES`.
"""

import hashlib
import json
import sys
from pathlib import Path

from examples.training import write

SAVED_MODELS = Path("saved_models")
MAX_EXPORT_BYTES = 2_000_000


def add(runs, saved_models=SAVED_MODELS):
    """Add the exports of some runs to the manifest, and return it.

    Raises:
        ValueError: If a run's export is not a version in `saved_models`, or too large.
    """
    manifest = read(saved_models)
    for run in map(Path, runs):
        figures = json.loads((run / "figures.json").read_text())
        version = Path(figures.pop("export") or "none")
        if version.resolve().parent.parent != Path(saved_models).resolve():
            raise ValueError(f"Expected an export in {saved_models}. Received: export={version}")
        size = sum(path.stat().st_size for path in list_files(version))
        if size > MAX_EXPORT_BYTES:
            raise ValueError(
                f"Expected at most {MAX_EXPORT_BYTES} bytes. Received: {version}, {size} bytes"
            )
        manifest[version.parent.name] = {
            "version": int(version.name),
            **{name: value for name, value in figures.items() if "curve" not in name},
            "bytes": size,
            "sha256": compute_digests(version),
        }
    text = json.dumps(dict(sorted(manifest.items())), indent=1, ensure_ascii=False) + "\n"
    write(Path(saved_models) / "manifest.json", lambda file: file.write(text.encode()))
    return manifest


def read(saved_models=SAVED_MODELS):
    """Return the manifest: dict of export name to its entry, empty if there is no file."""
    path = Path(saved_models) / "manifest.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def list_files(version):
    """Return all files of an export, in the same order on every machine."""
    return sorted(path for path in Path(version).rglob("*") if path.is_file())


def compute_digests(version):
    """Return {path within the export: sha256 of the file}."""
    return {
        path.relative_to(version).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in list_files(version)
    }


if __name__ == "__main__":
    add(sys.argv[1:])
