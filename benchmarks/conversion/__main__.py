"""What of the package `model.export(format=...)` carries to ONNX, OpenVINO and LiteRT, as a table.

    pip install -e ".[convert]" && python -m benchmarks.conversion

writes docs/conversion.md (about 20 minutes on two cores); with names of models, their rows alone.
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

TensorFlow Serving needs none of this. Where another runtime is wanted, Keras converts by its own
`model.export(path, format="onnx")` (`"openvino"`, `"litert"`), and this table says what comes of
it: one small model of each mechanism, unknown batch and length, masks by `mask_zero=True` where the
layer takes one, asked at two batches and lengths; "fixed sizes" names one size at export
(`input_signature`). "ok" is the largest difference from the model's own float32 outputs, whose
numbers are around 1; anything else is what the converter or the runtime said, cut. ONNX's converter
wants a model that has been called once. OpenVINO computes in bfloat16 where the processor can: for
these figures it was told `INFERENCE_PRECISION_HINT: f32`. Where ONNX fails on the types of an
`Add`, that is in the loop that reads long sequences block by block: `implementation="plain"` has
none, and its rows say what comes of it. Compare before you serve: a file that runs may differ.

    pip install -e ".[convert]" && python -m benchmarks.conversion

wrote it, with {versions}.

"""
LONGEST = 120  # characters of an error, in a table
SECONDS = 600


def versions():
    """{package: its version} of what is installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            pass
    return found


def cell(name, column):
    """What came of one model and one format, for the table."""
    command = [sys.executable, "-m", "benchmarks.conversion.convert", name, column]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"no answer in {SECONDS} s"
    if done.returncode:
        return f"ends the process ({done.returncode})"
    found = json.loads(done.stdout.splitlines()[-1])
    if "error" in found:
        return shortened(found["error"])
    difference = found["difference"]
    return ("ok, " if difference <= TOLERANCE else "differs by ") + f"{difference:.0e}"


def shortened(error):
    """What an error says in the end, on one line, without what is another at every run."""
    kind, _, text = " ".join(error.split()).partition(": ")
    unknown = re.search(
        r"No conversion rule found for operations: [\w, ]+?(?= To facilitate)", text
    )
    text = unknown[0] if unknown else text
    delegated = re.search(r"\(Flex(\w+)\)", text)
    if delegated:
        text = f"needs {delegated[1]} of TensorFlow's own, which LiteRT's interpreter lacks"
    text = re.sub(r"/[\w./-]+/|0x[0-9a-f]+|\x1b\[[0-9;]*m", "", text.split(" failed:")[-1])
    text = f"{kind}: {text.strip().replace('|', '/')}"
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def row(name):
    return "| " + " | ".join([name, *(cell(name, column) for column in FORMATS)]) + " |"


def main():
    missing = [package for package in PACKAGES if package not in versions()]
    if missing:
        sys.exit(f'Not installed: {missing}. Run pip install -e ".[convert]"')
    rows = {name: "" for name in MODELS}
    if sys.argv[1:]:
        kept = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:2] == "| "]
        rows |= {line.split(" | ")[0].strip("| "): line for line in kept[1:]}
    for name in sys.argv[1:] or MODELS:
        rows[name] = row(name)
        print(rows[name], flush=True)
    used = ", ".join(f"{package} {number}" for package, number in versions().items())
    head = ["| " + " | ".join(["", *FORMATS]) + " |", "|---" * (len(FORMATS) + 1) + "|"]
    table = "\n".join([*head, *filter(None, rows.values())])
    PAGE.write_text(HEAD.format(versions=used) + table + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
