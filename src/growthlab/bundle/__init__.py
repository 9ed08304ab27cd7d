"""An exported model and all that it takes to answer; needs numpy, scipy, onnxruntime and LightGBM only."""
