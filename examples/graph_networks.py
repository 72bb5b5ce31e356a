"""Networks that classify the nodes of a graph: GAT, its constant form, and GCN.

`graph_attention.py` trains them. All take the ids of each node's words (batch, N, L), 0 = padding,
edges (batch, E, 2) and their mask (batch, E). They return probabilities (batch, N, classes); all
but GCN also return the weights of the edges in the last layer, (batch, E).
"""

import keras
from keras import ops

import keras_attention

MODELS = ("gat", "constant", "gcn", "mlp")
DROPOUT = 0.6  # of words, of hidden features and of attention weights
L2 = 5e-4 / 2  # Keras's L2 sums squares, the paper's sums their halves


class WordShares(keras.layers.Layer):
    """Turns the ids of words into the share of each word: (batch, N, L) -> (batch, N, size - 1).

    The shares of a node sum to 1. Dropout draws a random number for each word of a node, not for
    each word of the vocabulary.

    Args:
        size: Number of ids; id 0 is padding.
        dropout: Fraction of the words to drop in training.
    """

    def __init__(self, size, dropout, **kwargs):
        super().__init__(**kwargs)
        self.size, self.dropout = size, dropout
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, words, training=None):
        is_word = ops.cast(words > 0, "float32")
        shares = is_word / ops.maximum(ops.sum(is_word, axis=-1, keepdims=True), 1)
        if training:
            shares = keras.random.dropout(shares, self.dropout, seed=self.seed_generator)
        batch, nodes, _ = ops.shape(words)
        count = batch * nodes
        first_ids = ops.reshape(ops.arange(count) * self.size, (batch, nodes, 1))
        ids = ops.reshape(words + first_ids, (-1,))
        table = ops.segment_sum(ops.reshape(shares, (-1,)), ids, num_segments=count * self.size)
        return ops.reshape(table, (batch, nodes, self.size))[..., 1:]

    def compute_output_spec(self, words, training=None):
        return keras.KerasTensor((*words.shape[:2], self.size - 1), "float32")


class GraphConvolution(keras.layers.Layer):
    """The layer of a GCN (Kipf and Welling 2017): fixed weights in place of attention.

        output_i = activation(sum_j h_j / sqrt(d_i d_j) + b),  h = nodes W

    The sum is over i and the nodes j that send an edge to i; d_i is their number.
    """

    def __init__(self, units, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.units, self.activation = units, keras.activations.get(activation)

    def build(self, nodes_shape, edges_shape, edge_mask_shape):
        shape, regularizer = (nodes_shape[-1], self.units), keras.regularizers.L2(L2)
        self.kernel = self.add_weight(name="kernel", shape=shape, regularizer=regularizer)
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")

    def call(self, nodes, edges, edge_mask):
        batch, nodes_per_graph, width = ops.shape(nodes)
        count = batch * nodes_per_graph
        first_nodes = ops.expand_dims(ops.arange(batch) * nodes_per_graph, 1)
        senders = ops.reshape(edges[..., 0] + first_nodes, (-1,))
        # `segment_sum` leaves out the edges of a receiver that does not exist.
        receivers = ops.where(edge_mask, edges[..., 1] + first_nodes, count)
        receivers = ops.reshape(receivers, (-1,))
        ones = ops.ones_like(receivers, dtype="float32")

        def add_neighbors(x):
            neighbors = ops.take(x, senders, axis=0)
            return x + keras_attention.read.segment_sum(ones, neighbors, receivers, count)

        scales = ops.rsqrt(add_neighbors(ops.ones((count, 1))))
        hidden = ops.matmul(ops.reshape(nodes, (count, width)), self.kernel)
        output = self.activation(scales * add_neighbors(scales * hidden) + self.bias)
        return ops.reshape(output, (batch, nodes_per_graph, self.units))

    def compute_output_spec(self, nodes, edges, edge_mask):
        return keras.KerasTensor((*nodes.shape[:2], self.units), "float32")


def make_network(model, size, classes, units=8, heads=8):
    """Return a network of two layers.

    Args:
        model: "gat"; "constant", a GAT whose weights are equal; "gcn", with `heads * units` hidden
            features; or "mlp", a GAT without edges, whose nodes attend to themselves only.
        size: Number of ids of words, padding included.
        classes: Number of classes.
        units: Hidden features of each head.
        heads: Heads of the first layer; the second one has one head.
    """
    words = keras.Input((None, None), dtype="int32", name="words")
    edges = keras.Input((None, 2), dtype="int32", name="edges")
    edge_mask = keras.Input((None,), dtype="bool", name="edge_mask")
    nodes = WordShares(size, DROPOUT, name="word_shares")(words)
    if model == "gcn":
        hidden = GraphConvolution(heads * units, "relu", name="hidden")(nodes, edges, edge_mask)
        hidden = keras.layers.Dropout(DROPOUT)(hidden)
        output = GraphConvolution(classes, "softmax", name="classes")(hidden, edges, edge_mask)
        return keras.Model([words, edges, edge_mask], {"probabilities": output})
    is_used = ops.logical_and(edge_mask, model != "mlp")
    options = {
        "dropout": DROPOUT,
        "feature_dropout": DROPOUT,
        "kernel_regularizer": keras.regularizers.L2(L2),
        "attention_initializer": "zeros" if model == "constant" else "glorot_uniform",
    }
    layers = [
        keras_attention.GraphAttention(units, heads, activation="elu", name="hidden", **options),
        keras_attention.GraphAttention(classes, activation="softmax", name="classes", **options),
    ]
    hidden = layers[0]([nodes, edges], edge_mask=is_used)
    hidden = keras.layers.Dropout(DROPOUT)(hidden)
    output, weights, _ = layers[1]([hidden, edges], edge_mask=is_used, return_attention_scores=True)
    if model == "constant":
        for layer in layers:
            layer.receiver.trainable = layer.sender.trainable = False
    outputs = {"probabilities": output, "weights": weights[..., 0]}
    return keras.Model([words, edges, edge_mask], outputs)
