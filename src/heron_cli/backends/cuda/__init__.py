"""NVIDIA GPUs with tensor cores: CUDA through TVM's code generator, machine code by nvcc, the driver API to run it."""
