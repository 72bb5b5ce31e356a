"""Greedy decoding as a Python loop around one compiled step."""

from keras import ops

from benchmarks.plain.decoder import attend_additive


def step_gru(inputs, state, kernel, recurrent_kernel, bias):
    """Return the next state of Keras's GRU with `reset_after=True`."""
    input_gates = ops.split(ops.matmul(inputs, kernel) + bias[0], 3, axis=-1)
    state_gates = ops.split(ops.matmul(state, recurrent_kernel) + bias[1], 3, axis=-1)
    update, reset = (
        ops.sigmoid(a + b) for a, b in zip(input_gates[:2], state_gates[:2], strict=True)
    )
    candidate = ops.tanh(input_gates[2] + reset * state_gates[2])
    return update * state + (1 - update) * candidate


def step(weights, tokens, state, memory):
    """Return the next tokens and the next state."""
    attention = (weights[name] for name in ("query_kernel", "key_kernel", "scale"))
    context = attend_additive(state, memory, *attention)
    inputs = ops.concatenate([ops.take(weights["embedding"], tokens, axis=0), context], axis=-1)
    cell = (weights[name] for name in ("kernel", "recurrent_kernel", "bias"))
    state = step_gru(inputs, state, *cell)
    logits = ops.matmul(state, weights["readout"])
    return ops.cast(ops.argmax(logits, axis=-1), "int32"), state


def decode(one_step, weights, memory, steps, end_token):
    """Return tokens `(batch, steps)`; stop early when all rows emit the end token."""
    tokens = ops.zeros((memory.shape[0],), "int32")
    state = ops.zeros_like(memory[:, 0])
    emitted = []
    for _ in range(steps):
        tokens, state = one_step(weights, tokens, state, memory)
        emitted.append(tokens)
        if (ops.convert_to_numpy(tokens) == end_token).all():
            break
    return ops.stack(emitted, axis=1)
