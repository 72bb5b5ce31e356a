"""The families of layers, by name: each module has `cases(compiled)` and `build(case)`."""

from tests.fuzz.families import (
    decoder,
    decoding,
    image,
    local,
    memory,
    multi_head,
    normalize,
    pointer,
    pointer_decode,
    pooling,
    query_value,
    transformer,
)

FAMILIES = {
    "normalize": (normalize.cases, normalize.build),
    "additive": (query_value.additive_cases, query_value.build),
    "dot": (query_value.dot_cases, query_value.build),
    "local": (local.cases, local.build),
    "multi_head": (multi_head.cases, multi_head.build),
    "pooling": (pooling.cases, pooling.build),
    "image": (image.cases, image.build),
    "decoder": (decoder.cases, decoder.build),
    "pointer": (pointer.cases, pointer.build),
    "pointer_decode": (pointer_decode.cases, pointer_decode.build),
    "memory": (memory.cases, memory.build),
    "transformer": (transformer.cases, transformer.build),
    "decoding": (decoding.cases, decoding.build),
}
