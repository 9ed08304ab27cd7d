"""The MLflow model registry: versions, aliases, the pyfunc model, and downloads."""
