/* The binary interface between compiled kernels and the runtime: the names, types and hook variables that
 * TVM's LLVM code generator emits (tvm/runtime/c_backend_api.h), and one of heron's own. A kernel holds weak
 * definitions of the hook variables; they take the value of ours when both are linked, or are set after dlopen. */
#ifndef HERON_RUNTIME_ABI_H
#define HERON_RUNTIME_ABI_H

#include <stdint.h>

typedef struct {
  void *sync_handle; /* a struct heron_barrier, or NULL when the tasks do not run at the same time */
  int32_t num_task;
} TVMParallelGroupEnv;

typedef int (*FTVMParallelLambda)(int task_id, TVMParallelGroupEnv *penv, void *cdata);

int TVMBackendParallelLaunch(FTVMParallelLambda flambda, void *cdata, int num_task);
int TVMBackendParallelBarrier(int task_id, TVMParallelGroupEnv *penv);
void *TVMBackendAllocWorkspace(int device_type, int device_id, uint64_t nbytes, int dtype_code_hint,
                               int dtype_bits_hint);
int TVMBackendFreeWorkspace(int device_type, int device_id, void *ptr);
void TVMFFIErrorSetRaisedFromCStr(const char *kind, const char *message);

/* Heron's own: the next launch of this thread is worth so many tasks, each of as many iterations of its loop.
 * TVM does not say how many there are. */
void heron_expect_tasks(int32_t count);

#endif
