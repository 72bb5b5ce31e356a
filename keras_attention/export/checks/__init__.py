"""Checks of an export: its graph, outputs and files, and the effect of a server's padding."""
