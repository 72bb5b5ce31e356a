"""On what a run was made: processor, versions, and a digest of the sources that were measured."""

import hashlib
import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("keras", "tensorflow", "jax", "torch", "local-attention", "numpy")
ROOT = Path(__file__).parents[1]


def stamp(device):
    """{what: which}, all of which a result depends on."""
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "device": device,
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
        "sources": digest(),
    }


def processor():
    """The processor's name."""
    path = Path("/proc/cpuinfo")
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    found = re.search(r"model name\s*: (.*)", text)
    return found[1] if found else platform.processor() or platform.machine()


def _version(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def digest(root=ROOT):
    """Of the package's sources and of what decides what is measured, 8 hexadecimal digits."""
    measuring = ("family", "cases", "task", "timing", "limits", "memory", "worker")
    sources = sorted(root.glob("keras_attention/**/*.py"))
    for folder in ("families", "plain", "engines"):
        sources += sorted(root.glob(f"benchmarks/{folder}/*.py"))
    sources += [root / f"benchmarks/{name}.py" for name in measuring]
    contents = b"".join(path.read_bytes() for path in sources)
    return hashlib.sha256(contents).hexdigest()[:8]
