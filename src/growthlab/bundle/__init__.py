"""An exported model with everything needed to answer: numpy, scipy, onnxruntime, LightGBM, nothing else."""
