"""Strategies of hypothesis: settings that all families draw, sizes, masks, values."""
