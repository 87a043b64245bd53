"""NVIDIA GPUs with tensor cores: CUDA by TVM's code generator, NVRTC or nvcc, run by the driver API."""
