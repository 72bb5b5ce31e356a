"""Colors and dashes that tell heads apart, also for readers with color blindness.

The colors are those of Okabe and Ito (2008) without yellow, which is hard to see on white. The
script `lines.js` has the same ones.
"""

HEAD_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# Heads 7 to 13 have the same colors dashed, and heads 14 to 20 have them dotted.
HEAD_DASHES = ("solid", "dashed", "dotted")


def get_head_style(head: int) -> tuple[str, str]:
    """Return the color and the dashes of the lines of a head."""
    count = len(HEAD_COLORS)
    return HEAD_COLORS[head % count], HEAD_DASHES[head // count % len(HEAD_DASHES)]
