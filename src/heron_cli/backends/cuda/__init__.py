"""NVIDIA GPUs with tensor cores: CUDA by TVM's code generator, compiled by NVRTC or nvcc, run by the driver API."""
