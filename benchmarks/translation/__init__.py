"""The translation models of the examples, beside the same models written in PyTorch."""
