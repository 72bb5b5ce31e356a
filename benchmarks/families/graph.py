"""Family: attention over the edges of a random graph of T nodes, with about `degree` each."""

import numpy as np

from benchmarks.families.random_data import sample_normal, sample_weights
from benchmarks.family import Contestant, Data, Family, Work


def make_data(sizes, rng):
    """Return the features of the nodes, and the weights."""
    width, vectors = sizes["heads"] * sizes["units"], (sizes["heads"], sizes["units"])
    weights = sample_weights(rng, kernel=(width, width), receiver=vectors, sender=vectors)
    bias = np.zeros(width, "float32")
    return Data([sample_normal(rng, 1, sizes["length"], width)], {**weights, "bias": bias})


def make_edges(sizes):
    """Return random edges, int32 (E, 2) of sender and receiver."""
    nodes = sizes["length"]
    edges = np.random.default_rng(1).integers(nodes, size=(nodes * sizes["degree"], 2))
    return edges.astype("int32")


def count_work(sizes, step):
    """Count the projection, the scores of nodes and edges, and the sums over the edges."""
    nodes, heads = sizes["length"], sizes["heads"]
    width, edges = heads * sizes["units"], nodes * (sizes["degree"] + 1)
    passes = 1 if step == "forward" else 3
    flops = 2 * nodes * width * (width + 2) + edges * (2 * width + 4 * heads)
    moved_bytes = 4 * (2 * nodes * width + 2 * edges)
    return Work(passes * flops, edges * heads, bytes=passes * moved_bytes)


def count_table_bytes(sizes, step, mode):
    """Count the bytes of scores, exponentials and weights of all pairs, and of their gradients."""
    copies = {"forward": 3, "training": 6}[step]
    return copies * 4 * sizes["length"] ** 2 * sizes["heads"]


def make_ours(task):
    import keras_attention

    heads, units = task.sizes["heads"], task.sizes["units"]
    layer = keras_attention.GraphAttention(units, heads, dtype=task.policy)
    edges = task.engine.to_tensor(make_edges(task.sizes)[None], "int32")

    def call(nodes):
        # The call that builds the layer has fewer nodes than the edges need.
        has_all_nodes = nodes.shape[1] == task.sizes["length"]
        return layer([nodes, edges if has_all_nodes else edges[:, :0]])

    return task.make_layer_program(layer, task.data.weights.values(), call)


def make_table(task):
    from benchmarks.plain.graph import attend_to_table

    edges = task.engine.to_tensor(make_edges(task.sizes), "int32")
    return task.make_function_program(
        lambda weights, nodes: attend_to_table(nodes[0], edges, **weights)[None]
    )


def make_torch_geometric(task):
    import torch
    from torch_geometric.nn import GATConv

    from benchmarks.task import Program

    heads, units = task.sizes["heads"], task.sizes["units"]
    layer = GATConv(heads * units, units, heads).to(task.engine.DEVICE)
    weights = {name: torch.tensor(array) for name, array in task.data.weights.items()}
    layer.load_state_dict(
        {
            "lin.weight": weights["kernel"].T,
            "att_dst": weights["receiver"][None],
            "att_src": weights["sender"][None],
            "bias": weights["bias"],
        }
    )
    edges = task.engine.to_tensor(make_edges(task.sizes).T.copy(), "int64")
    return Program(
        lambda weights, nodes: layer(nodes[0], edges)[None],
        list(layer.parameters()),
        task.make_inputs(),
    )


FAMILY = Family(
    name="graph",
    title="GraphAttention over the edges of T nodes",
    sizes={"degree": 10, "heads": 8, "units": 8},
    lengths=(1000, 20_000, 100_000),
    memory_lengths=(100_000,),
    quick_sizes={"degree": 3, "heads": 2, "units": 4},
    quick_lengths=(30,),
    make_data=make_data,
    count_work=count_work,
    contestants=(
        Contestant("ours", make_ours),
        Contestant("table of all pairs", make_table, intermediate_bytes=count_table_bytes),
        Contestant(
            "torch_geometric GATConv",
            make_torch_geometric,
            ("torch",),
            needs="torch_geometric",
        ),
    ),
)
