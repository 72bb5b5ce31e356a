"""Greedy decoding and beam search for sequence-to-sequence models."""

from keras_attention import decoding


class SequenceToSequence:
    """Base class of the translation models, with their greedy decoding and beam search.

    A subclass defines the ids `start` and `end`, and two methods: `begin(source, max_length)`,
    which returns a dict of state, memory and memory_mask for a batch of source ids, and
    `step(tokens, state, memory)`, as for `keras_attention.decoding.greedy`.
    """

    def greedy(self, source, max_length):
        """Decode source ids (batch, S); return a `decoding.Decoded` of (batch, max_length)."""
        return self._search(decoding.greedy, source, max_length, {})

    def beam_search(self, source, max_length, **options):
        """Decode source ids (batch, S); return a `Decoded` of (batch, beams, max_length)."""
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
