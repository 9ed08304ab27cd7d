"""Runs in MLflow: the store, how runs are logged and found, and what a reviewer sees of them."""
