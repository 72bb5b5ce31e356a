"""Run a file that `model.export(format=...)` wrote in the runtime of its format.

Each function takes the path of the file and the inputs {name: array}, and returns the model's
single output.
"""

import re


def run_onnx(path, inputs):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (output,) = session.run(
        None, {i.name: _find_input(inputs, i.name) for i in session.get_inputs()}
    )
    return output


def run_openvino(path, inputs):
    import openvino

    # By default OpenVINO computes in bfloat16 if the processor supports it.
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.compile_model(str(path), "CPU", options)
    arguments = {port.any_name: _find_input(inputs, *port.names) for port in compiled.inputs}
    return compiled(arguments)[compiled.output(0)]


def run_litert(path, inputs):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    arrays = [
        (_find_input(inputs, details["name"]), details["index"])
        for details in interpreter.get_input_details()
    ]
    for array, index in arrays:
        interpreter.resize_tensor_input(index, array.shape)
    interpreter.allocate_tensors()
    for array, index in arrays:
        interpreter.set_tensor(index, array)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def _find_input(inputs, *names):
    """Return the array of an input by any of its names.

    LiteRT extends the name of an input: `x` becomes `serving_default_x:0`.
    """
    if len(inputs) == 1:
        return next(iter(inputs.values()))
    (match,) = {key for key in inputs for name in names if re.search(rf"(^|_){key}(\W|$)", name)}
    return inputs[match]
