"""What a reviewer finds in MLflow."""
