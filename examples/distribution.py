"""Data-parallel training on several devices or machines.

Every replica has the whole model and trains on a share of every batch.

This module has its own training loop, because Keras 3.15's `fit` does not run under
MultiWorkerMirroredStrategy (its step inspects batches that are `PerReplica` values and reduces
scalars along an axis), and under MirroredStrategy compiles with XLA across devices, which the
logical devices of a CPU refuse. Here XLA compiles the loss and the gradient of each replica, and
nothing of a model that defines its own `train_step`. docs/training.md has the commands.
"""

import re

import keras
import tensorflow as tf

STRATEGIES = ("none", "mirrored", "multi_worker_mirrored")
clusters = []  # the cluster resolver of this process, if it is one of several workers


def strategy(name):
    """Return the `tf.distribute.Strategy` in whose `scope()` a model is made and compiled.

    Call this before TensorFlow computes anything, because it configures devices and workers.

    Args:
        name: "none"; "mirrored" for all GPUs of this machine, or, if it has none, for its CPU as
            two logical devices, which is for tests and not faster; "multi_worker_mirrored" for the
            processes that the environment variable TF_CONFIG lists.
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
    """Return whether this process writes the files: it is the chief, or trains alone.

    A process that has not called `strategy("multi_worker_mirrored")` trains alone, also if
    TF_CONFIG is set.
    """
    for cluster in clusters:
        if "chief" in cluster.cluster_spec().as_dict():  # then worker 0 is not the chief
            return cluster.task_type == "chief"
        return cluster.task_id == 0
    return True


def replicas_of(model, count_targets=None):
    """Return the object that trains a model on several replicas: `OwnSteps` or `Replicas`."""
    has_own_step = type(model).train_step is not keras.Model.train_step
    return OwnSteps(model) if has_own_step else Replicas(model, count_targets)


class Replicas:
    """Trains a compiled model on several replicas, with the result of training it on one device.

    The loss of each replica is the mean over its share of the batch, weighted by the number of
    targets in that mean; the optimizer applies the mean of the gradients. Each replica has its own
    random numbers, such as dropout masks. Moving averages, such as a baseline, are updated by the
    mean over the replicas. Batch normalization uses the replica's share alone unless it is
    `synchronized`. A loss function has to return one number per example: Keras does not divide a
    scalar by the number of replicas.

    Args:
        model: A `keras.Model` made and compiled in the scope of its strategy. All its batches must
            have one size: the shares of a smaller last batch would be weighted by the device, not
            by their size.
        count_targets: Function of the targets of a share. It returns how many of them the loss is
            a mean over, if the loss leaves out some, such as padding; None if it is a mean over
            examples.
    """

    def __init__(self, model, count_targets=None):
        self.model, self.strategy = model, model.distribute_strategy
        self.count_targets = count_targets
        with self.strategy.scope():
            self.loss = keras.metrics.Mean(name="loss")
        self.gradients = tf.function(self.gradients, jit_compile=model.jit_compile)

    def fit(self, data, bar):
        """Train one epoch; return its figures by name, as `fit` does. All workers must call it."""
        data = data.map(self._check_size)
        self._begin(next(_with_value_errors(data)))
        options = tf.data.Options()
        # Batches are made in Python. Every worker makes the same ones and takes its share.
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
        """Return the batch if it can be divided evenly: replicas are weighted equally."""
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
            # This private method of Keras, which `fit` calls as well, creates the variables of the
            # compiled metrics: a replica cannot create variables.
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
        """Return the weight of this replica's share, 1 if all shares have as many targets."""
        if self.count_targets is None:
            return 1.0
        count = tf.cast(self.count_targets(y), "float32")
        replica = tf.distribute.get_replica_context()
        return tf.math.divide_no_nan(count, replica.all_reduce("MEAN", count))

    def _clip(self, gradients):
        """Return this replica's part of the clipped sum: Keras would clip each part, then sum."""
        replica, optimizer = tf.distribute.get_replica_context(), self.model.optimizer
        if optimizer.clipnorm or optimizer.global_clipnorm or optimizer.clipvalue:
            total = replica.all_reduce("SUM", gradients)
            # Keras has no public method that clips. A part is too small to be clipped once more.
            clipped = optimizer._clip_gradients(total)
            gradients = [_replica_part(gradient, replica) for gradient in clipped]
        return gradients

    def gradients(self, x, y, sample_weight, share_weight):
        """Return outputs, loss and gradients of one share: the part that XLA compiles."""
        with tf.GradientTape() as tape:
            outputs = self.model(x, training=True)
            # Keras divides the loss by the number of replicas.
            loss = self.model.compute_loss(x, y, outputs, sample_weight, training=True)
            loss *= share_weight
        return outputs, loss, tape.gradient(loss, self.model.trainable_variables)


class OwnSteps(Replicas):
    """Trains a model that defines its own `train_step`, which each replica runs uncompiled.

    The model's step is responsible for the weights of the shares, random numbers and moving
    averages.
    """

    def _begin(self, batch):
        pass

    def _figures(self):
        losses = self.model.get_metrics_result()
        losses.pop("loss", None)  # Keras's own metric, which such a step does not update
        return losses

    def _train_replica(self, batch):
        self.model.train_step(batch)


def _with_value_errors(batches):
    """Yield the batches; raise the error of `Replicas._check_size` as a ValueError."""
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
    # The sum of an embedding's gradients concatenates slices. Divide them among the replicas
    # instead of scaling them, because Adam squares each slice by itself.
    size = tf.shape(gradient.indices)[0] // count
    rows = tf.range(size) + number * size
    values, indices = (tf.gather(part, rows) for part in (gradient.values, gradient.indices))
    return tf.IndexedSlices(values, indices, gradient.dense_shape)
