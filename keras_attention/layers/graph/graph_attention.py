"""Attention over the neighbors of each node of a graph (Veličković et al. 2018)."""

import math
from typing import Any, Literal

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.base_layer import BaseLayer
from keras_attention.initial_weights import clone_initializer
from keras_attention.kernels.dropout import drop
from keras_attention.kernels.matmul import project
from keras_attention.layer_arguments import (
    check_seed,
    get_activation,
    get_initializer,
    get_regularizer,
)
from keras_attention.layers.graph.call_arguments import (
    check_graph_shapes,
    check_node_indices,
    split_graph,
    split_graph_masks,
)
from keras_attention.layers.graph.flat_edges import find_connected_nodes, flatten_edges
from keras_attention.mask import hide
from keras_attention.normalize import segment_softmax
from keras_attention.precision import at_least_float32, clip_input, saturate_cast
from keras_attention.read import segment_sum
from keras_attention.score.edge import compute_dynamic_edge_scores, compute_edge_scores
from keras_attention.types import Config, Initializer, Regularizer, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class GraphAttention(BaseLayer):
    """Graph attention (GAT): each node attends to the nodes that send an edge to it, and to itself.

    score: additive on edges (LeakyReLU); mask: edges; normalize: softmax over a node's edges;
    read: sum over edges.

        h         = nodes W                                 for each head
        e[j -> i] = LeakyReLU(receiver . h_i + sender . h_j)                     (1), (3)
        weights   = softmax of e over the edges that end at i                    (2)
        output_i  = activation(sum_j weights[j -> i] h_j + b)                    (4)

    The outputs of the heads are concatenated (5), or averaged before b and the activation (6).
    With `dynamic=True` the score is that of GATv2 (Brody et al. 2022), with which nodes can rank
    their neighbors differently: e[j -> i] = scale . LeakyReLU(nodes_i W_r + nodes_j W).

    No table of all pairs of nodes exists: time and memory grow with the number of edges. The graphs
    of a batch are computed as one; pad them with masked nodes and masked edges to equal sizes. A
    single graph is a batch of 1.

    Weights, in this order: `kernel` W (features, heads * units); `receiver` and `sender`, (heads,
    units) each, or with `dynamic` instead of them `receiver_kernel` W_r (features, heads * units)
    and `scale` (heads, units); `bias` (heads * units,), or (units,) with `merge="average"`.

    Args:
        units: Width of each head.
        heads: Number of heads.
        merge: "concatenate" or "average": how the outputs of the heads are merged.
        activation: Activation of the output; None = linear. The paper uses ELU.
        negative_slope: Slope of the LeakyReLU below 0.
        self_loops: Whether each node attends to itself too. Self-loops among the given edges are
            then ignored, so that none counts twice.
        dynamic: Whether the score is that of GATv2.
        dropout: Fraction of the weights to drop in training, in [0, 1).
        feature_dropout: Fraction of the components of h to drop in training before they are summed,
            in [0, 1). It does not affect the scores.
        use_bias: Whether to add b.
        seed: Seed of both dropouts, an int or None.
        kernel_initializer: Initializer of W and W_r.
        attention_initializer: Initializer of `receiver`, `sender` and `scale`. If it is "zeros",
            the layer starts with equal weights.
        bias_initializer: Initializer of b.
        kernel_regularizer: Regularizer of all weights but b.

    Call arguments:
        inputs: List `[nodes, edges]`: nodes `(batch, N, features)`, and edges `(batch, E, 2)` of
            an integer dtype, each the indices of its sender and of its receiver, from 0 to N - 1.
            An undirected edge is given in both directions. An edge that is given twice counts
            twice. An index that is not that of a node raises an error in eager execution; in a
            compiled function its edge counts as masked.
        mask: List `[node_mask, None]`: Keras mask `(batch, N)`, True = a real node. Edges from and
            to masked nodes are masked. Masked nodes have an output of zero.
        edge_mask: Bool `(batch, E)`, True = a real edge.
        return_attention_scores: Whether to return the weights too.
        training: Whether to apply dropout.

    Returns:
        `(batch, N, heads * units)`, or `(batch, N, units)` with `merge="average"`. With
        `return_attention_scores` also the weights of the edges, `(batch, E, heads)`, and with
        `self_loops` as a third tensor those of the self-loops, `(batch, N, heads)`, all before
        dropout. The output has the Keras mask of the nodes.

    Raises:
        ValueError: If an argument, or the shape or dtype of an input or a mask, is invalid.

    Example:
    >>> nodes = np.ones((1, 4, 5), "float32")
    >>> edges = np.array([[[0, 1], [2, 1], [1, 3]]])  # 0 and 2 send to 1, which sends to 3
    >>> layer = keras_attention.GraphAttention(units=8, heads=2, activation="elu")
    >>> output, weights, loop_weights = layer([nodes, edges], return_attention_scores=True)
    >>> output.shape, weights.shape, loop_weights.shape
    (TensorShape([1, 4, 16]), TensorShape([1, 3, 2]), TensorShape([1, 4, 2]))

    Differs from the paper: nothing. The authors' code has a bias in each of the two products of the
    score, which the paper and PyTorch Geometric do not have; it has `feature_dropout`, which the
    paper does not mention. Differs from GATv2 in one respect: the projections have no biases.

    Reference:
        Graph Attention Networks, Veličković, Cucurull, Casanova, Romero, Liò, Bengio (2018),
        section 2.1, https://arxiv.org/abs/1710.10903; How Attentive are Graph Attention Networks?,
        Brody, Alon, Yahav (2022), equation 7, https://arxiv.org/abs/2105.14491.
    """

    def __init__(
        self,
        units: int,
        heads: int = 1,
        merge: Literal["concatenate", "average"] = "concatenate",
        activation: Any = None,
        negative_slope: float = 0.2,
        self_loops: bool = True,
        dynamic: bool = False,
        dropout: float = 0.0,
        feature_dropout: float = 0.0,
        use_bias: bool = True,
        seed: int | None = None,
        kernel_initializer: Initializer = "glorot_uniform",
        attention_initializer: Initializer = "glorot_uniform",
        bias_initializer: Initializer = "zeros",
        kernel_regularizer: Regularizer = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = arguments.positive_integer("units", units)
        self.heads = arguments.positive_integer("heads", heads)
        self.merge = arguments.one_of("merge", merge, ("concatenate", "average"))
        self.activation = get_activation("activation", activation)
        self.negative_slope = arguments.nonnegative_number("negative_slope", negative_slope)
        self.self_loops = arguments.boolean("self_loops", self_loops)
        self.dynamic = arguments.boolean("dynamic", dynamic)
        self.dropout = arguments.rate("dropout", dropout)
        self.feature_dropout = arguments.rate("feature_dropout", feature_dropout)
        self.use_bias = arguments.boolean("use_bias", use_bias)
        self.seed = check_seed("seed", seed)
        self.kernel_initializer = get_initializer("kernel_initializer", kernel_initializer)
        self.attention_initializer = get_initializer("attention_initializer", attention_initializer)
        self.bias_initializer = get_initializer("bias_initializer", bias_initializer)
        self.kernel_regularizer = get_regularizer("kernel_regularizer", kernel_regularizer)
        has_dropout = self.dropout or self.feature_dropout
        self.seed_generator = keras.random.SeedGenerator(self.seed) if has_dropout else None
        self.supports_masking = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # Check before `build`, which gets only shapes and cannot tell that a tensor is ragged.
        split_graph(args[0] if args else kwargs.get("inputs"))
        return super().__call__(*args, **kwargs)

    def build(self, input_shape: Any) -> None:
        nodes_shape, edges_shape = input_shape
        check_graph_shapes(nodes_shape, edges_shape)
        kernel_shape = nodes_shape[-1], self.heads * self.units
        self.kernel = self._add_matrix("kernel", kernel_shape, self.kernel_initializer)
        vectors = (self.heads, self.units), self.attention_initializer
        if self.dynamic:
            self.receiver_kernel = self._add_matrix(
                "receiver_kernel", kernel_shape, self.kernel_initializer
            )
            self.scale = self._add_matrix("scale", *vectors)
        else:
            self.receiver = self._add_matrix("receiver", *vectors)
            self.sender = self._add_matrix("sender", *vectors)
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self._output_width(),),
                initializer=self.bias_initializer,
                autocast=False,
            )

    def _add_matrix(self, name, shape, initializer):
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=clone_initializer(initializer),
            regularizer=self.kernel_regularizer,
            autocast=False,
        )

    def _output_width(self):
        return self.units if self.merge == "average" else self.heads * self.units

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        edge_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        nodes, edges = split_graph(inputs)
        node_mask, edge_mask = split_graph_masks(inputs, mask, edge_mask)
        check_node_indices(edges, edge_mask, nodes)
        flat = flatten_edges(edges, nodes, node_mask, edge_mask, self.self_loops)
        rows = ops.cast(nodes, self.compute_dtype)  # Keras does not autocast integer inputs
        rows = ops.reshape(rows, (flat.count, nodes.shape[-1]))
        # Nodes without a visible edge are zeroed, so that not even NaN in them has an effect. With
        # self-loops these are the masked nodes.
        rows = clip_input(hide(rows, find_connected_nodes(flat)))
        projected = project(rows, self.kernel, heads=self.heads)
        weights = segment_softmax(
            self._compute_scores(rows, projected, flat), flat.segments, flat.count
        )
        context = segment_sum(
            self._drop(weights, self.dropout, training),
            ops.take(self._drop(projected, self.feature_dropout, training), flat.senders, axis=0),
            flat.segments,
            flat.count,
        )
        batch, node_count, _ = ops.shape(nodes)
        output = ops.reshape(self._merge_heads(context), (batch, node_count, self._output_width()))
        output = hide(output, node_mask)
        if not return_attention_scores:
            return output
        edge_count = ops.shape(edges)[1]
        total = edge_count + node_count if self.self_loops else edge_count
        weights = ops.cast(weights, self.compute_dtype)
        weights = ops.reshape(weights, (batch, total, self.heads))
        if not self.self_loops:
            return output, weights
        return output, weights[:, :edge_count], weights[:, edge_count:]

    def compute_attention_weights(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """Return the weights of a call, of the edges and of the self-loops if there are any.

        The arguments are those of `call`.
        """
        _, *weights = self.call(*args, **{**kwargs, "return_attention_scores": True})
        return dict(zip(("edges", "self_loops"), weights, strict=False))

    def _compute_scores(self, rows, projected, flat):
        if self.dynamic:
            received = project(rows, self.receiver_kernel, heads=self.heads)
            operands = received, projected, self.scale
            score = compute_dynamic_edge_scores
        else:
            operands = projected, self.receiver, self.sender
            score = compute_edge_scores
        return score(*operands, flat.receivers, flat.senders, self.negative_slope)

    def _drop(self, x, rate, training):
        """Drop components of `x`, `(elements, ...)`; the last axes have known sizes."""
        if not training or not rate:
            return x
        width = math.prod(x.shape[1:])
        rows = ops.reshape(x, (-1, width))  # fewer rows have fewer seeds
        return ops.reshape(drop(rows, rate, self.seed_generator), ops.shape(x))

    def _merge_heads(self, context):
        """Return the output `(nodes, width)` for the context `(nodes, heads, units)`."""
        context = at_least_float32(context)
        if self.merge == "average":
            context = ops.mean(context, axis=1)
        else:
            context = ops.reshape(context, (-1, self._output_width()))
        if self.bias is not None:
            context = ops.add(context, self.bias)
        return saturate_cast(self.activation(context), self.compute_dtype)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Tensor | None:
        return split_graph_masks(inputs, mask, None)[0]

    def compute_output_shape(self, input_shape: Any) -> Shape:
        nodes_shape, edges_shape = input_shape
        check_graph_shapes(nodes_shape, edges_shape)
        return (*nodes_shape[:2], self._output_width())

    def compute_output_spec(
        self,
        inputs: Any,
        mask: Any = None,
        edge_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        nodes, edges = split_graph(inputs)
        split_graph_masks(inputs, mask, edge_mask)  # to check them
        shapes = [self.compute_output_shape([nodes.shape, edges.shape])]
        if return_attention_scores:
            shapes.append((*edges.shape[:2], self.heads))
            if self.self_loops:
                shapes.append((*nodes.shape[:2], self.heads))
        outputs = [keras.KerasTensor(shape, self.compute_dtype) for shape in shapes]
        return tuple(outputs) if return_attention_scores else outputs[0]

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "units": self.units,
            "heads": self.heads,
            "merge": self.merge,
            "activation": keras.activations.serialize(self.activation),
            "negative_slope": self.negative_slope,
            "self_loops": self.self_loops,
            "dynamic": self.dynamic,
            "dropout": self.dropout,
            "feature_dropout": self.feature_dropout,
            "use_bias": self.use_bias,
            "seed": self.seed,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "attention_initializer": keras.initializers.serialize(self.attention_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }
