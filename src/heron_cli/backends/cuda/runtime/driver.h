/* The driver, opened once a process, and what it says when it refuses. Internal. */
#ifndef HERON_CUDA_DRIVER_H
#define HERON_CUDA_DRIVER_H

#include "cuda_api.h"
#include "device.h"

/* The driver, initialised; NULL when there is none that works, with the reason in `status` and as the error. */
const struct heron_cuda *heron_cuda_driver(heron_status *status);

/* The status of what a call of the driver returned; a failure becomes the thread's error, named by `call`. */
heron_status heron_cuda_status(const struct heron_cuda *cuda, const char *call, CUresult code);

/* Make this the thread's error; returns `status`. */
heron_status heron_cuda_error(heron_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
