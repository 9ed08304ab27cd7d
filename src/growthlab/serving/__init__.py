"""The HTTP service; it never imports models, torch, mlflow or hydra."""
