"""The Neural Turing Machine's cell, its controller, head parameters and state."""
