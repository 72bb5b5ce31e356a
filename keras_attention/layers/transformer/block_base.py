"""What the blocks of a Transformer's encoder and decoder have in common."""

import numbers

import keras

from keras_attention import arguments
from keras_attention.base_layer import BaseLayer
from keras_attention.layers.multi_head.multi_head_self_attention import MultiHeadSelfAttention
from keras_attention.layers.transformer.feed_forward import FeedForward
from keras_attention.layers.transformer.residual import NORMS, Residual


class TransformerBlock(BaseLayer):
    """Abstract: self-attention and a feed-forward network, each in a residual of its own.

    A final class says in `call` in which order they come, and what stands between them.
    """

    def __init__(
        self,
        num_heads,
        hidden_dim,
        key_dim=None,
        num_key_value_heads=None,
        dropout=0.1,
        attention_dropout=0.0,
        norm="post",
        activation="relu",
        window=None,
        rotary_base=None,
        use_bias=True,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.hidden_dim = arguments.positive_integer("hidden_dim", hidden_dim)
        self.dropout = arguments.rate("dropout", dropout)
        self.attention_dropout = arguments.rate("attention_dropout", attention_dropout)
        self.norm = arguments.one_of("norm", norm, NORMS)
        self.activation = keras.activations.get(activation)
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, numbers.Integral)):
            raise ValueError(f"Expected `seed` to be an integer or None. Received: seed={seed!r}")
        self.seed = None if seed is None else int(seed)
        self.heads = {
            "num_heads": num_heads,
            "key_dim": key_dim,
            "num_key_value_heads": num_key_value_heads,
            "use_bias": use_bias,
        }
        self.order = {"window": window, "rotary_base": rotary_base}
        self.self_attention = self._attention(MultiHeadSelfAttention, "self_attention", 0)
        self.around_self_attention = self._residual("around_self_attention", 1)
        self.feed_forward = FeedForward(
            self.hidden_dim, self.activation, dtype=self.dtype_policy, name="feed_forward"
        )
        self.around_feed_forward = self._residual("around_feed_forward", 2)
        self.supports_masking = True
        self.autocast = False  # else Keras would round a cache to the compute dtype

    def _attention(self, kind, name, which):
        order = self.order if kind is MultiHeadSelfAttention else {}
        return kind(
            **self.heads,
            **order,
            dropout=self.attention_dropout,
            seed=self._seed(which),
            dtype=self.dtype_policy,
            name=name,
        )

    def _residual(self, name, which):
        seed = self._seed(which)
        return Residual(self.norm, self.dropout, seed=seed, dtype=self.dtype_policy, name=name)

    def _seed(self, which):
        """A seed for each of up to five parts: with one for all they would drop alike.

        Nor do the parts of blocks whose seeds are neighbours share any.
        """
        return None if self.seed is None else (5 * self.seed + which) % 2**31

    def build_all(self, shape):
        """Builds the parts that every block has."""
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

    def get_config(self):
        return {
            **super().get_config(),
            **self.heads,
            **self.order,
            "hidden_dim": self.hidden_dim,
            "dropout": self.dropout,
            "attention_dropout": self.attention_dropout,
            "norm": self.norm,
            "activation": keras.activations.serialize(self.activation),
            "seed": self.seed,
        }
