import mmap
import os

import keras
import pytest

from tests.memory_maps import clear_jax_caches_above, count_memory_maps


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="needs /proc/self/maps")
def test_memory_maps_are_counted():
    before = count_memory_maps()
    # Linux merges neighboring maps of equal protection, so the protections alternate.
    protections = [mmap.PROT_READ, mmap.PROT_READ | mmap.PROT_WRITE] * 50
    maps = [mmap.mmap(-1, mmap.PAGESIZE, prot=protection) for protection in protections]
    assert count_memory_maps() >= before + len(maps) / 2
    for x in maps:
        x.close()


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="only JAX can drop compiled functions")
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


def test_every_test_uses_the_fixture_that_clears_jax_caches(request):
    assert "clear_jax_caches_before_maps_run_out" in request.fixturenames
