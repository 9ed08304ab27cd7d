"""What a customer will want."""
