/* What heron's C runtime offers to the code around it: the measuring process and exported libraries.
 * Nothing here is public in an exported library; its generated header wraps what users may call. */
#ifndef HERON_RUNTIME_H
#define HERON_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Most threads that one launch can use. */
#define HERON_RUNTIME_MAX_THREADS 512

/* Sets how many threads a launch uses, the calling thread included; 0 means every CPU this process may
 * run on. Returns 0, or -1 when `count` is negative or above HERON_RUNTIME_MAX_THREADS. */
int heron_runtime_set_threads(int32_t count);

/* How many threads a launch uses. */
int32_t heron_runtime_threads(void);

/* What the last failing kernel of this thread said, or NULL. The text lives as long as the kernel. */
const char *heron_runtime_error(void);
void heron_runtime_clear_error(void);

/* Returns the workspace that the calling thread keeps for reuse to the system. */
void heron_runtime_release_workspace(void);

/* 1 when this CPU and operating system can execute instructions of `feature` (a name of
 * cpu_features.inc), 0 when not, -1 when the name is unknown. */
int heron_runtime_cpu_has(const char *feature);

/* Seconds of wall clock for `count` calls of `kernel` with `argument_count` (1 to 8) pointers.
 * Negative when a call returned a status other than 0 or the argument count is out of range. */
double heron_repeat(void *kernel, void *const *arguments, int32_t argument_count, int64_t count);

#ifdef __cplusplus
}
#endif
#endif
