"""Family: local attention around each query's position (local-m), and a mask over all pairs."""

from benchmarks.families.additive import make_query_value_program
from benchmarks.families.dot import count_intermediate_bytes, make_data
from benchmarks.family import Contestant, Family, Work


def count_work(sizes, step):
    """Count the work of the pairs inside of the windows."""
    b, t, d = sizes["batch"], sizes["length"], sizes["width"]
    pairs = b * t * min(2 * sizes["window"] + 1, t)
    passes = 1 if step == "forward" else 3
    return Work(passes * 4 * pairs * d, pairs, bytes=passes * 4 * 3 * b * t * d)


def make_ours(task):
    import keras_attention

    layer = keras_attention.LocalAttention(
        task.sizes["window"], alignment="monotonic", score="dot", dtype=task.policy
    )
    return make_query_value_program(task, layer, [])


def make_masked(task):
    from benchmarks.plain.local import attend_monotonic

    window = task.sizes["window"]
    return task.make_function_program(
        lambda weights, query, value: attend_monotonic(query, value, window)
    )


def make_local_attention_package(task):
    from local_attention import LocalAttention

    window = task.sizes["window"]
    layer = LocalAttention(window, exact_windowsize=True, autopad=True, scale=1.0)
    return task.make_function_program(lambda weights, query, value: layer(query, value, value))


FAMILY = Family(
    name="local",
    title="LocalAttention, local-m",
    sizes={"batch": 4, "width": 64, "window": 32},
    lengths=(128, 512, 2048, 4096, 8192),
    half_lengths=(4096,),
    memory_lengths=(512, 2048, 4096),
    goal_lengths=(2048, 4096, 8192),
    quick_sizes={"batch": 2, "width": 8, "window": 4},
    quick_lengths=(32,),
    make_data=make_data,
    count_work=count_work,
    contestants=(
        Contestant("ours", make_ours),
        Contestant("masked full matrix", make_masked, intermediate_bytes=count_intermediate_bytes),
        Contestant(
            "local-attention", make_local_attention_package, ("torch",), needs="local_attention"
        ),
    ),
)
