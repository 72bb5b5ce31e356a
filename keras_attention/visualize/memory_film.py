"""What a memory went through, step by step, in the manner of Graves et al. (2014), figure 6."""

import itertools

from keras_attention.visualize.film_panel import SIZE, draw_panel, read_panels
from keras_attention.visualize.save import picture_path, save

WIDTH, HEADING, MARGIN = 10.0, 0.35, 0.6  # inches: the figure, above a panel, for time and title


def memory_film(
    read_addresses,
    write_addresses,
    inputs=None,
    outputs=None,
    additions=None,
    reads=None,
    title=None,
    path=None,
):
    """Draws where and what a memory was written and read over time.

    Time runs along x and the memory's slots along y, slot 0 at the top; black is weight 0 and
    white is weight 1. Writing is on the left, from above: the inputs, what was added, the write
    addresses; reading on the right: the outputs, what was read, the read addresses. What is not
    given is left out. Vectors are blue below 0 and red above, each panel up to its own largest
    number. Each head has a panel of its own.

    Args:
        read_addresses: (T, slots), or (T, heads, slots); floats in [0, 1], of any backend: those
            of one sequence, as `NTMCell.split_outputs` names them.
        write_addresses: likewise; there may be another number of heads.
        inputs: (T, any), real numbers. Default: no panel.
        outputs: (T, any), likewise.
        additions: (T, width), or (T, heads, width), likewise.
        reads: (T, width), or (T, heads, width), likewise.
        title: a string over the whole. Default: none.
        path: where to write the picture as well: `.png`, `.svg` or `.pdf`. Missing folders are
            made, and an older file is replaced only when the new one is complete.

    Returns:
        A `matplotlib.figure.Figure`, which belongs to nobody else: pyplot does not know it.

    Raises:
        ValueError: for arrays of another rank or of different numbers of steps or slots, not
            finite, or addresses beyond [0, 1]; for a title that is no string; for another suffix.

    Example:
        >>> from keras_attention.visualize import memory_film
        >>> a_slot_a_step = np.eye(5)
        >>> figure = memory_film(a_slot_a_step, a_slot_a_step)
        >>> [axes.get_title() for axes in figure.axes[:2]]
        ['write addresses', 'read addresses']

    Unlike the paper's figure this one has colour bars.

    Reference: Graves, Wayne, Danihelka, "Neural Turing Machines", 2014, section 4.1, figure 6,
    https://arxiv.org/abs/1410.5401.
    """
    if read_addresses is None or write_addresses is None:
        raise ValueError(
            "Expected `read_addresses` and `write_addresses` to be arrays. Received: "
            f"read_addresses={read_addresses!r}, write_addresses={write_addresses!r}"
        )
    sections = (
        (
            read_panels("inputs", inputs, has_heads=False),
            read_panels("outputs", outputs, has_heads=False),
        ),
        (read_panels("additions", additions), read_panels("reads", reads)),
        (
            read_panels("write_addresses", write_addresses, is_address=True),
            read_panels("read_addresses", read_addresses, is_address=True),
        ),
    )
    rows = [pair for section in sections for pair in itertools.zip_longest(*section)]
    check_sizes([panel for pair in rows for panel in pair if panel])
    if title is not None and not isinstance(title, str):
        raise ValueError(f"Expected `title` to be a string or None. Received: title={title!r}")
    path = path if path is None else picture_path(path)

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    heights = [max(panel.height for panel in pair if panel) for pair in rows]
    size = WIDTH, sum(heights) + HEADING * len(rows) + MARGIN
    figure = Figure(dpi=150, layout="constrained", figsize=size)
    FigureCanvasAgg(figure)
    if title:
        figure.suptitle(title, fontsize=SIZE + 3, parse_math=False)
    places = figure.subplots(len(rows), 2, squeeze=False, height_ratios=heights)
    for axes, panel in zip(places.flat, itertools.chain(*rows), strict=True):
        if panel is None:
            axes.set_axis_off()
        else:
            draw_panel(figure, axes, panel)
    for axes in places[-1]:
        axes.set_xlabel("time", fontsize=SIZE)
    if path is not None:
        save(figure, path)
    return figure


def check_sizes(panels):
    """Refuses different numbers of steps or of slots: one film has one time and one memory."""
    steps = {panel.name: panel.matrix.shape[1] for panel in panels}
    if len(set(steps.values())) > 1:
        raise ValueError(f"Expected all arrays to have as many steps. Received: steps={steps}")
    slots = {panel.name: len(panel.matrix) for panel in panels if panel.is_address}
    if len(set(slots.values())) > 1:
        raise ValueError(f"Expected addresses of as many slots. Received: slots={slots}")
