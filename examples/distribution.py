"""Data-parallel training on several devices or machines.

Every replica has a copy of the whole model and trains on a share of every batch.

This module has its own training loop, for two reasons. Keras 3.15's `fit` does not run under
MultiWorkerMirroredStrategy (its training step inspects batches that are `PerReplica` values, and
reduces scalars along an axis). Under MirroredStrategy, `fit` compiles one XLA program for all
devices, which the logical devices of a CPU do not support. Here XLA compiles the loss and the
gradient of each replica; a model that defines its own `train_step` is not compiled.
docs/training.md has the commands.
"""

import re

import keras
import tensorflow as tf

STRATEGIES = ("none", "mirrored", "multi_worker_mirrored")
clusters = []  # this process's cluster resolver if it is one of several workers, else empty


def strategy(name):
    """Return the `tf.distribute.Strategy` in whose `scope()` a model is built and compiled.

    Call this before TensorFlow computes anything, because it configures devices and workers.

    Args:
        name: "none" for one device; "mirrored" for all GPUs of this machine (if it has none, the
            CPU is divided into two logical devices, which is meant for tests and is not faster);
            "multi_worker_mirrored" for the processes in the environment variable TF_CONFIG.
    """
    if name == "none":
        return tf.distribute.get_strategy()  # TensorFlow's default: one device
    if name == "multi_worker_mirrored":
        cluster = tf.distribute.cluster_resolver.TFConfigClusterResolver()
        if not cluster.cluster_spec().as_dict():
            raise ValueError(
                "Expected the environment variable TF_CONFIG to list the workers of "
                f"strategy={name!r}. Received: none"
            )
        clusters[:] = [cluster]
        return tf.distribute.MultiWorkerMirroredStrategy()
    if not tf.config.list_physical_devices("GPU"):
        [cpu] = tf.config.list_physical_devices("CPU")
        halves = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, halves)
        return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    return tf.distribute.MirroredStrategy()


def is_chief():
    """Return True if this process writes the files: if it is the chief, or trains alone.

    A process that has not called `strategy("multi_worker_mirrored")` trains alone, even if
    TF_CONFIG is set.
    """
    for cluster in clusters:
        if "chief" in cluster.cluster_spec().as_dict():  # then worker 0 is not the chief
            return cluster.task_type == "chief"
        return cluster.task_id == 0
    return True


def make_replicas(model, count_targets=None):
    """Return the object that trains a model on several replicas: `OwnSteps` or `Replicas`."""
    has_own_step = type(model).train_step is not keras.Model.train_step
    return OwnSteps(model) if has_own_step else Replicas(model, count_targets)


class Replicas:
    """Training loop of a compiled model on several replicas, with the result of one device.

    The loss of each replica is the mean over its share of the batch, weighted by the number of
    targets in that mean. The optimizer applies the mean of the replicas' gradients. Each replica
    has its own random numbers, such as dropout masks. Moving averages, such as a baseline, are
    updated by the mean over the replicas. Batch normalization uses only the replica's own share
    unless it is `synchronized`. The loss function must return one number per example, because Keras
    does not divide a scalar by the number of replicas.

    Args:
        model: A `keras.Model` built and compiled in the scope of its strategy. All its batches must
            have the same size: if a smaller last batch were divided into shares of different sizes,
            the shares would have equal weights nevertheless.
        count_targets: Function that returns, for the targets of a share, the number of targets in
            the loss's mean. Needed if the loss leaves out some targets, such as padding; None if
            the loss is a mean over examples.
    """

    def __init__(self, model, count_targets=None):
        self.model, self.strategy = model, model.distribute_strategy
        self.count_targets = count_targets
        with self.strategy.scope():
            self.loss = keras.metrics.Mean(name="loss")
        self.gradients = tf.function(self.gradients, jit_compile=model.jit_compile)

    def fit(self, data, bar):
        """Train one epoch; return its metrics by name. All workers must call it."""
        data = data.map(self._check_size)
        self._begin(next(_with_value_errors(data)))
        options = tf.data.Options()
        # Every worker generates the same batches in Python, and uses its share of each.
        options.experimental_distribute.auto_shard_policy = (
            tf.data.experimental.AutoShardPolicy.DATA
        )
        self.model.reset_metrics()
        self.loss.reset_state()
        data = data.with_options(options)
        for batch in _with_value_errors(self.strategy.experimental_distribute_dataset(data)):
            self.step(batch)
            bar.update()
        return {name: float(value) for name, value in self._figures().items()}

    def _check_size(self, *batch):
        """Return the batch, or raise an error if the replicas cannot share it evenly."""
        count = self.strategy.num_replicas_in_sync
        size = tf.shape(tf.nest.flatten(batch)[0])[0]
        message = f"Expected batches that {count} replicas can share evenly. Received: a batch of "
        with tf.control_dependencies(
            [tf.debugging.Assert(size % count == 0, [tf.strings.format(message + "{}", size)])]
        ):
            batch = tf.nest.map_structure(tf.identity, batch)
        return batch if len(batch) > 1 else batch[0]

    def _begin(self, batch):
        with self.strategy.scope():
            # Create the variables of the compiled metrics here, because a replica cannot create
            # variables. `fit` calls this private method of Keras for the same purpose.
            self.model._symbolic_build(data_batch=batch)
        self._separate_seeds()

    def _figures(self):
        return {**self.model.get_metrics_result(), "loss": self.loss.result()}

    @tf.function
    def _separate_seeds(self):
        """Add n to the seeds of replica n; replica 0 keeps its seeds."""
        self.strategy.run(self._separate_seeds_of_replica)

    def _separate_seeds_of_replica(self):
        replica = tf.distribute.get_replica_context()
        number = tf.cast(replica.replica_id_in_sync_group, "int64")
        weights = set(map(id, self.model.non_trainable_weights))
        for state in self.model.non_trainable_variables:
            if id(state) not in weights:  # a random state: a seed and a counter
                value = tf.cast(state.value, "int64")
                first = replica.all_reduce("SUM", tf.where(number == 0, value, 0))
                state.assign(tf.cast(first + [number, 0], state.dtype))

    @tf.function(reduce_retracing=True)
    def step(self, batch):
        """Train all replicas on one batch."""
        self.strategy.run(self._train_replica, [batch])

    def _train_replica(self, batch):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
        outputs, loss, gradients = self.gradients(x, y, sample_weight, self._share_weight(y))
        self.model.optimizer.apply(self._clip(gradients), self.model.trainable_variables)
        self.loss.update_state(loss * self.strategy.num_replicas_in_sync)
        self.model.compute_metrics(x, y, outputs, sample_weight)
        replica = tf.distribute.get_replica_context()
        for average in self.model.non_trainable_weights:
            average.assign(replica.all_reduce("MEAN", tf.identity(average.value)))

    def _share_weight(self, y):
        """Return the weight of this replica's share: its number of targets / the mean number."""
        if self.count_targets is None:
            return 1.0
        count = tf.cast(self.count_targets(y), "float32")
        replica = tf.distribute.get_replica_context()
        return tf.math.divide_no_nan(count, replica.all_reduce("MEAN", count))

    def _clip(self, gradients):
        """Clip the sum over the replicas; return this replica's part of the clipped sum.

        Keras's optimizer would clip the gradient of each replica before the sum.
        """
        replica, optimizer = tf.distribute.get_replica_context(), self.model.optimizer
        if optimizer.clipnorm or optimizer.global_clipnorm or optimizer.clipvalue:
            total = replica.all_reduce("SUM", gradients)
            # Keras has no public method for clipping. The optimizer will not clip this replica's
            # part once more, because the part is smaller than the clipped sum.
            clipped = optimizer._clip_gradients(total)
            gradients = [_replica_part(gradient, replica) for gradient in clipped]
        return gradients

    def gradients(self, x, y, sample_weight, share_weight):
        """Return outputs, loss and gradients of one share. XLA compiles this function."""
        with tf.GradientTape() as tape:
            outputs = self.model(x, training=True)
            # Keras divides the loss by the number of replicas.
            loss = self.model.compute_loss(x, y, outputs, sample_weight, training=True)
            loss *= share_weight
        return outputs, loss, tape.gradient(loss, self.model.trainable_variables)


class OwnSteps(Replicas):
    """Training loop of a model that defines its own `train_step`.

    Each replica runs the step without XLA. The step itself must weight the shares, and handle
    random numbers and moving averages.
    """

    def _begin(self, batch):
        pass

    def _figures(self):
        losses = self.model.get_metrics_result()
        losses.pop("loss", None)  # Keras's own metric, which a custom step does not update
        return losses

    def _train_replica(self, batch):
        self.model.train_step(batch)


def _with_value_errors(batches):
    """Yield the batches, and convert the error of `Replicas._check_size` to a ValueError."""
    try:
        yield from batches
    except tf.errors.InvalidArgumentError as error:
        message = re.search(r"Expected batches that .* a batch of \d+", error.message)
        if message is None:
            raise
        raise ValueError(message[0]) from error


def _replica_part(gradient, replica):
    """Return this replica's part of a gradient. The sum of all parts is the gradient."""
    count, number = replica.num_replicas_in_sync, replica.replica_id_in_sync_group
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient / count
    # The sum of an embedding's gradients is a concatenation of slices. Divide the slices among the
    # replicas instead of scaling all of them, because Adam squares each slice separately.
    size = tf.shape(gradient.indices)[0] // count
    rows = tf.range(size) + number * size
    values, indices = (tf.gather(part, rows) for part in (gradient.values, gradient.indices))
    return tf.IndexedSlices(values, indices, gradient.dense_shape)
