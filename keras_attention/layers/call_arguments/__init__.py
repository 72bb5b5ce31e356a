"""Check and normalize the arguments of a call: inputs, masks, biases, positions."""
