"""Kernels in C that stand in for generated ones: same symbols, same hooks, exact arithmetic."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from heron_cli.backends.base import Kernel, Operand

from . import emulated
from .generated import Apart

# What TVM's LLVM back end puts into an object: weak hook variables, called through.
HOOKS = """
#include <stdint.h>
typedef struct { void *sync_handle; int32_t num_task; } Env;
typedef int (*Lambda)(int, Env *, void *);
__attribute__((weak)) int (*__TVMBackendParallelLaunch)(Lambda, void *, int);
__attribute__((weak)) int (*__TVMBackendParallelBarrier)(int, Env *);
__attribute__((weak)) void *(*__TVMBackendAllocWorkspace)(int, int, uint64_t, int, int);
__attribute__((weak)) int (*__TVMBackendFreeWorkspace)(int, int, void *);
__attribute__((weak)) void (*__TVMFFIErrorSetRaisedFromCStr)(const char *, const char *);
"""

# output[i] = input[i] * weight[0], in parallel, through a workspace; the packed form is weight + 1.
SCALE = """
typedef struct { const uint8_t *input; const int8_t *packed; int32_t *output; } Call;
static int share(int task, Env *env, void *data) {
  Call *call = data;
  int chunk = (N + env->num_task - 1) / env->num_task;
  int end = (task + 1) * chunk < N ? (task + 1) * chunk : N;
  int32_t *temporary = __TVMBackendAllocWorkspace(1, 0, N * 4, 0, 32);
  if (!temporary || (uintptr_t)temporary % 64) return -1;
  for (int i = task * chunk; i < end; ++i) temporary[i] = call->input[i] * (call->packed[0] - 1);
  for (int i = task * chunk; i < end; ++i) call->output[i] = temporary[i];
  return __TVMBackendFreeWorkspace(1, 0, temporary);
}
int32_t scale(const uint8_t *input, const int8_t *packed, int32_t *output) {
  Call call = {input, packed, output};
  if (input[0] == 99) {
    __TVMFFIErrorSetRaisedFromCStr("ValueError", "input 99 is not wanted");
    return -1;
  }
  return __TVMBackendParallelLaunch(share, &call, 0);
}
int32_t scale_pack(const int8_t *weight, int8_t *packed) {
  packed[0] = (int8_t)(weight[0] + 1);
  return 0;
}
"""


@pytest.fixture(scope="session")
def compile_object(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bytes]:
    def compile_it(source: str) -> bytes:
        folder = tmp_path_factory.mktemp("object")
        (folder / "k.c").write_text(HOOKS + source)
        subprocess.run(["cc", "-O2", "-fPIC", "-c", "k.c", "-o", "k.o"], cwd=folder, check=True)
        return Path(folder, "k.o").read_bytes()

    return compile_it


@pytest.fixture(scope="session")
def make_scale(compile_object: Callable[[str], bytes]) -> Callable[[int], Kernel]:
    def make(n: int) -> Kernel:
        operands = (
            Operand("input", (n,), "uint8"),
            Operand("weight", (1,), "int8", packed_bytes=64),
            Operand("output", (n,), "int32"),
        )
        return Kernel("scale", operands, compile_object(f"#define N {n}\n{SCALE}"), f"scale-{n}")

    return make


@pytest.fixture(scope="module")
def runnable() -> Iterator[None]:
    """Where the CPU lacks VNNI, kernels for `emulated.accelerator` are of plain instructions."""
    with pytest.MonkeyPatch.context() as patch:
        if not emulated.NATIVE:
            patch.setattr(emulated.forms, "llvm_intrinsic", emulated.llvm_intrinsic)
        yield


@pytest.fixture(scope="session")
def apart() -> Iterator[Apart]:
    """Runs kernels against guard pages, away from pytest."""
    runner = Apart()
    yield runner
    runner.close()
