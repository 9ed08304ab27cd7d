"""Models of several arms: what each changes in a customer's outcome."""
