"""Write docs/conversion.md: which layers `model.export(format=...)` converts to other runtimes.

    pip install -e ".[convert]" && python -m benchmarks.conversion

The command takes about 20 minutes on two cores. With names of models as arguments, it updates only
their rows.
"""

import json
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.conversion.convert import FORMATS, TOLERANCE
from benchmarks.conversion.models import MODELS

PAGE = Path(__file__).parents[2] / "docs" / "conversion.md"
PACKAGES = ("keras", "tensorflow", "tf2onnx", "onnxruntime", "openvino", "ai-edge-litert")
HEAD = """\
# ONNX, OpenVINO and LiteRT

TensorFlow Serving does not need these formats. For other runtimes, Keras converts a model by
`model.export(path, format="onnx")` (or `"openvino"`, `"litert"`). The table has one row per small
model, and a model for each mechanism of this package. The models have an unknown batch size and
length, and masks by `mask_zero=True` if the layer accepts a mask. They were run at two batch sizes
and lengths. In the column "fixed sizes", a single size was passed to the export
(`input_signature`). "ok" is followed by the largest difference from the model's float32 outputs,
whose magnitudes are about 1. Any other entry is the shortened error of converter or runtime.

- The ONNX converter needs a model that has been called once.
- If ONNX fails on the types of an `Add`, the `Add` belongs to the loop over blocks of long
  sequences. `implementation="plain"` has no such loop; its results are in separate rows.
- OpenVINO computes in bfloat16 if the processor supports it. The differences were measured with
  `INFERENCE_PRECISION_HINT: f32`.
- Compare the outputs before you serve a converted model, because a model that runs may still
  compute wrong results.

This command generated the page, with {versions}:

    pip install -e ".[convert]" && python -m benchmarks.conversion

"""
MAX_ERROR_LENGTH = 120  # characters
TIMEOUT_SECONDS = 600


def get_versions():
    """Return {package: version} of those of `PACKAGES` that are installed."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            pass
    return versions


def convert_cell(name, column):
    """Convert one model to one format in a process of its own; return the table entry."""
    command = [sys.executable, "-m", "benchmarks.conversion.convert", name, column]
    try:
        process = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"no result within {TIMEOUT_SECONDS} s"
    if process.returncode:
        return f"ends the process ({process.returncode})"
    result = json.loads(process.stdout.splitlines()[-1])
    if "error" in result:
        return shorten_error(result["error"])
    difference = result["difference"]
    return ("ok, " if difference <= TOLERANCE else "differs by ") + f"{difference:.0e}"


def shorten_error(error):
    """Shorten an error message to its informative part, without paths and addresses."""
    kind, _, text = " ".join(error.split()).partition(": ")
    operations = re.search(
        r"No conversion rule found for operations: [\w, ]+?(?= To facilitate)", text
    )
    text = operations[0] if operations else text
    flex_op = re.search(r"\(Flex(\w+)\)", text)
    if flex_op:
        text = f"needs TensorFlow's op {flex_op[1]}, which LiteRT's interpreter lacks"
    text = re.sub(r"/[\w./-]+/|0x[0-9a-f]+|\x1b\[[0-9;]*m", "", text.split(" failed:")[-1])
    text = f"{kind}: {text.strip().replace('|', '/')}"
    return text if len(text) <= MAX_ERROR_LENGTH else text[: MAX_ERROR_LENGTH - 1] + "…"


def convert_row(name):
    return "| " + " | ".join([name, *(convert_cell(name, column) for column in FORMATS)]) + " |"


def main():
    versions = get_versions()
    missing = [package for package in PACKAGES if package not in versions]
    if missing:
        sys.exit(f'Not installed: {missing}. Run pip install -e ".[convert]"')
    rows = {name: "" for name in MODELS}
    if sys.argv[1:]:
        lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:2] == "| "]
        rows |= {line.split(" | ")[0].strip("| "): line for line in lines[1:]}
    for name in sys.argv[1:] or MODELS:
        rows[name] = convert_row(name)
        print(rows[name], flush=True)
    packages = ", ".join(f"{package} {number}" for package, number in versions.items())
    head = ["| " + " | ".join(["", *FORMATS]) + " |", "|---" * (len(FORMATS) + 1) + "|"]
    table = "\n".join([*head, *filter(None, rows.values())])
    PAGE.write_text(HEAD.format(versions=packages) + table + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
