"""What the service's request log says about the model in use: drift, fallbacks, rates, latency."""
