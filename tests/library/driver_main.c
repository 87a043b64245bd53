/* Reads a program's file with the exported driver, runs it on a device that only remembers, and prints all. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heron_vta_driver.h"

typedef struct fake {
    uint64_t next;
    int mapped;
} fake;

static int map(void *context, uint64_t bytes, uint64_t alignment, heron_vta_mapping *mapping)
{
    fake *self = context;
    self->next = (self->next + alignment - 1u) / alignment * alignment;
    mapping->host = malloc((size_t)bytes);
    mapping->device = self->next;
    self->next += bytes;
    self->mapped++;
    return mapping->host == NULL;
}

static void unmap(void *context, const heron_vta_mapping *mapping)
{
    ((fake *)context)->mapped--;
    free(mapping->host);
}

static int write_register(void *context, uint32_t offset, uint32_t value)
{
    (void)context;
    printf("register %" PRIu32 " %" PRIu32 "\n", offset, value);
    return 0;
}

static int wait(void *context, uint32_t milliseconds)
{
    (void)context;
    printf("wait %" PRIu32 "\n", milliseconds);
    return 0;
}

static int fail(heron_vta_status status)
{
    printf("status %d %s\n", (int)status, heron_vta_message(status));
    return (int)status;
}

int main(int count, char **arguments)
{
    static uint8_t data[1 << 22];
    fake self = {0, 0};
    heron_vta_device device = {&self, map, unmap, write_register, wait, {8, 16, 20, 0, 1}};
    heron_vta_program program;
    heron_vta_session session;
    heron_vta_tensor tensor;
    heron_vta_status status;
    size_t size;
    uint32_t i, byte;
    FILE *file = count == 3 ? fopen(arguments[1], "rb") : NULL;

    if (file == NULL)
        return 100;
    size = fread(data, 1, sizeof data, file);
    fclose(file);
    self.next = strtoull(arguments[2], NULL, 0);
    if ((status = heron_vta_parse(data, size, &program)) != HERON_VTA_OK)
        return fail(status);
    printf("program %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu64 " %" PRIu64 "\n", program.tensor_count,
           program.uop_count, program.instruction_count, program.image_bytes, program.image_alignment);
    for (i = 0; heron_vta_tensor_at(&program, i, &tensor) == HERON_VTA_OK; i++)
        printf("tensor %s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu32 "\n", tensor.name, tensor.offset,
               tensor.bytes, tensor.elements, tensor.element_bytes);
    if ((status = heron_vta_find(&program, "nothing", &tensor)) != HERON_VTA_NOT_FOUND)
        return 101;
    if ((status = heron_vta_open(&program, &device, &session)) != HERON_VTA_OK)
        return fail(status);
    printf("image %" PRIu64 "\n", session.image_mapping.device);
    if (heron_vta_find(&program, "uops", &tensor) != HERON_VTA_OK)
        return 102;
    if (memcmp(session.image + tensor.offset, program.uops, (size_t)tensor.bytes) != 0)
        return 103;
    if ((status = heron_vta_run(&session, 250)) != HERON_VTA_OK)
        return fail(status);
    for (i = 0; i < program.instruction_count; i++) {
        printf("code ");
        for (byte = 0; byte < HERON_VTA_INSTRUCTION_BYTES; byte++)
            printf("%02x", session.code_mapping.host[i * HERON_VTA_INSTRUCTION_BYTES + byte]);
        printf("\n");
    }
    heron_vta_close(&session);
    return self.mapped == 0 ? 0 : 104;
}
