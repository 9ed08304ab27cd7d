"""One log into what may be known and what is to be foretold."""
