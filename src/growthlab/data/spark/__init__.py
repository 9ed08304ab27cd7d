"""Logs on Apache Spark: the same statements, translated, on a machine's processors or a cluster."""
