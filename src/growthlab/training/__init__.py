"""How a model is fitted: what the caller decides (options) and the one training loop of the networks."""
