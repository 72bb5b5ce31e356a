"""Names of directories and of signatures."""

import functools

import keras

from tests.export.models.tries import Case, Tries

layers = keras.layers
tries = Tries("directories and names of signatures")


def make(directory="m", **kwargs):
    x = keras.Input((2,), name="x")
    return Case(keras.Model(x, layers.Dense(3)(x)), directory=directory, **kwargs)


for one in ("a model ü", "-m", "a/b/c", "m.v2", "'quoted' \"twice\""):
    tries.add(f"a directory {one!r}", functools.partial(make, one), one == "-m")
for one in ("gs://bucket/m", "s3://bucket/m"):
    tries.refuse(
        f"a directory {one!r}", functools.partial(make, one), ("`directory`", one, "local")
    )
tries.refuse("a directory '7'", functools.partial(make, "m/7"), ("`directory`", "version"), True)


def name_signature(name):
    x = keras.InputSpec(shape=(None, 2), dtype="float32", name="x")
    return make(signatures={name: (lambda x: 2 * x, [x])})


for one in ("my-score", "variables", "v1.2"):
    tries.add(f"a signature {one!r}", functools.partial(name_signature, one))
for one in ("a/b", "", "signatures"):
    words = ("signature names", f"{{{one!r}: ...}}")
    tries.refuse(f"a signature {one!r}", functools.partial(name_signature, one), words)
