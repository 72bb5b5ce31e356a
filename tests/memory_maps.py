"""The memory maps of this process, in which XLA keeps what it has compiled."""

import os

TESTS_PER_COUNT = 20  # counting 45,000 maps takes about 30 ms


def count_memory_maps():
    """Return the number of memory maps, or 0 on a system that does not list them."""
    if not os.path.exists("/proc/self/maps"):
        return 0
    with open("/proc/self/maps", "rb") as maps:
        return sum(1 for _ in maps)


def clear_jax_caches_above(count):
    """Drop all functions that JAX has compiled if there are more memory maps than `count`."""
    if count_memory_maps() > count:
        import jax

        jax.clear_caches()
