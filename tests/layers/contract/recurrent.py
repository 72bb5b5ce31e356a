"""Contract cases of AttentionDecoder with several cells and attention layers."""

import keras

import keras_attention
from tests.layers.contract.common import (
    MAX_CELL_INPUT,
    Case,
    call_decoder,
    create_gru_cell,
    create_lstm_cell,
    create_states,
)

CELL = {
    "max_input": MAX_CELL_INPUT,
    "fully_masked_output_is_zero": False,
    "takes_attention_mask": False,
    "call": call_decoder,
}

ROWS = {
    "decoder_before": Case(
        keras_attention.AttentionDecoder,
        {
            "cell": lambda: create_gru_cell(7),
            "attention": lambda: keras_attention.AdditiveAttention(units=3),
        },
        call_arguments=create_states(7),
        all_arguments={
            "cell": lambda: create_lstm_cell(5),
            "attention": lambda: keras_attention.LuongAttention("dot", units=3),
            "attend": "after",
            "input_feeding": True,
            "output_mode": "both",
        },
        wrong_arguments=[
            ({"cell": lambda: keras.layers.Dense(3)}, "cell="),
            ({"attention": lambda: keras.layers.Attention()}, "attention="),
            ({"attend": "during"}, "attend='during'"),
            ({"input_feeding": True}, "input_feeding=True"),
            ({"output_mode": "all"}, "output_mode='all'"),
        ],
        **CELL,
    ),
    "decoder_after": Case(
        keras_attention.AttentionDecoder,
        {
            "cell": lambda: create_lstm_cell(5),
            "attention": lambda: keras_attention.LuongAttention(units=3),
            "attend": "after",
        },
        call_arguments=create_states(5, 5),
        **CELL,
    ),
    "decoder_feeding": Case(
        keras_attention.AttentionDecoder,
        {
            "cell": lambda: keras.layers.StackedRNNCells([create_gru_cell(3), create_lstm_cell(5)]),
            "attention": lambda: keras_attention.Attention("scaled_dot"),
            "attend": "after",
            "input_feeding": True,
            "output_mode": "both",
        },
        **CELL,
    ),
    "decoder_local": Case(
        keras_attention.AttentionDecoder,
        {
            "cell": lambda: create_gru_cell(5),
            "attention": lambda: keras_attention.LocalAttention(window=2, units=3),
            "attend": "after",
            "input_feeding": True,
        },
        treats_keys_alike=False,
        weights_sum_to_one=False,
        **CELL,
    ),
    "decoder_local_monotonic": Case(
        keras_attention.AttentionDecoder,
        {
            "cell": lambda: create_gru_cell(5),
            "attention": lambda: keras_attention.LocalAttention(
                window=2, alignment="monotonic", score="concat"
            ),
        },
        treats_keys_alike=False,
        weights_sum_to_one=False,
        **CELL,
    ),
    "decoder_hard": Case(
        keras_attention.AttentionDecoder,
        {
            "cell": lambda: create_gru_cell(7),
            "attention": lambda: keras_attention.HardAttention(),
        },
        treats_keys_alike=False,
        **CELL,
    ),
}
