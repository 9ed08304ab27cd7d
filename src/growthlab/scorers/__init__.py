"""What is left of a model after training: safe arrays and a score, alike in evaluation and serving."""
