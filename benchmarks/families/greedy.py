"""Greedy decoding in the graph, against a loop in Python around a compiled step."""

from benchmarks.families import decoder
from benchmarks.families.drawn import normal, weights
from benchmarks.family import Contestant, Data, Family, Work


def data(sizes, rng):
    b, t, u, v = (sizes[name] for name in ("batch", "length", "units", "vocabulary"))
    ends = weights(rng, embedding=(v, u), readout=(u, v))
    ends["embedding"] = ends["embedding"] * v**0.5
    return Data([normal(rng, b, t, u)], {**ends, **decoder.cell_and_attention(rng, u)})


def work(sizes, step):
    """The decoder's, and the logits with the exponentials of their probabilities."""
    b, t, u, v = (sizes[name] for name in ("batch", "length", "units", "vocabulary"))
    base = decoder.work(sizes, step)
    return Work(
        base.flops + 2 * b * t * u * v,
        base.exponentials + b * t * v,
        base.reciprocals,
        base.tanhs,
        base.bytes,
    )


def ours(task):
    import keras

    import keras_attention

    units, vocabulary = task.sizes["units"], task.sizes["vocabulary"]
    policy = task.policy
    steps = task.sizes["length"]

    class Translator(keras.layers.Layer):
        """Embedding, decoder, logits; a call decodes a memory."""

        def __init__(self):
            super().__init__(dtype=policy)
            self.embed = keras.layers.Embedding(vocabulary, units, dtype=policy)
            self.readout = keras.layers.Dense(vocabulary, use_bias=False, dtype=policy)
            self.decoder = keras_attention.AttentionDecoder(
                keras.layers.GRUCell(units, dtype=policy),
                keras_attention.AdditiveAttention(units, dtype=policy),
                dtype=policy,
            )

        def build(self, memory_shape):
            self.embed.build((memory_shape[0],))
            self.decoder.build((memory_shape[0], 1, units), memory_shape)
            self.readout.build((memory_shape[0], units))

        def call(self, memory):
            def step(tokens, state, memory):
                output, _, state = self.decoder.step(self.embed(tokens), state, memory)
                return self.readout(output), state, None

            prepared = self.decoder.prepare(memory)
            state = self.decoder.get_initial_state(keras.ops.shape(memory)[0])
            # No token has the number of the end: every contestant goes all the way.
            decoded = keras_attention.decoding.greedy(
                step, state, 0, vocabulary, steps, memory=prepared
            )
            return decoded.tokens

    return task.layer(Translator(), task.data.weights.values())


def in_python(task):
    from benchmarks.plain import greedy

    one_step = task.engine.compiled(greedy.step, task.mode)
    end_token = task.sizes["vocabulary"]

    def decode(weights, memory):
        return greedy.decode(one_step, weights, memory, task.sizes["length"], end_token)

    return task.function(decode, compiles_itself=True)


FAMILY = Family(
    name="greedy",
    title="decoding.greedy of an AttentionDecoder, T words from T keys",
    sizes={"batch": 16, "units": 128, "vocabulary": 1000},
    lengths=(16, 64),
    quick_sizes={"batch": 2, "units": 8, "vocabulary": 20},
    quick_lengths=(4,),
    data=data,
    work=work,
    contestants=(
        Contestant("ours", ours),
        Contestant("loop in Python", in_python),
    ),
    steps=("forward",),
)
