"""Benchmarks of TensorCore kernels against PyTorch (cuBLAS and cuDNN) on one NVIDIA GPU."""
