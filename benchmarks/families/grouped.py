"""Family: grouped-query attention, in which groups of heads share keys and values."""

from benchmarks.families.multi_head import (
    FUNCTIONS,
    count_intermediate_bytes,
    count_work,
    make_data,
    make_ours,
    split_heads,
)
from benchmarks.family import Contestant, Family


def make_keras(task):
    import keras

    width = task.sizes["key_dim"]
    layer = keras.layers.GroupQueryAttention(
        width, task.sizes["heads"], task.sizes["groups"], dtype=task.policy
    )
    return task.make_layer_program(
        layer, split_heads(task.data.weights, width), lambda x: layer(x, x)
    )


FAMILY = Family(
    name="grouped",
    title="MultiHeadSelfAttention in groups",
    sizes={"batch": 1, "heads": 8, "key_dim": 64, "groups": 2},
    lengths=(128, 512, 2048),
    half_lengths=(512, 2048),
    quick_sizes={"batch": 1, "heads": 4, "key_dim": 8, "groups": 2},
    quick_lengths=(32,),
    make_data=make_data,
    count_work=count_work,
    contestants=(
        Contestant("ours", make_ours),
        Contestant(
            "keras GroupQueryAttention", make_keras, intermediate_bytes=count_intermediate_bytes
        ),
        *FUNCTIONS,
    ),
)
