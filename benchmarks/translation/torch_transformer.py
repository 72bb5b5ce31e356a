"""The Transformer in PyTorch, with a key/value cache that grows by concatenation."""

import torch
from torch import nn
from torch.nn import functional


class Attention(nn.Module):
    """Multi-head attention with separate projections of queries, keys and values."""

    def __init__(self, units, heads):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.output = (nn.Linear(units, units) for _ in range(4))

    def split(self, x):
        """`(batch, T, units)` -> `(batch, heads, T, units / heads)`."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def prepare(self, memory):
        """Return the keys and values of a memory."""
        return self.split(self.key(memory)), self.split(self.value(memory))

    def forward(self, x, keys, values, is_causal=False):
        query = self.split(self.query(x))
        context = functional.scaled_dot_product_attention(query, keys, values, is_causal=is_causal)
        return self.output(context.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """Two linear layers with a ReLU in between."""

    def __init__(self, units, hidden):
        super().__init__()
        self.hidden, self.output = nn.Linear(units, hidden), nn.Linear(hidden, units)

    def forward(self, x):
        return self.output(functional.relu(self.hidden(x)))


class EncoderBlock(nn.Module):
    """Self-attention and feed-forward network, post-norm. The order of weights is Keras's."""

    def __init__(self, units, heads, hidden, dropout):
        super().__init__()
        self.attention = Attention(units, heads)
        self.attention_norm = nn.LayerNorm(units, eps=1e-6)
        self.network = FeedForward(units, hidden)
        self.network_norm = nn.LayerNorm(units, eps=1e-6)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        x = self.attention_norm(x + self.dropout(self.attention(x, *self.attention.prepare(x))))
        return self.network_norm(x + self.dropout(self.network(x)))


class DecoderBlock(EncoderBlock):
    """Causal self-attention, attention to the memory, feed-forward network."""

    def __init__(self, units, heads, hidden, dropout):
        super().__init__(units, heads, hidden, dropout)
        self.memory_attention = Attention(units, heads)
        self.memory_norm = nn.LayerNorm(units, eps=1e-6)

    def forward(self, x, memory, cache=None):
        """Return the output and the cache `(keys, values)` with the new tokens appended."""
        new = self.attention.prepare(x)
        if cache is not None:
            new = [torch.cat(pair, dim=2) for pair in zip(cache, new, strict=True)]
        attended = self.attention(x, *new, is_causal=cache is None)
        x = self.attention_norm(x + self.dropout(attended))
        x = self.memory_norm(x + self.dropout(self.memory_attention(x, *memory)))
        return self.network_norm(x + self.dropout(self.network(x))), new


class Transformer(nn.Module):
    """Encoder and decoder that share one embedding with the logits."""

    def __init__(self, vocabulary, blocks, heads, units, hidden, dropout):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, units)
        options = units, heads, hidden, dropout
        self.encoder = nn.ModuleList(EncoderBlock(*options) for _ in range(blocks))
        self.decoder = nn.ModuleList(DecoderBlock(*options) for _ in range(blocks))
        self.dropout = nn.Dropout(dropout)

    def embed(self, ids, start=0):
        """Return the scaled embeddings plus sinusoids, `(batch, T, units)`."""
        units = self.embedding.embedding_dim
        positions = torch.arange(start, start + ids.shape[1], device=ids.device)
        rates = 10000 ** (-torch.arange(0, units, 2, device=ids.device) / units)
        angles = positions[:, None] * rates
        encoding = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
        return self.dropout(self.embedding(ids) * units**0.5 + encoding)

    def encode(self, source):
        x = self.embed(source)
        for block in self.encoder:
            x = block(x)
        return x

    def read_out(self, x):
        """Return the logits."""
        return functional.linear(x, self.embedding.weight)

    def forward(self, source, target):
        """Return the logits of a target that is shifted right."""
        memory, x = self.encode(source), self.embed(target)
        for block in self.decoder:
            x, _ = block(x, block.memory_attention.prepare(memory))
        return self.read_out(x)

    def begin(self, source):
        """Return the state and the memory that decoding starts with."""
        memory = self.encode(source)
        # The first axis of every tensor is the batch, so that a beam search can select rows.
        empty = self.decoder[0].attention.split(memory[:, :0])
        state = [(empty, empty) for _ in self.decoder]
        return state, [block.memory_attention.prepare(memory) for block in self.decoder]

    def step(self, tokens, state, memory):
        """Return the logits of the next token and the next state."""
        x, caches = self.embed(tokens[:, None], start=state[0][0].shape[2]), []
        for block, cache, prepared in zip(self.decoder, state, memory, strict=True):
            x, cache = block(x, prepared, cache)
            caches.append(cache)
        return self.read_out(x)[:, 0], caches
