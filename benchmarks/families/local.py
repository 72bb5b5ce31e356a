"""Local attention around each query's own place (local-m), against a mask over all pairs."""

from benchmarks.families.additive import in_pairs
from benchmarks.families.dot import data, held
from benchmarks.family import Contestant, Family, Work


def work(sizes, step):
    """The pairs within the window only."""
    b, t, d = sizes["batch"], sizes["length"], sizes["width"]
    pairs = b * t * min(2 * sizes["window"] + 1, t)
    times = 1 if step == "forward" else 3
    return Work(times * 4 * pairs * d, pairs, bytes=times * 4 * 3 * b * t * d)


def ours(task):
    import keras_attention

    layer = keras_attention.LocalAttention(
        task.sizes["window"], alignment="monotonic", score="dot", dtype=task.policy
    )
    return in_pairs(task, layer, [])


def masked(task):
    from benchmarks.plain.local import monotonic

    window = task.sizes["window"]
    return task.function(lambda weights, query, value: monotonic(query, value, window))


def of_the_index(task):
    from local_attention import LocalAttention

    window = task.sizes["window"]
    layer = LocalAttention(window, exact_windowsize=True, autopad=True, scale=1.0)
    return task.function(lambda weights, query, value: layer(query, value, value))


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
    data=data,
    work=work,
    contestants=(
        Contestant("ours", ours),
        Contestant("masked full matrix", masked, held=held),
        Contestant("local-attention", of_the_index, ("torch",), needs="local_attention"),
    ),
)
