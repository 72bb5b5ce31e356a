"""Family: dropout in training, whose time is that of the random numbers."""

from benchmarks.families.random_data import sample_normal
from benchmarks.family import Contestant, Data, Family, Work

RATE = 0.1
# On JAX a benchmark's program has the generator's state as a constant: XLA would compute the random
# numbers while it compiles.
BACKENDS = "tensorflow", "torch"


def make_data(sizes, rng):
    return Data([sample_normal(rng, sizes["batch"], sizes["length"], sizes["width"])], {})


def count_work(sizes, step):
    """Count one multiplication an element and the traffic of inputs and outputs."""
    elements = sizes["batch"] * sizes["length"] * sizes["width"]
    passes = 1 if step == "forward" else 3
    return Work(passes * elements, bytes=passes * 8 * elements)


def make_ours(task):
    import keras_attention

    layer = keras_attention.Dropout(RATE, seed=1, dtype=task.policy)
    return task.make_layer_program(layer, [], lambda x: layer(x, training=True))


def make_keras(task):
    import keras

    layer = keras.layers.Dropout(RATE, dtype=task.policy)
    return task.make_layer_program(layer, [], lambda x: layer(x, training=True))


FAMILY = Family(
    name="dropout",
    title="Dropout in training",
    sizes={"batch": 32, "width": 256},
    lengths=(40, 512),
    half_lengths=(512,),
    quick_sizes={"batch": 2, "width": 8},
    quick_lengths=(16,),
    make_data=make_data,
    count_work=count_work,
    contestants=(
        Contestant("ours", make_ours, BACKENDS),
        Contestant("keras Dropout", make_keras, BACKENDS, matches_ours=False),
    ),
)
