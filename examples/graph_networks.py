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


class WordProjection(keras.layers.Layer):
    """Projects the share of each word: ids (batch, N, L) -> (batch, N, width).

    The features of a node are the shares of its words, which sum to 1. Their product with a matrix
    is the weighted sum of the rows of the node's words, so that no table of all words exists.

    Args:
        size: Number of ids; id 0 is padding.
        width: Width of the projection.
        dropout: Fraction of the words to drop in training.
    """

    def __init__(self, size, width, dropout, **kwargs):
        super().__init__(**kwargs)
        self.size, self.width, self.dropout = size, width, keras_attention.Dropout(dropout)

    def build(self, words_shape):
        self.kernel = self.add_weight(
            name="kernel", shape=(self.size, self.width), regularizer=keras.regularizers.L2(L2)
        )

    def call(self, words, training=None):
        is_word = ops.cast(words > 0, "float32")
        shares = is_word / ops.maximum(ops.sum(is_word, axis=-1, keepdims=True), 1)
        shares = self.dropout(shares, training=training)
        return ops.sum(ops.take(self.kernel, words, axis=0) * shares[..., None], axis=-2)

    def compute_output_spec(self, words, training=None):
        return keras.KerasTensor((*words.shape[:2], self.width), "float32")


class GraphConvolution(keras.layers.Layer):
    """Sums the projected neighbors of each node as a GCN does (Kipf and Welling 2017).

        output_i = activation(sum_j h_j / sqrt(d_i d_j) + b)

    The sum is over i and the nodes j that send an edge to i; d_i is their number.
    """

    def __init__(self, activation, **kwargs):
        super().__init__(**kwargs)
        self.activation = keras.activations.get(activation)

    def build(self, nodes_shape, edges_shape, edge_mask_shape):
        self.bias = self.add_weight(name="bias", shape=(nodes_shape[-1],), initializer="zeros")

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
        sums = scales * add_neighbors(scales * ops.reshape(nodes, (count, width)))
        return ops.reshape(self.activation(sums + self.bias), ops.shape(nodes))

    def compute_output_spec(self, nodes, edges, edge_mask):
        return keras.KerasTensor(nodes.shape, "float32")


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
    nodes = WordProjection(size, heads * units, DROPOUT, name="projected_words")(words)
    regularizer = keras.regularizers.L2(L2)
    if model == "gcn":
        hidden = GraphConvolution("relu", name="hidden")(nodes, edges, edge_mask)
        hidden = keras_attention.Dropout(DROPOUT)(hidden)
        hidden = keras.layers.Dense(classes, use_bias=False, kernel_regularizer=regularizer)(hidden)
        output = GraphConvolution("softmax", name="classes")(hidden, edges, edge_mask)
        return keras.Model([words, edges, edge_mask], {"probabilities": output})
    is_used = ops.logical_and(edge_mask, model != "mlp")
    options = {
        "dropout": DROPOUT,
        "feature_dropout": DROPOUT,
        "kernel_regularizer": regularizer,
        "attention_initializer": "zeros" if model == "constant" else "glorot_uniform",
    }
    # The words are projected already, so the kernel of the first layer stays the identity.
    first = keras_attention.GraphAttention(
        units, heads, activation="elu", kernel_initializer="identity", name="hidden", **options
    )
    last = keras_attention.GraphAttention(classes, activation="softmax", name="classes", **options)
    hidden = first([nodes, edges], edge_mask=is_used)
    first.kernel.trainable = False
    output, weights, _ = last(
        [keras_attention.Dropout(DROPOUT)(hidden), edges],
        edge_mask=is_used,
        return_attention_scores=True,
    )
    if model == "constant":
        for layer in (first, last):
            layer.receiver.trainable = layer.sender.trainable = False
    outputs = {"probabilities": output, "weights": weights[..., 0]}
    return keras.Model([words, edges, edge_mask], outputs)
