/* The hook variables through which compiled kernels reach the runtime, and the error of the last kernel. */
#include "abi.h"
#include "heron_runtime.h"

int (*__TVMBackendParallelLaunch)(FTVMParallelLambda, void *, int) = TVMBackendParallelLaunch;
int (*__TVMBackendParallelBarrier)(int, TVMParallelGroupEnv *) = TVMBackendParallelBarrier;
void *(*__TVMBackendAllocWorkspace)(int, int, uint64_t, int, int) = TVMBackendAllocWorkspace;
int (*__TVMBackendFreeWorkspace)(int, int, void *) = TVMBackendFreeWorkspace;
void (*__TVMFFIErrorSetRaisedFromCStr)(const char *, const char *) = TVMFFIErrorSetRaisedFromCStr;
void (*__HeronExpectTasks)(int32_t) = heron_expect_tasks;

/* initial-exec: no call of __tls_get_addr, so that the library needs libc and nothing of the loader. */
static __thread const char *last_error __attribute__((tls_model("initial-exec")));

void TVMFFIErrorSetRaisedFromCStr(const char *kind, const char *message) {
  last_error = message != NULL ? message : kind;
}

const char *heron_runtime_error(void) { return last_error; }

void heron_runtime_clear_error(void) { last_error = NULL; }
