"""Torch modules only; of ours, they import each other and the errors."""
