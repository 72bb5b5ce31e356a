"""REINFORCE for layers that sample: credit tensors, the loss, and a model class for `fit`."""
