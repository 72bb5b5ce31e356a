"""Greedy decoding and beam search for models that map a sequence to another one."""

from keras_attention import decoding


class SequenceToSequence:
    """Decodes sentences with a model's own `begin`, `step`, `start` and `end`.

    A subclass defines `begin(source, max_length)`, which returns state, memory and memory_mask of
    a batch of source ids, and `step(tokens, state, memory)`, as for
    `keras_attention.decoding.greedy`.
    """

    def greedy(self, source, max_length):
        """Source ids (batch, S) -> `decoding.Decoded` of (batch, max_length)."""
        return self._search(decoding.greedy, source, max_length, {})

    def beam_search(self, source, max_length, **options):
        """Source ids (batch, S) -> `decoding.Decoded` of (batch, beams, max_length)."""
        return self._search(decoding.beam_search, source, max_length, options)

    def _search(self, search, source, max_length, options):
        return search(
            self.step,
            start_token=self.start,
            end_token=self.end,
            max_length=max_length,
            **self.begin(source, max_length),
            **options,
        )
