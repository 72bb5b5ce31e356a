"""Local attention around a predicted place (local-p), against a mask over all pairs."""

from benchmarks.families import dot, local
from benchmarks.families.additive import in_pairs
from benchmarks.families.drawn import weights
from benchmarks.family import Contestant, Data, Family, Work


def data(sizes, rng):
    width = sizes["width"]
    shapes = {"position_kernel": (width, width), "position_scale": (width, 1)}
    inputs = dot.data(sizes, rng).inputs
    return Data(inputs, weights(rng, **shapes, kernel=(width, width)))


def work(sizes, step):
    """That of local-m, two projections, and an exponential a pair for the Gaussian."""
    b, t, d = sizes["batch"], sizes["length"], sizes["width"]
    base = local.work(sizes, step)
    times = 1 if step == "forward" else 3
    flops = base.flops + times * 2 * 2 * b * t * d * d
    return Work(flops, 2 * base.exponentials, tanhs=b * t * d, bytes=base.bytes)


def ours(task):
    import keras_attention

    layer = keras_attention.LocalAttention(task.sizes["window"], dtype=task.policy)
    return in_pairs(task, layer, task.data.weights.values())


def masked(task):
    from benchmarks.plain.local import predictive

    window = task.sizes["window"]
    return task.function(lambda weights, *inputs: predictive(*inputs, window, **weights))


FAMILY = Family(
    name="local_predictive",
    title="LocalAttention, local-p",
    sizes={"batch": 4, "width": 64, "window": 32},
    lengths=(512, 2048),
    quick_sizes={"batch": 2, "width": 8, "window": 4},
    quick_lengths=(32,),
    data=data,
    work=work,
    contestants=(
        Contestant("ours", ours),
        Contestant("masked full matrix", masked, held=dot.held),
    ),
)
