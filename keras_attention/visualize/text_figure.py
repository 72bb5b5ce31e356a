"""A colored text as a figure, with line breaks at the edge of the page."""

from keras_attention.visualize.characters import make_visible
from keras_attention.visualize.figures import make_figure, measure_width
from keras_attention.visualize.fonts import choose_fonts
from keras_attention.visualize.text_colors import MAX_OPACITY, SENTENCE_RGB

PAGE_WIDTH, MARGIN, LINE_HEIGHT, WORD_SPACE, BAR_WIDTH = 7.5, 0.12, 0.24, 0.06, 0.14  # inches
FONT_SIZE = 10  # points


def draw_text(sentences):
    """Return a figure of the `Sentence`s that is as high as their lines."""
    from matplotlib.patches import Rectangle

    figure = make_figure()
    axes = figure.add_axes((0, 0, 1, 1))
    left = MARGIN if sentences[0].bar is None else MARGIN + BAR_WIDTH + 2 * WORD_SPACE
    y, right = MARGIN, PAGE_WIDTH - MARGIN

    def add_box(x, y, width, height, rgb, strength):
        color = [channel / 255 for channel in rgb]
        opacity = MAX_OPACITY * strength
        axes.add_patch(Rectangle((x, y), width, height, color=color, alpha=opacity, lw=0))

    for sentence in sentences:
        top, x = y, left
        for word, strength, rgb in zip(sentence.words, sentence.colors, sentence.rgbs, strict=True):
            text, families = choose_fonts(make_visible(word))
            label = axes.text(
                0, 0, text, fontsize=FONT_SIZE, fontfamily=families, parse_math=False, va="center"
            )
            width = measure_width(figure, label)
            if x > left and x + width > PAGE_WIDTH - MARGIN:
                x, y = left, y + LINE_HEIGHT
            label.set_position((x, y + LINE_HEIGHT / 2))
            add_box(x - WORD_SPACE / 2, y, width + WORD_SPACE, LINE_HEIGHT, rgb, strength)
            x += width + WORD_SPACE
            right = max(right, x)
        bottom = y + LINE_HEIGHT
        if sentence.bar is not None:
            add_box(MARGIN, top, BAR_WIDTH, bottom - top, SENTENCE_RGB, sentence.bar)
        y = bottom + WORD_SPACE
    figure.set_size_inches(right + MARGIN, y + MARGIN)
    axes.set(xlim=(0, right + MARGIN), ylim=(y + MARGIN, 0))
    axes.set_axis_off()
    return figure
