"""Contract cases of NTMCell."""

import keras

import keras_attention
from keras_attention.testing import request_scores
from tests.layers.contract.common import Case


@request_scores
def call_in_rnn(layer, query, value, query_mask, value_mask, **options):
    """Run the cell over the values; return the outputs and the first read head's last address."""
    returns_weights = options.pop("return_attention_scores")
    rnn_options = {"return_sequences": True, "return_state": True, "dtype": layer.dtype_policy}
    outputs, *_, addresses = keras.layers.RNN(layer, **rnn_options)(value, **options)
    return (outputs, addresses[:, : layer.slots]) if returns_weights else outputs


# The cell has no keys to mask: the RNN handles masked steps.
IN_RNN = {
    "call": call_in_rnn,
    "takes_attention_mask": False,
    "takes_query": False,
    "takes_masks": False,
    "treats_keys_alike": False,
    "fully_masked_output_is_zero": False,
}

ROWS = {
    "ntm": Case(
        keras_attention.NTMCell,
        {"units": 3, "slots": 7, "width": 2, "controller_units": 5},
        all_arguments={
            "units": 5,
            "slots": 11,
            "width": 3,
            "read_heads": 3,
            "write_heads": 2,
            "shift_range": 2,
            "controller": "feedforward",
            "controller_units": 7,
            "memory_start": "learned",
            "address_start": "first",
            "clip": 7.5,
            "output_activation": "sigmoid",
            "return_addresses": True,
            "kernel_initializer": "he_normal",
        },
        wrong_arguments=[
            ({"units": 0}, "units=0"),
            ({"slots": 2.5}, "slots=2.5"),
            ({"width": "wide"}, "width='wide'"),
            ({"read_heads": 0}, "read_heads=0"),
            ({"write_heads": -1}, "write_heads=-1"),
            ({"shift_range": 4}, "shift_range=4, slots=7"),
            ({"controller": "gru"}, "controller='gru'"),
            ({"controller": 3}, "controller=3"),
            ({"controller_units": 0}, "controller_units=0"),
            ({"memory_start": "zeros"}, "memory_start='zeros'"),
            ({"address_start": "uniform"}, "address_start='uniform'"),
            ({"clip": 0}, "clip=0"),
            ({"return_addresses": 1}, "return_addresses=1"),
        ],
        **IN_RNN,
    ),
    "ntm_feedforward_addresses": Case(
        keras_attention.NTMCell,
        {
            "units": 3,
            "slots": 7,
            "width": 2,
            "read_heads": 2,
            "write_heads": 2,
            "controller": "feedforward",
            "controller_units": 5,
            "return_addresses": True,
        },
        **IN_RNN,
    ),
}
