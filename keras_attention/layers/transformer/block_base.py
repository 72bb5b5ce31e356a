"""The base class of the Transformer's encoder and decoder blocks."""

from typing import Any, Literal

import keras

from keras_attention import arguments
from keras_attention.kernels.attention import Implementation
from keras_attention.layer_arguments import check_seed, get_activation
from keras_attention.layers.call_arguments.dense_inputs import DenseInputsLayer
from keras_attention.layers.multi_head.multi_head_self_attention import MultiHeadSelfAttention
from keras_attention.layers.transformer.feed_forward import FeedForward
from keras_attention.layers.transformer.residual import NORMS, Residual
from keras_attention.types import Config, Initializer, Tensor


class TransformerBlock(DenseInputsLayer):
    """Abstract base class: self-attention and a feed-forward network, each with a residual.

    Subclasses define `call`, which applies the sublayers and may add others between them.
    """

    _attention_names: tuple[str, ...] = ("self_attention",)

    def __init__(
        self,
        num_heads: int,
        hidden_dim: int,
        key_dim: int | None = None,
        num_key_value_heads: int | None = None,
        dropout: float = 0.1,
        attention_dropout: float = 0.0,
        norm: Literal["post", "pre"] = "post",
        activation: Any = "relu",
        window: int | None = None,
        rotary_base: float | None = None,
        use_bias: bool = True,
        seed: int | None = None,
        implementation: Implementation = "auto",
        layer_norm_epsilon: float = 1e-6,
        kernel_initializer: Initializer = "glorot_uniform",
        bias_initializer: Initializer = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hidden_dim = arguments.positive_integer("hidden_dim", hidden_dim)
        self.dropout = arguments.rate("dropout", dropout)
        self.attention_dropout = arguments.rate("attention_dropout", attention_dropout)
        self.norm = arguments.one_of("norm", norm, NORMS)
        self.activation = get_activation("activation", activation)
        self.seed = check_seed("seed", seed)
        self.layer_norm_epsilon = arguments.positive_number(
            "layer_norm_epsilon", layer_norm_epsilon
        )
        self.initializers = {
            "kernel_initializer": kernel_initializer,
            "bias_initializer": bias_initializer,
        }
        self.heads = {
            "num_heads": num_heads,
            "key_dim": key_dim,
            "num_key_value_heads": num_key_value_heads,
            "use_bias": use_bias,
            "implementation": implementation,
        }
        self.position_options = {"window": window, "rotary_base": rotary_base}
        self.self_attention = self._make_attention(MultiHeadSelfAttention, "self_attention", 0)
        self.around_self_attention = self._make_residual("around_self_attention", 1)
        self.feed_forward = FeedForward(
            self.hidden_dim,
            self.activation,
            **self.initializers,
            dtype=self.dtype_policy,
            name="feed_forward",
        )
        self.around_feed_forward = self._make_residual("around_feed_forward", 2)
        self.supports_masking = True
        self.autocast = False  # otherwise Keras would cast a cache to the compute dtype

    def _make_attention(self, attention_class, name, sublayer):
        is_self_attention = attention_class is MultiHeadSelfAttention
        return attention_class(
            **self.heads,
            **self.initializers,
            **(self.position_options if is_self_attention else {}),
            dropout=self.attention_dropout,
            seed=self._derive_seed(sublayer),
            dtype=self.dtype_policy,
            name=name,
        )

    def _make_residual(self, name, sublayer):
        seed = self._derive_seed(sublayer)
        return Residual(
            self.norm,
            self.dropout,
            self.layer_norm_epsilon,
            seed=seed,
            dtype=self.dtype_policy,
            name=name,
        )

    def _derive_seed(self, sublayer):
        """Return a distinct seed for each sublayer (0 to 4), so that dropout is independent.

        The sublayers of blocks with consecutive seeds have distinct seeds too.
        """
        return None if self.seed is None else (5 * self.seed + sublayer) % 2**31

    def build_all(self, shape):
        """Build the sublayers that every block has."""
        if len(shape) != 3 or shape[-1] is None:
            raise ValueError(
                "Expected `inputs` (batch, T, width) with a known width. "
                f"Received: inputs {tuple(shape)}"
            )
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: shape[-1]})
        self.self_attention.build(shape)
        self.around_self_attention.build(shape)
        self.feed_forward.build(shape)
        self.around_feed_forward.build(shape)

    def compute_attention_weights(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """Return the weights of a call by the name of the sublayer that they belong to.

        The arguments are those of `call`.
        """
        _, *weights = self.call(*args, **{**kwargs, "return_attention_scores": True})
        # A cache, if one was passed, comes after the weights.
        return dict(zip(self._attention_names, weights, strict=False))

    def get_config(self) -> Config:
        attention = self.self_attention
        return {
            **super().get_config(),
            **self.heads,
            **self.position_options,
            "hidden_dim": self.hidden_dim,
            "dropout": self.dropout,
            "attention_dropout": self.attention_dropout,
            "norm": self.norm,
            "activation": keras.activations.serialize(self.activation),
            "seed": self.seed,
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "kernel_initializer": keras.initializers.serialize(attention.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(attention.bias_initializer),
        }
