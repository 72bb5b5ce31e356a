"""Runs what `model.export(format=...)` wrote, by the runtime that the format is for.

Each function takes the file and {name: array}, and returns the one output.
"""

import re


def onnx(path, inputs):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {i.name: _named(inputs, i.name) for i in session.get_inputs()})
    return output


def openvino(path, inputs):
    import openvino

    # Else it computes in bfloat16 wherever the processor can.
    exactly = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.compile_model(str(path), "CPU", exactly)
    fed = {port.any_name: _named(inputs, *port.names) for port in compiled.inputs}
    return compiled(fed)[compiled.output(0)]


def litert(path, inputs):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    details = [
        (_named(inputs, one["name"]), one["index"]) for one in interpreter.get_input_details()
    ]
    for array, index in details:
        interpreter.resize_tensor_input(index, array.shape)
    interpreter.allocate_tensors()
    for array, index in details:
        interpreter.set_tensor(index, array)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def _named(inputs, *names):
    """The array of an input, around whose name LiteRT puts words: `serving_default_x:0`."""
    if len(inputs) == 1:
        return next(iter(inputs.values()))
    (found,) = {key for key in inputs for name in names if re.search(rf"(^|_){key}(\W|$)", name)}
    return inputs[found]
