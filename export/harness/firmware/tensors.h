/* The network's integers as one run of bytes, input behind input; and as real numbers. */
#ifndef HARNESS_TENSORS_H
#define HARNESS_TENSORS_H

#include <stdint.h>

#include "harness.h"

/* The byte at an offset; 0 behind the last. */
uint8_t *tensors_byte(const harness_tensor *tensors, uint32_t count, uint32_t offset);

/* The CRC-32 of all bytes. */
uint32_t tensors_crc(const harness_tensor *tensors, uint32_t count);

/* What an element stands for, as float32. */
float tensors_real(const harness_tensor *tensor, uint32_t index);

/* Stores a real number: rounded to nearest, halves away from zero, then saturated. */
void tensors_set_real(const harness_tensor *tensor, uint32_t index, float real);

#endif
