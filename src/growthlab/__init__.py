"""growthlab: one customer timeline, three questions (what will they want, will they leave, what are they worth)."""

__version__ = "0.1.0"
