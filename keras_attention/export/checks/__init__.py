"""Checks of an export: its graph, outputs, files, and behaviour under a server's padding."""
