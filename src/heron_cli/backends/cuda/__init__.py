"""NVIDIA GPUs with tensor cores: CUDA by TVM's code generator, compiled by nvcc, run by the driver API."""
