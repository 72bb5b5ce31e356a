"""Grouped-query attention: heads that share keys and values."""

from benchmarks.families.multi_head import FUNCTIONS, by_head, data, held, ours, work
from benchmarks.family import Contestant, Family


def of_keras(task):
    import keras

    width = task.sizes["key_dim"]
    layer = keras.layers.GroupQueryAttention(
        width, task.sizes["heads"], task.sizes["groups"], dtype=task.policy
    )
    return task.layer(layer, by_head(task.data.weights, width), lambda x: layer(x, x))


FAMILY = Family(
    name="grouped",
    title="MultiHeadSelfAttention in groups",
    sizes={"batch": 1, "heads": 8, "key_dim": 64, "groups": 2},
    lengths=(128, 512, 2048),
    quick_sizes={"batch": 1, "heads": 4, "key_dim": 8, "groups": 2},
    quick_lengths=(32,),
    data=data,
    work=work,
    contestants=(
        Contestant("ours", ours),
        Contestant("keras GroupQueryAttention", of_keras, held=held),
        *FUNCTIONS,
    ),
)
