"""Whether a customer will leave."""
