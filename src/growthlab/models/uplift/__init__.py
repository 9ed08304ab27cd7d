"""Models of effects: what an action changes in a customer's outcome; and what they must beat."""
