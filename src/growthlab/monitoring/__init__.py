"""What the service's request log says of the model that answers: drift, fallbacks, rates, latency."""
