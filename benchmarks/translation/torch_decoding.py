"""Greedy decoding and beam search in PyTorch, for models with `begin` and `step`."""

import torch


@torch.inference_mode()
def decode_greedily(model, source, steps, start):
    """Return the most probable tokens `(batch, steps)`."""
    state, memory = model.begin(source)
    tokens = torch.full((source.shape[0],), start)
    emitted = []
    for _ in range(steps):
        logits, state = model.step(tokens, state, memory)
        tokens = logits.argmax(dim=-1)
        emitted.append(tokens)
    return torch.stack(emitted, dim=1)


@torch.inference_mode()
def search_beams(model, source, steps, start, width):
    """Return the tokens `(batch, steps)` of the best of `width` hypotheses.

    No hypothesis ends early: the end token is outside of the vocabulary.
    """
    batch = source.shape[0]
    state, memory = (
        map_tensors(lambda x: x.repeat_interleave(width, dim=0), nest)
        for nest in model.begin(source)
    )
    tokens = torch.full((batch * width,), start)
    # Start with one hypothesis: equal ones would stay duplicates of each other.
    scores = torch.tensor([0.0] + [float("-inf")] * (width - 1)).repeat(batch, 1)
    history = torch.empty((batch * width, 0), dtype=torch.long)
    first_rows = width * torch.arange(batch)[:, None]
    for _ in range(steps):
        logits, state = model.step(tokens, state, memory)
        vocabulary = logits.shape[-1]
        totals = scores[..., None] + logits.log_softmax(dim=-1).view(batch, width, vocabulary)
        scores, best = totals.flatten(1).topk(width, dim=1)
        rows = (first_rows + best // vocabulary).flatten()
        tokens = (best % vocabulary).flatten()
        state = map_tensors(lambda x, rows=rows: x[rows], state)
        history = torch.cat([history[rows], tokens[:, None]], dim=1)
    return history.view(batch, width, steps)[:, 0]


def map_tensors(function, nest):
    """Apply a function to the tensors of nested lists and tuples."""
    if isinstance(nest, list | tuple):
        return [map_tensors(function, element) for element in nest]
    return function(nest)
