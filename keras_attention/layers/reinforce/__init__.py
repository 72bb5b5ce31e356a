"""REINFORCE for layers that sample: recorded log-probabilities, the loss, and a model class."""
