"""Family: greedy decoding inside the graph, and a Python loop around a compiled step."""

from benchmarks.families import decoder
from benchmarks.families.random_data import sample_normal, sample_weights
from benchmarks.family import Contestant, Data, Family, Work


def make_data(sizes, rng):
    b, t, u, v = (sizes[name] for name in ("batch", "length", "units", "vocabulary"))
    embeddings = sample_weights(rng, embedding=(v, u), readout=(u, v))
    embeddings["embedding"] = embeddings["embedding"] * v**0.5
    return Data(
        [sample_normal(rng, b, t, u)], {**embeddings, **decoder.make_decoder_weights(rng, u)}
    )


def count_work(sizes, step):
    """Count the work of the decoder, of the logits, and the exponentials of their softmax."""
    b, t, u, v = (sizes[name] for name in ("batch", "length", "units", "vocabulary"))
    base = decoder.count_work(sizes, step)
    return Work(
        base.flops + 2 * b * t * u * v,
        base.exponentials + b * t * v,
        base.reciprocals,
        base.tanhs,
        base.bytes,
    )


def make_ours(task):
    import keras

    import keras_attention

    units, vocabulary = task.sizes["units"], task.sizes["vocabulary"]
    policy = task.policy
    steps = task.sizes["length"]

    class Translator(keras.layers.Layer):
        """A model of embedding, decoder and logits, whose call decodes a memory greedily."""

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
            # The end token is not in the vocabulary, so that all contestants run all steps.
            decoded = keras_attention.decoding.greedy(
                step, state, 0, vocabulary, steps, memory=prepared
            )
            return decoded.tokens

    return task.make_layer_program(Translator(), task.data.weights.values())


def make_python_loop(task):
    from benchmarks.plain import greedy

    one_step = task.engine.compile_function(greedy.step, task.mode)
    end_token = task.sizes["vocabulary"]

    def decode(weights, memory):
        return greedy.decode(one_step, weights, memory, task.sizes["length"], end_token)

    return task.make_function_program(decode, compiles_itself=True)


FAMILY = Family(
    name="greedy",
    title="decoding.greedy of an AttentionDecoder, T words from T keys",
    sizes={"batch": 16, "units": 128, "vocabulary": 1000},
    lengths=(16, 64),
    half_lengths=(64,),
    quick_sizes={"batch": 2, "units": 8, "vocabulary": 20},
    quick_lengths=(4,),
    make_data=make_data,
    count_work=count_work,
    contestants=(
        Contestant("ours", make_ours),
        Contestant("loop in Python", make_python_loop),
    ),
    steps=("forward",),
)
