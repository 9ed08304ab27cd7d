"""Where fits, trials and batches run: on this machine, or on a cluster of Ray or Spark."""
