"""What is left of a model when its training is over: safe arrays and a score, the same object in evaluation and serving."""
