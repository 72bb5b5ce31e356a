"""Models with attention, their inputs, and their attention weights computed layer by layer.

Each function returns `(model, inputs, expected)`, where `expected` has the paths of the layers.
"""

import re
from pathlib import Path

import keras
import numpy as np
from keras import layers as L

import keras_attention as ka

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
IDS = np.array([[3, 1, 4, 1, 5], [9, 2, 0, 0, 0]], "int32")
TARGET = np.array([[2, 7, 1], [8, 6, 5]], "int32")
VECTORS = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
IMAGES = np.random.default_rng(1).normal(size=(2, 8, 8, 1)).astype("float32")


def with_scores(layer, *inputs, **options):
    """Return a layer's output and its weights."""
    output, weights = layer(*inputs, return_attention_scores=True, **options)
    return output, weights


def run_readme_block(start):
    """Run the code block of the README that contains a text; return its names."""
    blocks = re.findall(r"```python\n(.*?)```", README, re.S)
    (block,) = [block for block in blocks if start in block]
    names = {"keras": keras, "keras_attention": ka, "np": np}
    exec(block, names)
    return names


def readme_classifier():
    model = run_readme_block("model.add(keras_attention.AdditiveAttention())")["model"]
    embedding, additive, pooling, _ = model.layers
    hidden, first = with_scores(additive, embedding(IDS))
    _, second = with_scores(pooling, hidden)
    return model, IDS, {additive.name: first, pooling.name: second}


def readme_decoder():
    names = run_readme_block("decoder = keras_attention.AttentionDecoder(")
    model, decoder = names["model"], names["decoder"]
    embed = {x.input.name: x for x in model.layers if isinstance(x, L.Embedding)}
    (encoder,) = (x for x in model.layers if isinstance(x, L.Bidirectional))
    memory = encoder(embed["source"](IDS))
    _, expected = with_scores(decoder, embed["target"](TARGET), memory)
    return model, [IDS, TARGET], {decoder.name: expected}


def hierarchical():
    documents = np.stack([IDS, IDS[::-1]])  # a sentence without a word among them
    documents[1, 1] = 0
    embedding = L.Embedding(11, 4, mask_zero=True)
    encode_words = ka.EachStep(L.Bidirectional(L.GRU(3, return_sequences=True)))
    pool_words = ka.AttentionPooling(units=3, name="words")
    encode_sentences = L.GRU(3, return_sequences=True)
    pool_sentences = ka.AttentionPooling(units=3, name="sentences")

    def encode(ids):
        return encode_words(embedding(ids))

    ids = keras.Input((None, None), dtype="int32")
    x = pool_sentences(encode_sentences(pool_words(encode(ids))))
    model = keras.Model(ids, L.Dense(2)(x))
    pooled, words = with_scores(pool_words, encode(documents))
    _, sentences = with_scores(pool_sentences, encode_sentences(pooled))
    return model, documents, {"words": words, "sentences": sentences}


def nested():
    heads = ka.MultiHeadSelfAttention(2, key_dim=3, name="heads")
    encoder = keras.Sequential([keras.Input((None, 4)), L.Dense(4), heads], name="encoder")
    pool = ka.AttentionPooling(name="pool")
    inputs = keras.Input((None, 4))
    tower = keras.Model(inputs, pool(encoder(encoder(inputs))), name="tower")
    inputs = keras.Input((None, 4))
    model = keras.Sequential([inputs, tower, L.Dense(2)])
    dense = encoder.layers[0]
    hidden, first = with_scores(heads, dense(VECTORS))
    hidden, second = with_scores(heads, dense(hidden))
    _, pooled = with_scores(pool, hidden)
    expected = {"tower/encoder/heads": [first, second], "tower/pool": pooled}
    return model, VECTORS, expected


class Subclassed(keras.Model):
    """Attention of Keras and of this package; a list of layers; a mask of its own."""

    def __init__(self):
        super().__init__()
        self.heads = [L.MultiHeadAttention(2, 3, name=f"heads_{k}") for k in range(2)]
        self.additive = ka.AdditiveAttention(units=3, dropout=0.5, name="additive")
        self.normalization = L.BatchNormalization()

    def call(self, inputs):
        visible = inputs["length"][:, None] > keras.ops.arange(5, dtype="int32")
        x = inputs["x"]
        for heads in self.heads:
            x = self.normalization(x + heads(x, x, attention_mask=visible[:, None]))
        return self.additive([x, x], mask=[None, visible])


def subclassed():
    model = Subclassed()
    inputs = {"x": VECTORS, "length": np.array([5, 2], "int32")}
    visible = keras.ops.convert_to_tensor(inputs["length"][:, None] > np.arange(5))
    model(inputs)
    x, expected = keras.ops.convert_to_tensor(VECTORS), {}
    for heads in model.heads:
        attended, weights = with_scores(heads, x, x, attention_mask=visible[:, None])
        expected[heads.name] = weights
        x = model.normalization(x + attended)
    _, expected["additive"] = with_scores(model.additive, [x, x], mask=[None, visible])
    return model, inputs, expected


def strings():
    vectorize = L.TextVectorization(output_mode="int", vocabulary=["a", "good", "film"])
    lookup = L.StringLookup(vocabulary=["drama", "comedy"])
    embedding, embed_genre = L.Embedding(9, 4, mask_zero=True), L.Embedding(4, 4)
    pool = ka.Attention(name="attention")
    text = keras.Input((), dtype="string", name="text")
    genre = keras.Input((1,), dtype="string", name="genre")
    context = pool([embed_genre(lookup(genre)), embedding(vectorize(text))])
    model = keras.Model({"text": text, "genre": genre}, L.Dense(1)(context))
    inputs = {"text": ["a good film", "film"], "genre": np.array([["comedy"], ["horror"]])}
    query = embed_genre(lookup(keras.ops.convert_to_tensor(inputs["genre"])))
    value = embedding(vectorize(keras.ops.convert_to_tensor(inputs["text"])))
    return model, inputs, {"attention": with_scores(pool, [query, value])[1]}


def transformer():
    embedding = L.Embedding(11, 8, mask_zero=True)
    positions = ka.PositionalEncoding()
    encoders = [ka.TransformerEncoderBlock(2, 8, name=f"encoder_{k}") for k in range(2)]
    decoders = [ka.TransformerDecoderBlock(2, 8, norm="pre", name=f"decoder_{k}") for k in range(2)]
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    memory, x = positions(embedding(source)), positions(embedding(target))
    for block in encoders:
        memory = block(memory)
    for block in decoders:
        x = block(x, memory)
    model = keras.Model([source, target], L.Dense(11)(x))
    memory, x, expected = positions(embedding(IDS)), positions(embedding(TARGET)), {}
    for block in encoders:
        memory, weights = with_scores(block, memory)
        expected[f"{block.name}/self_attention"] = weights
    for block in decoders:
        x, own, cross = block(x, memory, return_attention_scores=True)
        expected[f"{block.name}/self_attention"] = own
        expected[f"{block.name}/cross_attention"] = cross
    return model, (IDS, TARGET), expected


def vision_transformer():
    embed = ka.PatchEmbedding(patch=4, width=8)
    blocks = [ka.TransformerEncoderBlock(2, 8, norm="pre", name=f"block_{k}") for k in range(2)]
    model = keras.Sequential([keras.Input((8, 8, 1)), embed, *blocks, L.LayerNormalization()])
    x, expected = embed(IMAGES), {}
    for block in blocks:
        x, expected[f"{block.name}/self_attention"] = with_scores(block, x)
    return model, IMAGES, expected


def captioner():
    convolution = L.Conv2D(4, 3, strides=2, padding="same")
    flatten = L.Reshape((-1, 4))
    embedding = L.Embedding(11, 4)
    decoder = ka.AttentionDecoder(
        L.LSTMCell(4), ka.HardAttention(estimator="reinforce"), name="decoder"
    )
    images = keras.Input((8, 8, 1), name="images")
    words = keras.Input((None,), dtype="int32", name="words")
    states = decoder(embedding(words), flatten(convolution(images)))
    model = ka.ReinforceModel({"images": images, "words": words}, L.Dense(11)(states))
    _, weights = with_scores(decoder, embedding(TARGET), flatten(convolution(IMAGES)))
    return model, {"images": IMAGES, "words": TARGET}, {"decoder": weights}


def pointer():
    encoder = L.LSTM(4, return_sequences=True, return_state=True)
    decoder = ka.PointerDecoder(4, name="pointer")
    points = keras.Input((None, 4), name="points")
    order = keras.Input((None,), dtype="int32", name="order")
    memory, *state = encoder(points)
    logits = decoder(order, memory, points, initial_state=state)
    model = keras.Model([points, order], logits)
    targets = np.array([[3, 0, 4], [1, 2, 0]], "int32")
    memory, *state = encoder(VECTORS)
    _, weights = with_scores(decoder, targets, memory, VECTORS, initial_state=state)
    return model, [VECTORS, targets], {"pointer": weights}


def turing_machine():
    options = {"slots": 6, "width": 3, "read_heads": 2}
    cell = ka.NTMCell(4, **options, name="cell")
    inputs = keras.Input((None, 4))
    outputs = L.RNN(cell, return_sequences=True, name="rnn")(L.Masking()(inputs))
    model = keras.Model(inputs, outputs)
    recording = ka.NTMCell(4, **options, return_addresses=True)
    run = L.RNN(recording, return_sequences=True, zero_output_for_mask=True)
    frames = VECTORS.copy()
    frames[1, 3:] = 0
    mask = np.any(frames != 0, -1)
    run(frames)
    recording.set_weights(cell.get_weights())
    steps = recording.split_outputs(run(frames, mask=mask))
    names = ("read_addresses", "write_addresses")
    return model, frames, {f"rnn/cell/{name}": getattr(steps, name) for name in names}


def keras_layers():
    embedding = L.Embedding(11, 8, "random_normal", mask_zero=True)
    embed_all = L.Embedding(11, 8, keras.initializers.RandomNormal(stddev=2.0))
    heads = L.MultiHeadAttention(2, 3, name="heads")
    grouped = L.GroupQueryAttention(3, 4, 2, name="grouped")  # does not pass a mask on
    dot, additive = L.Attention(name="dot"), L.AdditiveAttention(name="additive")
    ids = keras.Input((None,), dtype="int32")
    x, y = embedding(ids), embed_all(ids)
    x = heads(x, x, use_causal_mask=True)
    x = dot([x, grouped(y, y)])
    model = keras.Model(ids, additive([x, x], use_causal_mask=True))
    x, y, expected = embedding(IDS), embed_all(IDS), {}
    _, expected["heads"] = with_scores(heads, x, x, use_causal_mask=True)
    # The output of Keras's layer for fully masked queries depends on whether it returns weights.
    x = heads(embedding(IDS), embedding(IDS), use_causal_mask=True)
    y, expected["grouped"] = with_scores(grouped, y, y)
    x, expected["dot"] = with_scores(dot, [x, y])
    _, expected["additive"] = with_scores(additive, [x, x], use_causal_mask=True)
    return model, IDS, expected


MODELS = {
    function.__name__: function
    for function in (
        readme_classifier,
        readme_decoder,
        hierarchical,
        nested,
        subclassed,
        strings,
        transformer,
        vision_transformer,
        captioner,
        pointer,
        turing_machine,
        keras_layers,
    )
}
