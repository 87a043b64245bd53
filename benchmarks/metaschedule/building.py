"""How MetaSchedule's candidates become programs; runs in its builder's processes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

_CUDA = {
    # merges shared buffers of different element types otherwise, which the code generator then refuses
    "tirx.disable_storage_rewrite": True,
    "tirx.use_async_copy": True,
}


def build_for_gpu(module: Any, target: Any, _parameters: Any = None) -> Any:
    """Compile with nvcc, also where there is no driver and TVM by itself would keep the source.

    Raises what TVM raises; what nvcc says is in the message.
    """
    import tvm
    from tvm.s_tir.transform import RemoveWeightLayoutRewriteBlock
    from tvm.support.nvcc import compile_cuda

    use_nvcc()
    module = RemoveWeightLayoutRewriteBlock(skip_tensor_rewrite=True)(module)
    with target, tvm.transform.PassContext(config=_CUDA):
        built = tvm.tirx.build(module, target=target)
        if tvm.get_global_func("device_api.cuda", allow_missing=True) is None:
            compile_cuda(built.imports[0].inspect_source(), target_format="cubin", compiler="nvcc")
    return built


def build_for_cpu(module: Any, target: Any, _parameters: Any = None) -> Any:
    """As MetaSchedule builds by default."""
    import tvm
    from tvm.s_tir.transform import RemoveWeightLayoutRewriteBlock

    return tvm.tirx.build(RemoveWeightLayoutRewriteBlock(skip_tensor_rewrite=True)(module), target=target)


def use_nvcc() -> None:
    """TVM compiles with NVRTC unless told; that needs a package that is not installed."""
    os.environ["TVM_CUDA_COMPILE_MODE"] = "nvcc"
    found = shutil.which("nvcc") or shutil.which("/usr/local/cuda/bin/nvcc")
    if found is not None and shutil.which("nvcc") is None:
        os.environ["PATH"] += os.pathsep + str(Path(found).parent)


def plain_builds(gpu: bool) -> Any:
    """The function that builds for this kind of machine."""
    return build_for_gpu if gpu else build_for_cpu
