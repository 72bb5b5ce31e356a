"""Random configurations of every layer, compared with the papers' equations in plain loops.

A family (`families/`) draws a `Case` of plain numbers and words, which can be printed and pasted,
builds its layer and calls `checking.check`. `references/` holds the equations; nothing there
imports the package. `python -m tests.fuzz` runs for minutes, `test_fuzz.py` for seconds.
"""
