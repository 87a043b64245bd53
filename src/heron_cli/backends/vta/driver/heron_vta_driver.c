/* See heron_vta_driver.h. Reads bytes one by one, so it works on any byte order and any alignment. */
#include "heron_vta_driver.h"

#include <string.h>

#include "heron_vta_config.h"

#define HEADER_BYTES 72u
#define TENSOR_BYTES 64u
#define DIGEST_BYTES 32u

static uint64_t read_bytes(const uint8_t *data, unsigned count)
{
    uint64_t value = 0;
    while (count-- > 0u)
        value = value << 8 | data[count];
    return value;
}

static void write_bytes(uint8_t *data, uint64_t value, unsigned count)
{
    unsigned i;
    for (i = 0; i < count; i++)
        data[i] = (uint8_t)(value >> (8u * i));
}

/* CRC-32 as in zlib. */
static uint32_t checksum(const uint8_t *data, size_t size)
{
    uint32_t crc = 0xffffffffu;
    size_t i;
    unsigned bit;
    for (i = 0; i < size; i++) {
        crc ^= data[i];
        for (bit = 0; bit < 8u; bit++)
            crc = crc >> 1 ^ (0xedb88320u & (0u - (crc & 1u)));
    }
    return crc ^ 0xffffffffu;
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b != 0u) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

const char *heron_vta_message(heron_vta_status status)
{
    switch (status) {
    case HERON_VTA_OK: return "done";
    case HERON_VTA_BAD_MAGIC: return "no VTA program";
    case HERON_VTA_BAD_VERSION: return "another version of the format";
    case HERON_VTA_BAD_SIZE: return "cut or joined: the header says another size";
    case HERON_VTA_BAD_CHECKSUM: return "damaged: the checksum is wrong";
    case HERON_VTA_BAD_CONFIGURATION: return "made for another configuration of the accelerator";
    case HERON_VTA_BAD_TENSOR: return "a tensor does not lie in the image";
    case HERON_VTA_NOT_FOUND: return "no such tensor";
    case HERON_VTA_BAD_ADDRESS: return "the device's address is misaligned or too high";
    case HERON_VTA_DEVICE: return "the device failed";
    }
    return "unknown status";
}

heron_vta_status heron_vta_parse(const void *data, size_t size, heron_vta_program *program)
{
    static const uint8_t digest[DIGEST_BYTES] = HERON_VTA_DIGEST;
    const uint8_t *bytes = (const uint8_t *)data;
    uint64_t uops, total;
    uint32_t i;

    memset(program, 0, sizeof *program);
    if (size < 8u || memcmp(bytes, "HERONVTA", 8u) != 0)
        return HERON_VTA_BAD_MAGIC;
    if (size < HEADER_BYTES)
        return HERON_VTA_BAD_SIZE;
    if (read_bytes(bytes + 8, 2) != HERON_VTA_FORMAT || read_bytes(bytes + 10, 2) != HEADER_BYTES ||
        read_bytes(bytes + 12, 4) != TENSOR_BYTES)
        return HERON_VTA_BAD_VERSION;
    program->tensor_count = (uint32_t)read_bytes(bytes + 16, 4);
    program->uop_count = (uint32_t)read_bytes(bytes + 20, 4);
    program->instruction_count = (uint32_t)read_bytes(bytes + 24, 4);
    program->image_bytes = read_bytes(bytes + 64, 8);
    uops = ((uint64_t)program->uop_count * HERON_VTA_UOP_BYTES + 15u) / 16u * 16u;
    total = HEADER_BYTES + (uint64_t)program->tensor_count * TENSOR_BYTES + uops +
            (uint64_t)program->instruction_count * HERON_VTA_INSTRUCTION_BYTES;
    if (total != (uint64_t)size)
        return HERON_VTA_BAD_SIZE;
    if (checksum(bytes + HEADER_BYTES, size - HEADER_BYTES) != (uint32_t)read_bytes(bytes + 28, 4))
        return HERON_VTA_BAD_CHECKSUM;
    if (memcmp(bytes + 32, digest, DIGEST_BYTES) != 0)
        return HERON_VTA_BAD_CONFIGURATION;
    program->tensors = bytes + HEADER_BYTES;
    program->uops = program->tensors + (size_t)program->tensor_count * TENSOR_BYTES;
    program->instructions = program->uops + uops;
    program->image_alignment = 1u;
    for (i = 0; i < program->tensor_count; i++) {
        heron_vta_tensor tensor;
        if (heron_vta_tensor_at(program, i, &tensor) != HERON_VTA_OK)
            return HERON_VTA_BAD_TENSOR;
        if (tensor.memory == HERON_VTA_MEMORY_UOP && tensor.bytes != (uint64_t)program->uop_count * HERON_VTA_UOP_BYTES)
            return HERON_VTA_BAD_TENSOR;
        program->image_alignment *=
            tensor.element_bytes / common_divisor(program->image_alignment, tensor.element_bytes);
    }
    return HERON_VTA_OK;
}

heron_vta_status heron_vta_tensor_at(const heron_vta_program *program, uint32_t number, heron_vta_tensor *tensor)
{
    const uint8_t *entry;
    uint64_t base;

    if (number >= program->tensor_count)
        return HERON_VTA_NOT_FOUND;
    entry = program->tensors + (size_t)number * TENSOR_BYTES;
    memset(tensor, 0, sizeof *tensor);
    memcpy(tensor->name, entry, HERON_VTA_NAME_BYTES);
    tensor->memory = (uint32_t)read_bytes(entry + 40, 4);
    tensor->element_bytes = (uint32_t)read_bytes(entry + 44, 4);
    base = read_bytes(entry + 48, 8);
    tensor->elements = read_bytes(entry + 56, 8);
    if (tensor->element_bytes == 0u || base > program->image_bytes / tensor->element_bytes ||
        tensor->elements > program->image_bytes / tensor->element_bytes - base)
        return HERON_VTA_BAD_TENSOR;
    tensor->offset = base * tensor->element_bytes;
    tensor->bytes = tensor->elements * tensor->element_bytes;
    return HERON_VTA_OK;
}

heron_vta_status heron_vta_find(const heron_vta_program *program, const char *name, heron_vta_tensor *tensor)
{
    uint32_t i;
    for (i = 0; i < program->tensor_count; i++) {
        heron_vta_status status = heron_vta_tensor_at(program, i, tensor);
        if (status != HERON_VTA_OK || strcmp(tensor->name, name) == 0)
            return status;
    }
    return HERON_VTA_NOT_FOUND;
}

static uint64_t field(uint64_t word, unsigned first, unsigned width)
{
    return word >> first & (((uint64_t)1 << width) - 1u);
}

/* Bytes of an element of a memory, 0 if no tensor is of it. */
static uint32_t element_bytes(const heron_vta_program *program, uint64_t memory)
{
    uint32_t i;
    for (i = 0; i < program->tensor_count; i++) {
        heron_vta_tensor tensor;
        if (heron_vta_tensor_at(program, i, &tensor) == HERON_VTA_OK && tensor.memory == memory)
            return tensor.element_bytes;
    }
    return 0u;
}

heron_vta_status heron_vta_relocate(const heron_vta_program *program, uint64_t image, uint8_t *code)
{
    const uint64_t limit = ((uint64_t)1 << HERON_VTA_DRAM_BASE_BITS) - 1u;
    uint32_t i;

    if (image % program->image_alignment != 0u)
        return HERON_VTA_BAD_ADDRESS;
    for (i = 0; i < program->instruction_count; i++) {
        const uint8_t *from = program->instructions + (size_t)i * HERON_VTA_INSTRUCTION_BYTES;
        uint8_t *to = code + (size_t)i * HERON_VTA_INSTRUCTION_BYTES;
        uint64_t word = read_bytes(from, 8);
        uint64_t opcode = field(word, HERON_VTA_OPCODE_BIT, HERON_VTA_OPCODE_BITS);

        memcpy(to, from, HERON_VTA_INSTRUCTION_BYTES);
        if (opcode == HERON_VTA_OPCODE_LOAD || opcode == HERON_VTA_OPCODE_STORE) {
            uint32_t size = element_bytes(program, field(word, HERON_VTA_MEMORY_BIT, HERON_VTA_MEMORY_BITS));
            uint64_t base = field(word, HERON_VTA_DRAM_BASE_BIT, HERON_VTA_DRAM_BASE_BITS);
            if (size == 0u)
                return HERON_VTA_BAD_TENSOR;
            if (image / size > limit - base)
                return HERON_VTA_BAD_ADDRESS;
            word &= ~(limit << HERON_VTA_DRAM_BASE_BIT);
            word |= (base + image / size) << HERON_VTA_DRAM_BASE_BIT;
            write_bytes(to, word, 8);
        }
    }
    return HERON_VTA_OK;
}

heron_vta_status heron_vta_open(const heron_vta_program *program, const heron_vta_device *device,
                                heron_vta_session *session)
{
    const uint64_t code_bytes = (uint64_t)program->instruction_count * HERON_VTA_INSTRUCTION_BYTES;
    heron_vta_status status;
    uint32_t i;

    memset(session, 0, sizeof *session);
    session->program = program;
    session->device = device;
    if (device->map(device->context, program->image_bytes, program->image_alignment, &session->image_mapping) != 0)
        return HERON_VTA_DEVICE;
    if (device->map(device->context, code_bytes, HERON_VTA_INSTRUCTION_BYTES, &session->code_mapping) != 0) {
        device->unmap(device->context, &session->image_mapping);
        return HERON_VTA_DEVICE;
    }
    session->image = session->image_mapping.host;
    memset(session->image, 0, (size_t)program->image_bytes);
    for (i = 0; i < program->tensor_count; i++) {
        heron_vta_tensor tensor;
        if (heron_vta_tensor_at(program, i, &tensor) == HERON_VTA_OK && tensor.memory == HERON_VTA_MEMORY_UOP)
            memcpy(session->image + tensor.offset, program->uops, (size_t)tensor.bytes);
    }
    status = heron_vta_relocate(program, session->image_mapping.device, session->code_mapping.host);
    if (status != HERON_VTA_OK)
        heron_vta_close(session);
    return status;
}

heron_vta_status heron_vta_run(const heron_vta_session *session, uint32_t milliseconds)
{
    const heron_vta_device *device = session->device;
    const uint64_t code = session->code_mapping.device;
    const uint32_t values[4][2] = {
        {device->registers.instruction_count, session->program->instruction_count},
        {device->registers.instructions_low, (uint32_t)code},
        {device->registers.instructions_high, (uint32_t)(code >> 32)},
        {device->registers.start, device->registers.start_value},
    };
    unsigned i;

    for (i = 0; i < 4u; i++)
        if (device->write_register(device->context, values[i][0], values[i][1]) != 0)
            return HERON_VTA_DEVICE;
    return device->wait(device->context, milliseconds) == 0 ? HERON_VTA_OK : HERON_VTA_DEVICE;
}

void heron_vta_close(heron_vta_session *session)
{
    if (session->device != NULL) {
        session->device->unmap(session->device->context, &session->code_mapping);
        session->device->unmap(session->device->context, &session->image_mapping);
    }
    memset(session, 0, sizeof *session);
}
