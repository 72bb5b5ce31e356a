"""Whole translation models: decoding and training, against the same models in PyTorch."""

import functools

from benchmarks.family import Contestant, Data, Family, Work

TRANSFORMER = {"units": 256, "hidden": 512, "blocks": 3, "heads": 8, "vocabulary": 13_698}
RNNSEARCH = {"units": 256, "vocabulary": 7_000}
QUICK = {"units": 8, "hidden": 8, "blocks": 1, "heads": 2, "vocabulary": 20}
SIZES = {"transformer": TRANSFORMER, "rnnsearch": RNNSEARCH}
TITLES = {"transformer": "the Transformer", "rnnsearch": "RNNsearch"}


def make_data(sizes, rng):
    """Return sources and targets of `length` words without padding."""
    shape = sizes["batch"], sizes["length"]
    ids = [rng.integers(2, sizes["vocabulary"], shape).astype("float32") for _ in range(2)]
    return Data(ids[:1] if "beam" in sizes else ids, {})


def count_work(sizes, step):
    """Count the products with weights, which take most of the time."""
    rows, length, units = sizes["batch"], sizes["length"], sizes["units"]
    if "blocks" in sizes:
        attention, network = 4 * units**2, 2 * units * sizes["hidden"]
        encoder, decoder = attention + network, 2 * attention + network
        encoder, decoder = sizes["blocks"] * encoder, sizes["blocks"] * decoder
    else:
        # Two directions of half the width; the cell with the context, and the query's projection.
        encoder, decoder = 2 * 3 * (units + units // 2) * units // 2, 10 * units**2 + 3 * units**2
    decoder += units * sizes["vocabulary"]
    if "beam" in sizes:
        return Work(flops=2 * rows * length * (encoder + sizes["beam"] * decoder))
    return Work(flops=3 * 2 * rows * length * (encoder + decoder))


def make_ours(task, model):
    from benchmarks.translation import networks

    make = networks.make_decoding if "beam" in task.sizes else networks.make_training
    return make(task, model)


def make_torch(task, model):
    from benchmarks.translation import torch_programs

    make = torch_programs.make_decoding if "beam" in task.sizes else torch_programs.make_training
    return make(task, model)


def make_compiled_torch(task, model):
    from benchmarks.translation import torch_programs

    return torch_programs.make_decoding(task, model, compile_step=True)


def make_keras_hub(task, model):
    from benchmarks.translation import keras_hub_decoding

    return keras_hub_decoding.make_decoding(task, model)


def make_decoding_family(model, batch, beam):
    """Return the family of one model, batch size and beam width; width 1 decodes greedily."""
    quick_sizes = {"batch": 2, "beam": beam, **{name: QUICK[name] for name in SIZES[model]}}
    search = "decoding.greedy" if beam == 1 else f"decoding.beam_search of width {beam}"
    contestants = {
        "PyTorch, eager": (make_torch, "torch"),
        "PyTorch, torch.compile": (make_compiled_torch, "torch"),
        "keras-hub's sampler": (make_keras_hub, "keras_hub"),
    }
    return Family(
        name=f"{model}_decoding_batch{batch}_beam{beam}",
        title=f"{search} with {TITLES[model]}, T words a sentence",
        sizes={"batch": batch, "beam": beam, **SIZES[model]},
        lengths=(20,),
        served_lengths=(20,),
        quick_sizes=quick_sizes,
        quick_lengths=(4,) if batch == 1 else (),
        make_data=make_data,
        count_work=count_work,
        contestants=(
            Contestant("ours", functools.partial(make_ours, model=model)),
            *(
                Contestant(
                    name,
                    functools.partial(make, model=model),
                    needs=needs,
                    in_quick_run=make is not make_compiled_torch,
                )
                for name, (make, needs) in contestants.items()
            ),
        ),
        steps=("forward",),
    )


def make_training_family(model, dropout):
    """Return the family of a training step, with Adam's update, at the example's sizes."""
    return Family(
        name=f"{model}_training",
        title=f"a training step of {TITLES[model]}, T words a sentence",
        sizes={"batch": 128, "dropout": dropout, **SIZES[model]},
        lengths=(16,),
        quick_sizes={"batch": 2, "dropout": 0.0, **{name: QUICK[name] for name in SIZES[model]}},
        quick_lengths=(4,),
        make_data=make_data,
        count_work=count_work,
        contestants=(
            Contestant("ours", functools.partial(make_ours, model=model)),
            Contestant("PyTorch, eager", functools.partial(make_torch, model=model), needs="torch"),
        ),
        steps=("forward",),  # The program is the whole training step.
    )


FAMILIES = [
    *(
        make_decoding_family(model, batch, beam)
        for model in SIZES
        for batch in (1, 32)
        for beam in (1, 5)
    ),
    make_training_family("transformer", 0.2),
    make_training_family("rnnsearch", 0.3),
]
