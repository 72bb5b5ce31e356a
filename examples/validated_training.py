"""Full-batch training that evaluates after every step, and keeps the best weights.

The rule is that of the authors' code of GAT: training ends when neither the loss nor the accuracy
of the validation nodes has reached its best value for `patience` steps, and the weights are kept
when both have.
"""

import math

import keras
import tensorflow as tf


class ValidatedTraining(keras.Model):
    """Trains a network that returns a dict with probabilities of nodes (1, N, classes).

    A step is an update and an evaluation in one XLA program. After the last one, `restore_best`
    gives the network its best weights. What happens after the end of the patience has no effect,
    so that steps can be run in rounds.

    Args:
        network: The network.
        patience: Number of steps.
    """

    def __init__(self, network, patience):
        super().__init__()
        self.network, self.patience = network, patience
        self.kept = [
            self.add_weight(shape=v.shape, initializer="zeros", trainable=False)
            for v in network.trainable_variables
        ]
        infinity = keras.initializers.Constant(math.inf)
        self.best_loss = self.add_weight(initializer=infinity, trainable=False)
        self.best_accuracy = self.add_weight(initializer="zeros", trainable=False)
        self.best_step = self.add_weight(initializer="zeros", dtype="int32", trainable=False)
        self.waited = self.add_weight(initializer="zeros", dtype="int32", trainable=False)
        self.built = True

    def train_step(self, data):
        """Update and evaluate once; `data` is (inputs, labels, nodes of training, of validation).

        Labels are (1, N); nodes are bool masks of the same shape, in one tensor (1, N, 2).
        """
        inputs, labels, nodes = data
        variables = self.network.trainable_variables
        with tf.GradientTape() as tape:
            loss, accuracy = measure(self._predict(inputs, True), labels, nodes[..., 0])
            total = loss + tf.add_n(self.network.losses)
        self.optimizer.apply(tape.gradient(total, variables), variables)
        evaluated = measure(self._predict(inputs, False), labels, nodes[..., 1])
        self._keep_best(*evaluated)
        return {
            "loss": loss,
            "accuracy": accuracy,
            "validation loss": evaluated[0],
            "validation accuracy": evaluated[1],
            "best step": self.best_step.value,
            "steps without progress": self.waited.value,
        }

    def _predict(self, inputs, training):
        return self.network(inputs, training=training)["probabilities"]

    def _keep_best(self, loss, accuracy):
        is_active = self.waited < self.patience
        has_progress = (loss <= self.best_loss) | (accuracy >= self.best_accuracy)
        is_best = is_active & (loss <= self.best_loss) & (accuracy >= self.best_accuracy)
        step = tf.cast(self.optimizer.iterations.value, "int32")
        for kept, variable in zip(self.kept, self.network.trainable_variables, strict=True):
            kept.assign(tf.where(is_best, variable, kept))
        self.best_step.assign(tf.where(is_best, step, self.best_step))
        best_loss = tf.minimum(self.best_loss, loss)
        best_accuracy = tf.maximum(self.best_accuracy, accuracy)
        self.best_loss.assign(tf.where(is_active, best_loss, self.best_loss))
        self.best_accuracy.assign(tf.where(is_active, best_accuracy, self.best_accuracy))
        waited = tf.where(is_active & has_progress, 0, self.waited + 1)
        self.waited.assign(waited)

    def restore_best(self):
        """Give the network the weights that were kept."""
        for kept, variable in zip(self.kept, self.network.trainable_variables, strict=True):
            variable.assign(kept)


def measure(probabilities, labels, nodes):
    """Return the mean cross entropy and the accuracy of the nodes that a bool mask marks."""
    weights = tf.cast(nodes, probabilities.dtype)
    count = tf.reduce_sum(weights)
    classes = tf.maximum(labels, 0)  # unknown labels, -1, are of no marked node
    losses = keras.losses.sparse_categorical_crossentropy(classes, probabilities)
    is_right = tf.argmax(probabilities, axis=-1, output_type=labels.dtype) == labels
    is_right = tf.cast(is_right, weights.dtype)
    return tf.reduce_sum(losses * weights) / count, tf.reduce_sum(is_right * weights) / count
