"""Speech recognition: its quick run, export, batches and network."""

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("the examples run on TensorFlow", allow_module_level=True)

from examples import speech
from examples.datasets import spoken_digits
from examples.datasets.spoken_digits import SPEAKERS, Recording, Utterance, group_by_speaker
from examples.speech_batches import SHAPES, make_batches
from examples.speech_decoding import END, START, VOCABULARY, count_letters, evaluate, transcribe
from examples.speech_export import ALIGNED_KEYS, ALIGNED_LETTERS
from examples.speech_network import ATTENTIONS, KEY_SAMPLES, SpeechNetwork
from examples.speech_stream import KEYS, SpeechStream
from keras_attention.decoding import Decoded
from keras_attention.export.checks.fresh_process import run_calls


def make_recordings():
    """Return recordings in which each digit is a tone of its own."""
    times = np.arange(1200)
    return [
        Recording(np.sin(0.1 * (digit + 1) * times).astype("float32"), digit, speaker, index)
        for speaker in SPEAKERS
        for digit in range(10)
        for index in (0, 5, 10)
    ]


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    directory = tmp_path_factory.mktemp("speech")
    folders = {name: str(directory / name) for name in ("runs", "pictures", "saved_models")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spoken_digits, "load_recordings", make_recordings)
        figures = speech.main(attention="monotonic", streaming=True, quick=True, **folders)
    return directory, figures


def make_network(attention, seed=0, scale=0.5, **options):
    """Return a small network with random weights."""
    network = SpeechNetwork(len(VOCABULARY), START, END, 8, attention, seed=0, **options)
    rng = np.random.default_rng(seed)
    for weight in network.model.weights:
        weight.assign(rng.normal(scale=scale, size=weight.shape))
    return network


def make_audio(seed=0):
    """Return audio (3, samples) with large numbers as padding, and lengths, one of them 0."""
    lengths = np.array([2600, 1281, 0], "int32")
    audio = np.random.default_rng(seed).normal(size=(3, 2600)).astype("float32")
    audio[np.arange(2600) >= lengths[:, None]] = 1e30
    return audio, lengths


@pytest.mark.ci
def test_the_quick_run_writes_a_picture_a_model_and_both_inferences(quick):
    directory, figures = quick
    for name in ("test, 1x", "test, 1x, soft inference", "validation, 1x"):
        assert 0 <= figures[name]["sequences right"] <= 1
        assert figures[name]["digit error"] >= 0
    picture = directory / "pictures/speech_monotonic_streaming_quick.png"
    assert picture.read_bytes()[:4] == b"\x89PNG"


@pytest.mark.ci
def test_the_export_transcribes_a_row_alone_as_in_a_padded_batch(quick):
    directory, _ = quick
    path = directory / "saved_models/speech_monotonic_streaming_quick/1"
    audio, lengths = make_audio()
    batches = [(audio, lengths)] + [
        (audio[row : row + 1, :length], lengths[row : row + 1])
        for row, length in enumerate(lengths)
    ]
    calls = [("transcribe", {"audio": x, "lengths": n}) for x, n in batches]
    batched, *singles = run_calls(path, calls)
    assert batched["text"].shape == (3,)
    assert batched["alignments"].shape == (
        3,
        ALIGNED_LETTERS,
        ALIGNED_KEYS,
    )
    assert np.isfinite(batched["alignments"]).all()
    for row, single in enumerate(singles):
        letters = count_letters(lengths[row])  # a longer batch allows longer texts
        assert batched["text"][row][:letters] == single["text"][0]
        np.testing.assert_allclose(
            batched["alignments"][row, :letters], single["alignments"][0, :letters], atol=1e-5
        )


@pytest.mark.ci
def test_the_export_transcribes_streams_however_they_are_divided(quick):
    directory, _ = quick
    path = directory / "saved_models/speech_monotonic_streaming_quick/1"
    audio = np.random.default_rng(0).normal(size=(2, 4 * KEY_SAMPLES)).astype("float32")
    [state] = run_calls(path, [("begin", {"sessions": np.arange(2, dtype="int32")})])
    first, whole, single = run_calls(
        path,
        [
            ("feed", {"audio": audio[:, :KEY_SAMPLES], **state}),
            ("feed", {"audio": audio, **state}),
            ("feed", {"audio": audio[1:], **{name: x[1:] for name, x in state.items()}}),
        ],
    )
    state = {name: first[f"next_{name}"] for name in state}
    [second] = run_calls(path, [("feed", {"audio": audio[:, KEY_SAMPLES:], **state})])
    assert whole["text"].tolist() == (first["text"] + second["text"]).tolist()
    for name in whole:
        if name != "text":
            np.testing.assert_allclose(second[name], whole[name], atol=1e-5)
            np.testing.assert_allclose(single[name][0], whole[name][1], atol=1e-5)
    assert single["text"][0] == whole["text"][1]


def test_a_stream_needs_an_attention_that_needs_no_later_keys():
    with pytest.raises(ValueError, match="attention='chunkwise'"):
        speech.main(attention="chunkwise", streaming=True)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_decoding_steps_give_the_logits_of_the_model(attention):
    network = make_network(attention)
    audio, lengths = make_audio()
    text = VOCABULARY.encode(["^one", "^six", "^"])
    expected = network.model([audio, lengths, text], training=False)
    arguments = network.begin((audio, lengths), 4)
    memory, state = arguments["memory"], arguments["state"]
    assert np.asarray(arguments["memory_mask"]).sum(axis=1).tolist() == [5, 3, 0]
    for position in range(text.shape[1]):
        logits, state, _ = network.step(text[:, position], state, memory)
        np.testing.assert_allclose(logits, expected[:, position], atol=1e-5)


def test_padding_of_the_batch_does_not_change_the_logits():
    network = make_network("location")
    audio, lengths = make_audio()
    text = VOCABULARY.encode(["^one", "^six", "^"])
    expected = network.model([audio, lengths, text], training=False)
    padded = np.pad(audio, [(0, 0), (0, 3 * KEY_SAMPLES + 7)], constant_values=np.inf)
    actual = network.model([padded, lengths, text], training=False)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_batches_are_reproducible_and_hold_the_texts_of_their_audio():
    speakers = group_by_speaker(make_recordings())
    first, second = (list(make_batches(speakers, (1, 5), SHAPES, 4, [0, 1])) for _ in range(2))
    assert len(first) == 4
    keras.tree.map_structure(np.testing.assert_array_equal, first, second)
    for (audio, lengths, shifted), target in first:
        assert (audio.shape[1], target.shape[1]) in SHAPES
        assert (lengths.numpy() <= audio.shape[1]).all()
        for before, after in zip(shifted.numpy(), target.numpy(), strict=True):
            count = np.count_nonzero(after)
            assert (before[0], after[count - 1]) == (START, END)
            np.testing.assert_array_equal(before[1:count], after[: count - 1])


def test_errors_are_counted_in_words_and_texts_end_at_the_end_mark():
    texts = ["six two", "one", "one"]
    answers = ["six two$", "six one", "one$o"]
    tokens = VOCABULARY.encode(answers, 12)
    weights = np.zeros((3, 12, 4), "float32")
    decoded = Decoded(
        *map(keras.ops.convert_to_tensor, (tokens, tokens[:, 0], tokens[:, 0], weights))
    )

    def search(audio, lengths):
        return decoded

    utterances = [
        Utterance(
            np.zeros(n * KEY_SAMPLES - 1, "float32"),
            tuple(spoken_digits.WORDS.index(word) for word in text.split()),
            np.zeros((0, 2), int),
        )
        for n, text in enumerate(texts, start=1)
    ]
    outputs = transcribe(search, utterances)
    assert [text for text, _ in outputs] == ["six two", "six one", "one"]
    assert [weights.shape for _, weights in outputs] == [(8, 1), (8, 2), (4, 3)]
    assert evaluate(search, utterances) == {"sequences right": 2 / 3, "digit error": 1 / 4}


def test_a_stream_gives_the_letters_of_the_whole_audio_however_it_is_divided():
    network = make_network("monotonic", seed=4, scale=4.0, streaming=True)
    network.decoder.attention.energy_bias.assign(0.0)
    stream = SpeechStream(network)
    audio = np.random.default_rng(1).normal(size=(2, 12 * KEY_SAMPLES)).astype("float32")
    # A stream begins with the samples of its state, which are zero.
    whole = np.pad(audio, [(0, 0), (stream.history, 0)])
    decoded = network.greedy((whole, np.full(2, whole.shape[1], "int32")), 30)
    answers = []
    for count in (1, 2, 12):
        state, texts = stream.begin(np.arange(2)), []
        for part in np.split(audio, count, axis=1):
            state, letters = stream.feed(state, part)
            texts.append(VOCABULARY.decode(letters))
        answers.append(["".join(row) for row in zip(*texts, strict=True)])
    for row, texts in enumerate(zip(*answers, strict=True)):
        has_key = np.asarray(decoded.alignments)[row, :, :12].any(axis=1)  # which was heard
        count = np.cumprod(has_key).sum()  # of letters before the first without a key
        letters = VOCABULARY.decode(np.asarray(decoded.tokens)[row : row + 1, :count])[0]
        # A part is answered with a limited number of letters, so that lengths may differ.
        for text in texts:
            length = min(len(text), len(letters))
            assert len(set(text[:length])) > 2
            assert text[:length] == letters[:length]


def test_a_stream_that_is_longer_than_its_state_forgets_the_first_keys():
    network = make_network("monotonic", streaming=True)
    stream = SpeechStream(network)
    audio = np.random.default_rng(1).normal(size=(1, 80 * KEY_SAMPLES)).astype("float32")
    state = stream.begin(np.arange(1))
    for part in np.split(audio, 4, axis=1):
        state, _ = stream.feed(state, part)
    _, _, keys, is_real, speller, _ = state
    whole = np.pad(audio, [(0, 0), (stream.history, 0)])
    memory, _ = network.listener(whole, np.full(1, whole.shape[1], "int32"))
    np.testing.assert_allclose(keys, memory[:, 80 - KEYS : 80], atol=1e-5)
    assert np.asarray(is_real).all()
    assert np.asarray(speller.carry).sum() == 1
