"""Views of attention heads: a self-contained HTML page, or a static picture of the same."""
