"""Families of speech: location-aware and monotonic attention, and plain loops over the queries.

The memory has T frames, of which a query covers eight on average.
"""

import functools

from benchmarks.families.additive import make_query_value_program
from benchmarks.families.random_data import sample_normal, sample_weights
from benchmarks.family import Contestant, Data, Family, Work

FRAMES_PER_QUERY = 8


def count_queries(sizes):
    return max(sizes["length"] // FRAMES_PER_QUERY, 2)


def make_inputs(sizes, rng):
    """Return the queries and the frames."""
    b, u = sizes["batch"], sizes["units"]
    return [sample_normal(rng, b, t, u) for t in (count_queries(sizes), sizes["length"])]


def make_score(sizes, rng):
    """Return the weights of an additive score."""
    u = sizes["units"]
    kernels = sample_weights(rng, query_kernel=(u, u), key_kernel=(u, u))
    return {**kernels, "scale": sample_normal(rng, u) / 4}


def make_location_aware_data(sizes, rng):
    u, filters, width = (sizes[name] for name in ("units", "filters", "filter_width"))
    shapes = {"filters": (width, 1, filters), "location_kernel": (filters, u)}
    inputs = make_inputs(sizes, rng)
    return Data(inputs, {**make_score(sizes, rng), **sample_weights(rng, **shapes)})


def make_monotonic_data(sizes, rng):
    inputs, bias = make_inputs(sizes, rng), sample_normal(rng, sizes["units"]) / 4
    energy_bias = sample_normal(rng) - 2
    return Data(inputs, {"energy_bias": energy_bias, **make_score(sizes, rng), "bias": bias})


def count_scores(sizes, step):
    """Count the projections, the tanh and the product with the scale of each pair, the contexts."""
    b, t, u = sizes["batch"], sizes["length"], sizes["units"]
    queries, passes = count_queries(sizes), 1 if step == "forward" else 3
    pairs = b * queries * t
    flops = passes * (2 * b * (queries + t) * u * u + 5 * pairs * u)
    return Work(flops, tanhs=pairs * u, bytes=passes * 4 * b * (2 * queries + t) * u)


def count_location_aware_work(sizes, step):
    """Add the convolution of the weights, its projection, and an exponential per pair."""
    base, pairs = count_scores(sizes, step), sizes["batch"] * count_queries(sizes) * sizes["length"]
    passes, filters = 1 if step == "forward" else 3, sizes["filters"]
    flops = base.flops + passes * 2 * pairs * filters * (sizes["filter_width"] + sizes["units"])
    return Work(flops, pairs, tanhs=base.tanhs, bytes=base.bytes)


def count_monotonic_work(sizes, step):
    """Add a sigmoid and a step of the recurrence per pair."""
    base, pairs = count_scores(sizes, step), sizes["batch"] * count_queries(sizes) * sizes["length"]
    passes = 1 if step == "forward" else 3
    return Work(base.flops + passes * 4 * pairs, pairs, pairs, base.tanhs, base.bytes)


def make_location_aware(task):
    import keras_attention

    layer = keras_attention.LocationAwareAttention(
        task.sizes["units"],
        task.sizes["filters"],
        task.sizes["filter_width"],
        dtype=task.policy,
    )
    return make_query_value_program(task, layer, task.data.weights.values())


def make_plain_location_aware(task):
    from benchmarks.plain.speech import attend_location_aware

    return task.make_function_program(
        lambda weights, *inputs: attend_location_aware(*inputs, **weights)
    )


def make_monotonic(task):
    import keras_attention

    layer = keras_attention.MonotonicAttention(
        units=task.sizes["units"], normalized=False, inference="soft", dtype=task.policy
    )
    return make_query_value_program(task, layer, task.data.weights.values())


def make_plain_monotonic(task, name):
    from benchmarks.plain import speech

    choose = getattr(speech, name)
    return task.make_function_program(
        lambda weights, *inputs: speech.attend_monotonically(choose, *inputs, **weights)
    )


LOCATION_AWARE = Family(
    name="location_aware",
    title="LocationAwareAttention, T / 8 queries over T frames",
    sizes={"batch": 8, "units": 128, "filters": 10, "filter_width": 31},
    lengths=(128, 512),
    quick_sizes={"batch": 2, "units": 8, "filters": 2, "filter_width": 3},
    quick_lengths=(16,),
    make_data=make_location_aware_data,
    count_work=count_location_aware_work,
    contestants=(
        Contestant("ours", make_location_aware),
        Contestant("plain loop", make_plain_location_aware),
    ),
)
MONOTONIC = Family(
    name="monotonic",
    title="MonotonicAttention, expected weights, T / 8 queries over T frames",
    sizes={"batch": 8, "units": 128},
    lengths=(128, 512),
    quick_sizes={"batch": 2, "units": 8},
    quick_lengths=(16,),
    make_data=make_monotonic_data,
    count_work=count_monotonic_work,
    contestants=(
        Contestant("ours", make_monotonic),
        Contestant(
            "cumulative products, as Addons",
            functools.partial(make_plain_monotonic, name="weigh_in_parallel"),
        ),
        Contestant(
            "loop over keys, as Addons",
            functools.partial(make_plain_monotonic, name="weigh_recursively"),
            ("tensorflow", "jax"),
        ),
    ),
)
