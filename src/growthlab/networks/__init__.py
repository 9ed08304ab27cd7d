"""Torch modules only; nothing of ours but each other is imported here."""
