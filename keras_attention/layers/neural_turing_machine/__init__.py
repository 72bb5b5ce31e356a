"""The Neural Turing Machine's cell: controller, head parameters, state."""
