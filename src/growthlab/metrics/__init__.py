"""One metric a file; no metric knows a model."""
