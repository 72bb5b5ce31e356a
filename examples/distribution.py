"""Training on several devices, or machines: each has the whole model and a share of every batch.

A loop of its own, since Keras 3.15's `fit` does not run under MultiWorkerMirroredStrategy (its step
looks into batches that are `PerReplica` values, and reduces scalars along an axis), and under
MirroredStrategy compiles with XLA across devices, which the logical devices of a CPU refuse. Here
XLA compiles what each device does alone, the loss and its gradient, but nothing of a model with
steps of its own. docs/training.md has commands.
"""

import re

import keras
import tensorflow as tf

STRATEGIES = ("none", "mirrored", "multi_worker_mirrored")
joined = []  # the cluster resolver of the workers that this process is one of, if it is


def strategy(name):
    """The `tf.distribute.Strategy` in whose `scope()` a model is made and compiled.

    To be called before TensorFlow has computed anything: devices and workers are settled then.

    Args:
        name: "none"; "mirrored", over all GPUs of this machine, or, where it has none, over its CPU
            taken for two devices, which is for tests and gains nothing; "multi_worker_mirrored",
            over the processes that the environment variable TF_CONFIG names.
    """
    if name == "none":
        return tf.distribute.get_strategy()  # TensorFlow's default: one device
    if name == "multi_worker_mirrored":
        cluster = tf.distribute.cluster_resolver.TFConfigClusterResolver()
        if not cluster.cluster_spec().as_dict():
            raise ValueError(
                "Expected the environment variable TF_CONFIG to name the workers of "
                f"strategy={name!r}. Received: none"
            )
        joined[:] = [cluster]
        return tf.distribute.MultiWorkerMirroredStrategy()
    if not tf.config.list_physical_devices("GPU"):
        [cpu] = tf.config.list_physical_devices("CPU")
        halves = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, halves)
        return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    return tf.distribute.MirroredStrategy()


def is_chief():
    """Whether this process writes what is written: the chief, the first worker, or who is alone.

    Alone is also who finds a TF_CONFIG but has not asked for `strategy("multi_worker_mirrored")`.
    """
    for cluster in joined:
        if "chief" in cluster.cluster_spec().as_dict():  # where there is one, worker 0 is none
            return cluster.task_type == "chief"
        return cluster.task_id == 0
    return True


def replicas_of(model, counted=None):
    """What trains a model on several replicas: `OwnSteps` or `Replicas`."""
    has_own_step = type(model).train_step is not keras.Model.train_step
    return OwnSteps(model) if has_own_step else Replicas(model, counted)


class Replicas:
    """Trains a compiled model of several replicas by its loss, so that it learns as on one device.

    Each replica's loss is the mean over its share, which counts by how many it is a mean over; the
    gradients' mean is descended. Each share draws random numbers, such as dropout, of its own.
    Averages that move, such as a baseline, move by the mean of the replicas, whose batch
    normalization sees its own share alone if it is not `synchronized`.
    A loss function has to give a number for each example: one number alone Keras does not divide.

    Args:
        model: A `keras.Model` made and compiled in the scope of its strategy. All its batches have
            to be of one size: of a smaller last one, shares would count by the device, not by size.
        counted: Function of a share's targets that says how many of them its loss is a mean over,
            where it leaves out some, as padding; None where it is a mean over examples.
    """

    def __init__(self, model, counted=None):
        self.model, self.strategy, self.counted = model, model.distribute_strategy, counted
        with self.strategy.scope():
            self.loss = keras.metrics.Mean(name="loss")
        self.gradients = tf.function(self.gradients, jit_compile=model.jit_compile)

    def fit(self, data, bar):
        """One epoch; its figures by name, as `fit` gives them. All workers have to call it."""
        data = data.map(self._even)
        self._begin(next(_told(data)))
        options = tf.data.Options()
        # Batches are made in Python, the same by each worker, which takes its share of them.
        options.experimental_distribute.auto_shard_policy = (
            tf.data.experimental.AutoShardPolicy.DATA
        )
        self.model.reset_metrics()
        self.loss.reset_state()
        data = data.with_options(options)
        for batch in _told(self.strategy.experimental_distribute_dataset(data)):
            self.step(batch)
            bar.update()
        return {name: float(value) for name, value in self._figures().items()}

    def _even(self, *batch):
        """The batch, if it can be shared out: each replica counts alike, however few it has."""
        count = self.strategy.num_replicas_in_sync
        size = tf.shape(tf.nest.flatten(batch)[0])[0]
        said = f"Expected batches that {count} replicas can share out evenly. Received: a batch of "
        with tf.control_dependencies(
            [tf.debugging.Assert(size % count == 0, [tf.strings.format(said + "{}", size)])]
        ):
            batch = tf.nest.map_structure(tf.identity, batch)
        return batch if len(batch) > 1 else batch[0]

    def _begin(self, batch):
        with self.strategy.scope():
            # A private hook of Keras, which `fit` calls as well: compiled metrics have no variables
            # before, and within a replica none can be made.
            self.model._symbolic_build(data_batch=batch)
        self._draw_apart()

    def _figures(self):
        return {**self.model.get_metrics_result(), "loss": self.loss.result()}

    @tf.function
    def _draw_apart(self):
        """The first replica keeps its seeds, those of the n-th after it are larger by n."""
        self.strategy.run(self._draw_apart_in_one)

    def _draw_apart_in_one(self):
        replica = tf.distribute.get_replica_context()
        number = tf.cast(replica.replica_id_in_sync_group, "int64")
        weights = set(map(id, self.model.non_trainable_weights))
        for state in self.model.non_trainable_variables:
            if id(state) not in weights:  # of random numbers: a seed and a counter
                value = tf.cast(state.value, "int64")
                first = replica.all_reduce("SUM", tf.where(number == 0, value, 0))
                state.assign(tf.cast(first + [number, 0], state.dtype))

    @tf.function(reduce_retracing=True)
    def step(self, batch):
        """One step of all replicas together."""
        self.strategy.run(self._step_of_one, [batch])

    def _step_of_one(self, batch):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
        outputs, loss, gradients = self.gradients(x, y, sample_weight, self._part_of(y))
        self.model.optimizer.apply(self._clipped(gradients), self.model.trainable_variables)
        self.loss.update_state(loss * self.strategy.num_replicas_in_sync)
        self.model.compute_metrics(x, y, outputs, sample_weight)
        replica = tf.distribute.get_replica_context()
        for average in self.model.non_trainable_weights:
            average.assign(replica.all_reduce("MEAN", tf.identity(average.value)))

    def _part_of(self, y):
        """How much this replica's share counts, 1 if as much as the others'."""
        if self.counted is None:
            return 1.0
        count, replica = tf.cast(self.counted(y), "float32"), tf.distribute.get_replica_context()
        return tf.math.divide_no_nan(count, replica.all_reduce("MEAN", count))

    def _clipped(self, gradients):
        """This replica's part of the clipped sum: Keras clips each part, and then sums them."""
        replica, optimizer = tf.distribute.get_replica_context(), self.model.optimizer
        if optimizer.clipnorm or optimizer.global_clipnorm or optimizer.clipvalue:
            whole = replica.all_reduce("SUM", gradients)
            # A private method, and all that knows how; a part is small enough not to be clipped.
            gradients = [_part(each, replica) for each in optimizer._clip_gradients(whole)]
        return gradients

    def gradients(self, x, y, sample_weight, part):
        """Outputs, loss and its gradients of one share: what XLA compiles."""
        with tf.GradientTape() as tape:
            outputs = self.model(x, training=True)
            # Keras divides it by the number of replicas.
            loss = self.model.compute_loss(x, y, outputs, sample_weight, training=True) * part
        return outputs, loss, tape.gradient(loss, self.model.trainable_variables)


class OwnSteps(Replicas):
    """The same for a model with a `train_step` of its own, which each replica takes uncompiled.

    That has to see to all of it: shares that count alike, what is drawn, averages that move.
    """

    def _begin(self, batch):
        pass

    def _figures(self):
        losses = self.model.get_metrics_result()
        losses.pop("loss", None)  # Keras's own, of which such a step knows nothing
        return losses

    def _step_of_one(self, batch):
        self.model.train_step(batch)


def _told(batches):
    """The batches; what `Replicas._even` finds is a ValueError, as elsewhere."""
    try:
        yield from batches
    except tf.errors.InvalidArgumentError as error:
        said = re.search(r"Expected batches that .* a batch of \d+", error.message)
        if said is None:
            raise
        raise ValueError(said[0]) from error


def _part(gradient, replica):
    """What one replica gives so that the sum over all is `gradient`."""
    count, number = replica.num_replicas_in_sync, replica.replica_id_in_sync_group
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient / count
    # An embedding's, whose sum puts slices together: Adam squares each of them by itself.
    size = tf.shape(gradient.indices)[0] // count
    rows = tf.range(size) + number * size
    values, indices = (tf.gather(each, rows) for each in (gradient.values, gradient.indices))
    return tf.IndexedSlices(values, indices, gradient.dense_shape)
