"""The kinds of models: a module of tries for each."""

from tests.export.models.kinds import (
    applications,
    attention,
    attention_after_layers,
    attention_of,
    custom,
    directories,
    dtypes,
    functional,
    hub,
    images,
    inputs,
    policies,
    preprocessing,
    python_calls,
    randomness,
    recurrent,
    state,
    subclassed,
    variables,
    with_lengths,
    with_seed,
)

ALL_TRIES = [
    one
    for module in (
        *(functional, subclassed, inputs, directories, dtypes, preprocessing, images, recurrent),
        *(policies, variables, custom, python_calls, state, randomness, attention),
        *(attention_after_layers, attention_of, with_lengths, with_seed, applications, hub),
    )
    for one in module.tries
]
