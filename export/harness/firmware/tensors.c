#include "tensors.h"

#include <string.h>

#include "frame.h"

uint8_t *tensors_byte(const harness_tensor *tensors, uint32_t count, uint32_t offset)
{
    for (uint32_t i = 0; i < count; ++i) {
        const uint32_t bytes = tensors[i].elements * tensors[i].bytes;
        if (offset < bytes) {
            return (uint8_t *)tensors[i].values + offset;
        }
        offset -= bytes;
    }
    return 0;
}

uint32_t tensors_crc(const harness_tensor *tensors, uint32_t count)
{
    uint32_t crc = 0;
    for (uint32_t i = 0; i < count; ++i) {
        crc = frame_crc(crc, tensors[i].values, tensors[i].elements * tensors[i].bytes);
    }
    return crc;
}

static int64_t integer_at(const harness_tensor *tensor, uint32_t index)
{
    const uint8_t *at = (const uint8_t *)tensor->values + index * tensor->bytes;
    uint64_t value = 0;
    for (uint8_t i = 0; i < tensor->bytes; ++i) {
        value |= (uint64_t)at[i] << (8 * i);
    }
    if (tensor->is_signed && tensor->bytes < 8 && at[tensor->bytes - 1] >= 0x80) {
        value -= (uint64_t)1 << (8 * tensor->bytes);
    }
    return (int64_t)value;
}

float tensors_real(const harness_tensor *tensor, uint32_t index)
{
    return (float)(integer_at(tensor, index) - tensor->zero_point) * tensor->scale;
}

void tensors_set_real(const harness_tensor *tensor, uint32_t index, float real)
{
    /* Inputs have 8 or 16 bits. */
    const int32_t span = (int32_t)1 << (8 * tensor->bytes - 1);
    const int32_t low = tensor->is_signed ? -span : 0;
    const int32_t high = tensor->is_signed ? span - 1 : 2 * span - 1;
    const float steps = real / tensor->scale + (float)tensor->zero_point;
    uint8_t *at = (uint8_t *)tensor->values + index * tensor->bytes;
    int32_t value;
    if (!(steps > (float)low)) {
        value = low;
    } else if (steps >= (float)high) {
        value = high;
    } else {
        value = (int32_t)(steps < 0 ? steps - 0.5f : steps + 0.5f);
    }
    for (uint8_t i = 0; i < tensor->bytes; ++i) {
        at[i] = (uint8_t)((uint32_t)value >> (8 * i));
    }
}
