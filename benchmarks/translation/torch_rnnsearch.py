"""RNNsearch in PyTorch: a bidirectional GRU, and a GRU cell with additive attention before it."""

import torch
from torch import nn


class RNNsearch(nn.Module):
    """The model of `examples.encoder_decoder.EncoderDecoder` with additive attention."""

    def __init__(self, vocabulary, units, dropout):
        super().__init__()
        self.embed_source = nn.Embedding(vocabulary, units)
        self.encoder = nn.GRU(units, units // 2, bidirectional=True, batch_first=True)
        self.initial_state = nn.Linear(units // 2, units)
        self.embed_target = nn.Embedding(vocabulary, units)
        self.cell = nn.GRUCell(2 * units, units)
        self.query = nn.Linear(units, units, bias=False)
        self.key = nn.Linear(units, units, bias=False)
        self.scale = nn.Linear(units, 1, bias=False)
        self.readout, self.logits = nn.Linear(3 * units, units), nn.Linear(units, vocabulary)
        self.dropout = nn.Dropout(dropout)

    def begin(self, source):
        """Return the state and the memory that decoding starts with."""
        memory, last = self.encoder(self.dropout(self.embed_source(source)))
        # Keras's initial state of the decoder is that of the backward direction's first position.
        return [torch.tanh(self.initial_state(last[1]))], [memory, self.key(memory)]

    def advance(self, embedded, state, memory):
        """Return the cell's output and the context, for one step."""
        values, keys = memory
        scores = self.scale(torch.tanh(self.query(state)[:, None] + keys))
        context = (torch.softmax(scores, dim=1) * values).sum(dim=1)
        return self.cell(torch.cat([embedded, context], dim=-1), state), context

    def read_out(self, outputs, contexts, embedded):
        """Return the logits."""
        features = torch.cat([outputs, contexts, embedded], dim=-1)
        return self.logits(self.dropout(torch.tanh(self.readout(features))))

    def forward(self, source, target):
        """Return the logits of a target that is shifted right."""
        (state,), memory = self.begin(source)
        embedded, outputs, contexts = self.dropout(self.embed_target(target)), [], []
        for step in range(target.shape[1]):
            state, context = self.advance(embedded[:, step], state, memory)
            outputs.append(state)
            contexts.append(context)
        return self.read_out(torch.stack(outputs, 1), torch.stack(contexts, 1), embedded)

    def step(self, tokens, state, memory):
        """Return the logits of the next token and the next state."""
        embedded = self.embed_target(tokens)
        output, context = self.advance(embedded, state[0], memory)
        return self.read_out(output, context, embedded), [output]
