"""Family: local attention around a predicted position (local-p), and a mask over all pairs."""

from benchmarks.families import dot, local
from benchmarks.families.additive import make_query_value_program
from benchmarks.families.random_data import sample_weights
from benchmarks.family import Contestant, Data, Family, Work


def make_data(sizes, rng):
    width = sizes["width"]
    shapes = {"position_kernel": (width, width), "position_scale": (width, 1)}
    inputs = dot.make_data(sizes, rng).inputs
    return Data(inputs, sample_weights(rng, **shapes, kernel=(width, width)))


def count_work(sizes, step):
    """Count the work of local-m, two projections, and one exponential per pair for the Gaussian."""
    b, t, d = sizes["batch"], sizes["length"], sizes["width"]
    base = local.count_work(sizes, step)
    passes = 1 if step == "forward" else 3
    flops = base.flops + passes * 2 * 2 * b * t * d * d
    return Work(flops, 2 * base.exponentials, tanhs=b * t * d, bytes=base.bytes)


def make_ours(task):
    import keras_attention

    layer = keras_attention.LocalAttention(task.sizes["window"], dtype=task.policy)
    return make_query_value_program(task, layer, task.data.weights.values())


def make_masked(task):
    from benchmarks.plain.local import attend_predictive

    window = task.sizes["window"]
    return task.make_function_program(
        lambda weights, *inputs: attend_predictive(*inputs, window, **weights)
    )


FAMILY = Family(
    name="local_predictive",
    title="LocalAttention, local-p",
    sizes={"batch": 4, "width": 64, "window": 32},
    lengths=(512, 2048),
    half_lengths=(2048,),
    quick_sizes={"batch": 2, "width": 8, "window": 4},
    quick_lengths=(32,),
    make_data=make_data,
    count_work=count_work,
    contestants=(
        Contestant("ours", make_ours),
        Contestant(
            "masked full matrix", make_masked, intermediate_bytes=dot.count_intermediate_bytes
        ),
    ),
)
