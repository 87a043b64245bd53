/* Feeds programs that heron exported to a VTA: a skeleton. It reads a program's file, lays its DRAM image
 * out, and starts it through four functions that the platform provides. C99; needs nothing but memory.
 *
 *     heron_vta_program program;
 *     status = heron_vta_parse(file, size, &program);
 *     status = heron_vta_open(&program, &device, &session);
 *     heron_vta_find(&program, "input", &tensor);         copy the packed operand to session.image + tensor.offset
 *     status = heron_vta_run(&session, 1000);
 *     heron_vta_find(&program, "output", &tensor);        the packed result is at session.image + tensor.offset
 *     heron_vta_close(&session);
 *
 * How operands are packed stands in manifest.json, under "tensors" of each kernel.
 */
#ifndef HERON_VTA_DRIVER_H
#define HERON_VTA_DRIVER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HERON_VTA_FORMAT 1u
#define HERON_VTA_NAME_BYTES 40u
#define HERON_VTA_INSTRUCTION_BYTES 16u
#define HERON_VTA_UOP_BYTES 4u

typedef enum heron_vta_status {
    HERON_VTA_OK = 0,
    HERON_VTA_BAD_MAGIC = 1,         /* no program */
    HERON_VTA_BAD_VERSION = 2,       /* another version of the format */
    HERON_VTA_BAD_SIZE = 3,          /* the sizes in the header are not those of the file */
    HERON_VTA_BAD_CHECKSUM = 4,      /* damaged */
    HERON_VTA_BAD_CONFIGURATION = 5, /* made for another machine than this driver */
    HERON_VTA_BAD_TENSOR = 6,        /* a tensor that does not lie in the image */
    HERON_VTA_NOT_FOUND = 7,         /* no tensor has this name or number */
    HERON_VTA_BAD_ADDRESS = 8,       /* the device's memory is misaligned, or too high for an instruction */
    HERON_VTA_DEVICE = 9             /* a function of the platform failed */
} heron_vta_status;

/* A program in the bytes of its file, which must outlive it. */
typedef struct heron_vta_program {
    const uint8_t *tensors;      /* entries of the file: use heron_vta_tensor_at */
    const uint8_t *uops;         /* little-endian words of 32 bits */
    const uint8_t *instructions; /* 16 bytes each */
    uint32_t tensor_count;
    uint32_t uop_count;
    uint32_t instruction_count;
    uint64_t image_bytes;     /* size of the DRAM image of all tensors */
    uint64_t image_alignment; /* what the image's address is a multiple of */
} heron_vta_program;

/* A tensor: bytes [offset, offset + bytes) of the image. */
typedef struct heron_vta_tensor {
    char name[HERON_VTA_NAME_BYTES + 1u];
    uint32_t memory; /* the machine's number of the memory: 0 micro-ops, 1 weight, 2 input, ... */
    uint32_t element_bytes;
    uint64_t elements;
    uint64_t offset;
    uint64_t bytes;
} heron_vta_tensor;

/* Memory that the host and the device see. */
typedef struct heron_vta_mapping {
    uint8_t *host;
    uint64_t device;
} heron_vta_mapping;

/* What the platform provides. Functions return 0 for success. `registers` are the offsets of the fetch
 * module's registers, which differ between builds of the hardware. */
typedef struct heron_vta_device {
    void *context;
    int (*map)(void *context, uint64_t bytes, uint64_t alignment, heron_vta_mapping *mapping);
    void (*unmap)(void *context, const heron_vta_mapping *mapping);
    int (*write_register)(void *context, uint32_t offset, uint32_t value);
    /* Until the program has finished. Memory that `map` gave is coherent when write_register(start) and wait
     * return: a platform with caches flushes and invalidates there. */
    int (*wait)(void *context, uint32_t milliseconds);
    struct {
        uint32_t instruction_count;
        uint32_t instructions_low;
        uint32_t instructions_high;
        uint32_t start;
        uint32_t start_value;
    } registers;
} heron_vta_device;

/* A program in a device's memory. */
typedef struct heron_vta_session {
    const heron_vta_program *program;
    const heron_vta_device *device;
    uint8_t *image; /* as the host sees it */
    heron_vta_mapping image_mapping;
    heron_vta_mapping code_mapping;
} heron_vta_session;

const char *heron_vta_message(heron_vta_status status);

/* Check a file's bytes and say where its parts are. Nothing is copied. */
heron_vta_status heron_vta_parse(const void *data, size_t size, heron_vta_program *program);

heron_vta_status heron_vta_tensor_at(const heron_vta_program *program, uint32_t number, heron_vta_tensor *tensor);
heron_vta_status heron_vta_find(const heron_vta_program *program, const char *name, heron_vta_tensor *tensor);

/* Write the instructions to `code` (16 bytes each) as they are for an image at address `image` of the device. */
heron_vta_status heron_vta_relocate(const heron_vta_program *program, uint64_t image, uint8_t *code);

/* Map the image and the instructions; micro-ops are copied, operands are the caller's to fill in. */
heron_vta_status heron_vta_open(const heron_vta_program *program, const heron_vta_device *device,
                                heron_vta_session *session);
/* Start the program and wait for its end. May be called again with other operands. */
heron_vta_status heron_vta_run(const heron_vta_session *session, uint32_t milliseconds);
void heron_vta_close(heron_vta_session *session);

#ifdef __cplusplus
}
#endif

#endif
