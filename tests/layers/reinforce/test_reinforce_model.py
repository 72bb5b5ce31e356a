import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import AttentionDecoder, HardAttention, ReinforceModel
from keras_attention.layers.reinforce.reinforce import credit
from keras_attention.layers.reinforce.reward import compute_cost
from tests.compile_model import compile_model

BATCH, QUERIES, KEYS, WIDTH = 6, 3, 5, 2
JIT = keras.backend.backend() != "torch"
RNG = np.random.default_rng(0)
QUERY = RNG.normal(size=(BATCH, QUERIES, WIDTH)).astype("float32")
VALUE = RNG.normal(size=(BATCH, KEYS, WIDTH)).astype("float32")
TARGET = RNG.normal(size=(BATCH, QUERIES, 1)).astype("float32")


def build_model(model=ReinforceModel, seed=3, rate=0.0, **options):
    """Build a model of a sampling attention and a dense readout, with seeded weights."""
    inputs = [keras.Input((None, WIDTH)), keras.Input((None, WIDTH))]
    context = HardAttention("general", expectation_rate=rate, seed=seed)(inputs)
    instance = model(inputs, keras.layers.Dense(1, name="readout")(context), **options)
    rng = np.random.default_rng(1)
    for weight in instance.trainable_weights:
        weight.assign(rng.normal(size=weight.shape))
    return instance


def fit_model(model, batches=1, sample_weight=None, **options):
    if not model.compiled:
        compile_model(model, keras.optimizers.SGD(0.1), "mse", jit_compile=JIT, **options)
    return model.fit(
        [QUERY, VALUE],
        TARGET,
        batch_size=BATCH // batches,
        shuffle=False,
        sample_weight=sample_weight,
        verbose=0,
    ).history["loss"]


def kernels(model):
    return [ops.convert_to_numpy(w) for w in model.trainable_weights]


def test_reported_loss_is_the_compiled_loss():
    plain, ours = build_model(keras.Model), build_model(reward_weight=5.0, entropy_weight=5.0)
    np.testing.assert_allclose(fit_model(ours), fit_model(plain), rtol=1e-6)
    (score, *readout), (plain_score, *plain_readout) = kernels(ours), kernels(plain)
    for result, correct in zip(readout, plain_readout, strict=True):
        np.testing.assert_allclose(result, correct, rtol=1e-5)
    assert np.abs(score - plain_score).max() > 0.01


def test_baseline_is_a_bias_corrected_moving_average_of_rewards():
    model = build_model(baseline_decay=0.6)
    assert float(model.baseline) == 0
    rewards = [-fit_model(model)[0] for _ in range(3)]
    decays = np.array([0.36, 0.6, 1.0])
    np.testing.assert_allclose(float(model.baseline), (decays * rewards).sum() / decays.sum(), 1e-5)
    before = float(model.baseline)
    model.evaluate([QUERY, VALUE], TARGET, verbose=0)
    assert float(model.baseline) == before


def test_example_of_weight_zero_changes_neither_gradients_nor_the_baseline():
    weight = np.zeros((BATCH, QUERIES))
    weight[0] = 1
    copies = np.repeat(QUERY[:1], BATCH, 0), np.repeat(VALUE[:1], BATCH, 0)
    actual = []
    for queries, values in [(QUERY, VALUE), copies]:
        model = build_model(reward_weight=1.0, entropy_weight=0.0)
        model.rewards.assign([-7.0, 1.0])
        compile_model(model, keras.optimizers.SGD(1.0), "mse", jit_compile=JIT)
        model.train_on_batch([queries, values], TARGET, sample_weight=weight)
        actual.append([*kernels(model), float(model.baseline)])
    for result, correct in zip(*actual, strict=True):
        np.testing.assert_allclose(result, correct, rtol=1e-5)
    model = build_model()
    model.rewards.assign([-7.0, 1.0])
    fit_model(model, sample_weight=np.zeros((BATCH, QUERIES)))
    assert float(model.baseline) == pytest.approx(-7)


def test_model_without_sampling_layers_trains_as_usual():
    inputs = keras.Input((WIDTH,))
    model = ReinforceModel(inputs, keras.layers.Dense(1)(inputs))
    compile_model(model, "sgd", "mse", jit_compile=JIT)
    model.fit(QUERY[:, 0], TARGET[:, 0], verbose=0)
    assert float(model.baseline) == 0


@pytest.mark.skipif(not JIT, reason="Keras on torch has no steps_per_execution")
def test_several_steps_per_execution_equal_single_steps():
    single, several = build_model(), build_model()
    fit_model(single, batches=3)
    fit_model(several, batches=3, steps_per_execution=3)
    for result, correct in zip(several.get_weights(), single.get_weights(), strict=True):
        np.testing.assert_allclose(result, correct, rtol=1e-5)


def test_decoder_trains_in_half_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        inputs = [keras.Input((None, WIDTH)), keras.Input((None, WIDTH))]
        decoder = AttentionDecoder(keras.layers.GRUCell(3), HardAttention())
        outputs = keras.layers.Dense(1, dtype="float32")(decoder(*inputs))
        model = ReinforceModel(inputs, outputs, reward_weight=1.0)
    finally:
        keras.config.set_dtype_policy(before)
    compile_model(model, "adam", "mse", jit_compile=JIT)
    losses = model.fit([QUERY, VALUE], TARGET, epochs=3, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    assert float(model.baseline) < 0


def test_loaded_model_continues_training(tmp_path):
    options = {"reward_weight": 0.3, "entropy_weight": 0.01, "baseline_decay": 0.5}
    model = build_model(**options)
    fit_model(model, loss_weights=2.0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is ReinforceModel
    assert loaded.get_config().items() >= options.items()
    assert float(loaded.baseline) == float(model.baseline)
    seed, loaded_seed = (m.layers[2].seed_generator.state for m in (model, loaded))
    loaded_seed.assign(ops.convert_to_numpy(seed))  # Keras does not save the seed's state
    for trained in (model, loaded):
        trained.train_on_batch([QUERY, VALUE], TARGET)
    for result, correct in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(result, correct, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reward_weight": -1}, "reward_weight=-1"),
        ({"entropy_weight": "much"}, "entropy_weight='much'"),
        ({"baseline_decay": 1.0}, "baseline_decay=1.0"),
    ],
)
def test_error_names_the_invalid_argument(options, message):
    with pytest.raises(ValueError, match=f"Expected .* Received: {message}"):
        build_model(**options)


def test_missing_inputs_or_loss_are_refused():
    with pytest.raises(ValueError, match="Expected `inputs` and `outputs`"):
        ReinforceModel(reward_weight=1.0)
    with pytest.raises(ValueError, match="Expected `loss` in compile"):
        build_model().compile("adam")


class Arm(keras.layers.Layer):
    """Draws one of two arms for each example, and predicts the reward as its own baseline."""

    def build(self, input_shape):
        self.logit = self.add_weight(shape=(), initializer="zeros", name="logit")
        self.baseline = self.add_weight(shape=(), initializer="zeros", name="baseline")
        self.seed = keras.random.SeedGenerator(0)

    def call(self, x, training=None):
        second = ops.sigmoid(self.logit)
        if not training:
            return ops.ones_like(x) * second
        is_second = keras.random.uniform(ops.shape(x), seed=self.seed) < second
        log_probability = ops.log(ops.where(is_second, second, 1 - second))[:, 0]
        baseline = self.baseline * ops.ones_like(log_probability)
        fixed = ops.stop_gradient(baseline) * log_probability
        self.add_loss(
            credit(with_cost=log_probability + baseline, without_cost=fixed + baseline**2 / 2)
        )
        return ops.stop_gradient(ops.cast(is_second, x.dtype))


@keras.saving.register_keras_serializable("tests")
def pay_second_arm(y, y_pred):
    return y[:, 0] * y_pred[:, 0]


def test_a_two_armed_bandit_learns_with_its_own_baseline_and_reward():
    inputs = keras.Input((1,))
    arm = Arm()
    model = ReinforceModel(inputs, arm(inputs), reward=pay_second_arm)
    compile_model(model, keras.optimizers.SGD(0.5), lambda y, y_pred: 0 * y_pred, jit_compile=JIT)
    ones = np.ones((64, 1), "float32")
    model.fit(ones, ones, batch_size=64, epochs=60, verbose=0)
    probability = float(model.predict(ones[:1], verbose=0)[0, 0])
    assert probability > 0.9
    assert abs(ops.convert_to_numpy(arm.baseline) - probability) < 0.15


@pytest.mark.parametrize("one_hot", [False, True])
def test_accuracy_as_a_reward(one_hot):
    y = np.array([[0], [2], [1], [1]])
    y_pred = np.eye(3)[[0, 2, 2, 1]]
    targets = np.eye(3)[y[:, 0]] if one_hot else y
    cost = compute_cost("accuracy", targets, ops.convert_to_tensor(y_pred))
    np.testing.assert_array_equal(ops.convert_to_numpy(cost), [-1, -1, 0, -1])


def test_rewards_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="Expected `reward` to be None, 'accuracy'"):
        build_model(reward="loss")
    with pytest.raises(ValueError, match=r"single output \(batch, classes\)"):
        compute_cost("accuracy", TARGET, ops.convert_to_tensor(TARGET))
    with pytest.raises(ValueError, match=r"rewards of shape \(batch,\)"):
        compute_cost(lambda y, y_pred: ops.mean(y), TARGET, TARGET)


def test_shapes_for_which_accuracy_is_undefined_are_refused():
    binary = ops.zeros((4, 1))
    with pytest.raises(ValueError, match=r"output for each class.*Received: outputs \(4, 1\)"):
        compute_cost("accuracy", np.array([[0.0], [1.0], [1.0], [0.0]]), binary)
    outputs = ops.zeros((4, 3))
    for shape in [(), (4, 2), (2, 2), (4, 3, 1), (4, 1, 1)]:
        with pytest.raises(ValueError, match=r"classes \(batch,\) or \(batch, 1\), or one-hot"):
            compute_cost("accuracy", np.zeros(shape), outputs)


@pytest.mark.parametrize("reward", ["accuracy", pay_second_arm])
def test_the_reward_is_saved(reward, tmp_path):
    build_model(reward=reward).save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras")
    assert copy.reward is reward or copy.reward == reward
