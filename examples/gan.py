"""Training of a class-conditional GAN with the hinge loss, with an optimizer per network."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops


class GAN(keras.Model):
    """A GAN whose discriminator and then generator are trained on each batch (Zhang et al. 2019).

        L_D = mean max(0, 1 - D(x, c)) + mean max(0, 1 + D(G(z, c), c))
        L_G = -mean D(G(z, c), c)

    These are the losses of section 4. `compile` takes an optimizer for each network. The
    discriminator gets real and generated images in one call, so that the power iterations of its
    spectral normalizations advance by one step per batch; the generator's update does not advance
    them. The power iterations of the generator advance in each of its two passes.

    With several replicas (`examples.distribution`), each one uses its slice of the noise of the
    whole batch, and the generator's batch normalizations must be `synchronized`.

    Args:
        generator: Model of [noise (batch, noise), classes (batch,)] -> images (batch, H, W, C).
        discriminator: Model of [images, classes] -> (batch, 1).
        seed: Seed of the noise.
    """

    def __init__(self, generator, discriminator, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.generator, self.discriminator = generator, discriminator
        self.seeds = keras.random.SeedGenerator(seed)
        self.inference = tf.function(lambda *inputs: generator([*inputs], training=False))
        self.generator_loss = keras.metrics.Mean(name="generator_loss")
        self.discriminator_loss = keras.metrics.Mean(name="discriminator_loss")
        self.built = True

    def compile(self, generator_optimizer, discriminator_optimizer, **kwargs):
        super().compile(optimizer=generator_optimizer, **kwargs)
        self.discriminator_optimizer = discriminator_optimizer
        generator_optimizer.build(self.generator.trainable_variables)
        discriminator_optimizer.build(self.discriminator.trainable_variables)

    def call(self, inputs, training=None):
        return self.generator(inputs, training=training)

    def train_step(self, data):
        images, classes = data
        twice = ops.concatenate([classes, classes])
        generated = ops.cast(self.generate(classes), images.dtype)
        with tf.GradientTape() as tape:
            both = ops.concatenate([images, generated])
            real, fake = ops.split(self.discriminator([both, twice], training=True), 2)
            loss = ops.mean(ops.relu(1 - real)) + ops.mean(ops.relu(1 + fake))
        _descend(self.discriminator, self.discriminator_optimizer, tape, loss)
        self.discriminator_loss.update_state(loss)
        with tf.GradientTape() as tape:
            fake = self.discriminator([self.generate(classes), classes], training=False)
            loss = -ops.mean(fake)
        _descend(self.generator, self.optimizer, tape, loss)
        self.generator_loss.update_state(loss)
        metrics = self.generator_loss, self.discriminator_loss
        return {metric.name: metric.result() for metric in metrics}

    def generate(self, classes):
        """Generate images of given classes from new noise, on a replica for its share of them."""
        replica = tf.distribute.get_replica_context()
        size, number = ops.shape(classes)[0], replica.replica_id_in_sync_group
        shape = (size * replica.num_replicas_in_sync, self.generator.inputs[0].shape[-1])
        noise = keras.random.normal(shape, seed=self.seeds)[number * size : (number + 1) * size]
        return self.generator([noise, classes], training=True)

    def predict_images(self, noise, classes, batch):
        """Generate images (n, H, W, C) from arrays in inference mode, `batch` at a time."""
        starts = range(0, len(classes), batch)
        return np.concatenate(
            [self.inference(noise[i : i + batch], classes[i : i + batch]) for i in starts]
        )


def _descend(network, optimizer, tape, loss):
    # Divide the loss, because the optimizer sums the gradients of all replicas.
    part = ops.ones_like(loss) / tf.distribute.get_strategy().num_replicas_in_sync
    gradients = tape.gradient(loss, network.trainable_variables, output_gradients=part)
    optimizer.apply(gradients, network.trainable_variables)
