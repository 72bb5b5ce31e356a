"""Family: hard attention in inference, which selects the most probable key without sampling."""

from benchmarks.families import additive
from benchmarks.families.additive import make_query_value_program
from benchmarks.family import Contestant, Family


def make_ours(task):
    import keras_attention

    layer = keras_attention.HardAttention(dtype=task.policy)
    return make_query_value_program(task, layer, task.data.weights.values())


def make_plain(task):
    from benchmarks.plain.hard import select_most_probable

    return task.make_function_program(
        lambda weights, query, value: select_most_probable(query, value, **weights)
    )


FAMILY = Family(
    name="hard",
    title="HardAttention, additive score",
    sizes={"batch": 8, "units": 64},
    lengths=(64, 256),
    half_lengths=(256,),
    quick_sizes={"batch": 2, "units": 8},
    quick_lengths=(16,),
    make_data=additive.make_data,
    count_work=additive.count_work,
    contestants=(
        Contestant("ours", make_ours),
        Contestant(
            "argmax and gather", make_plain, intermediate_bytes=additive.count_intermediate_bytes
        ),
    ),
    steps=("forward",),
)
