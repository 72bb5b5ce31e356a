import mmap
import os

import keras
import pytest

from tests.memory_maps import clear_jax_caches_above, count_memory_maps


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="Linux lists the maps")
def test_memory_maps_are_counted():
    before = count_memory_maps()
    # Linux merges neighbors of the same kind, so every other one is of another kind.
    kinds = [mmap.PROT_READ, mmap.PROT_READ | mmap.PROT_WRITE] * 50
    maps = [mmap.mmap(-1, mmap.PAGESIZE, prot=kind) for kind in kinds]
    assert count_memory_maps() >= before + len(maps) / 2
    for x in maps:
        x.close()


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="JAX alone can drop what it compiled")
def test_compiled_functions_are_dropped_before_the_maps_run_out():
    import jax

    @jax.jit
    def double(x):
        return 2 * x

    double(1.0)
    clear_jax_caches_above(10**6)
    assert double._cache_size() == 1
    clear_jax_caches_above(1)
    assert double._cache_size() == 0


def test_every_test_guards_the_memory_maps(request):
    assert "clear_jax_caches_before_maps_run_out" in request.fixturenames
