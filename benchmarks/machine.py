"""The conditions of a run: processor, versions, and a digest of the measured source code."""

import hashlib
import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("keras", "tensorflow", "jax", "torch", "local-attention", "numpy")
ROOT = Path(__file__).parents[1]


def make_stamp(device):
    """Return {name: value} of all conditions that a result depends on."""
    return {
        "processor": get_processor(),
        "cores": len(os.sched_getaffinity(0)),
        "device": device,
        "python": platform.python_version(),
        **{name: _get_version(name) for name in PACKAGES},
        "sources": digest_sources(),
    }


def get_processor():
    """Return the processor's name."""
    path = Path("/proc/cpuinfo")
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    name = re.search(r"model name\s*: (.*)", text)
    return name[1] if name else platform.processor() or platform.machine()


def _get_version(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def digest_sources(root=ROOT):
    """Return a digest, 8 hexadecimal digits, of the package and of the code that measures it."""
    modules = ("family", "cases", "task", "timing", "limits", "memory", "worker")
    paths = sorted(root.glob("keras_attention/**/*.py"))
    for folder in ("families", "plain", "engines"):
        paths += sorted(root.glob(f"benchmarks/{folder}/*.py"))
    paths += [root / f"benchmarks/{name}.py" for name in modules]
    contents = b"".join(path.read_bytes() for path in paths)
    return hashlib.sha256(contents).hexdigest()[:8]
