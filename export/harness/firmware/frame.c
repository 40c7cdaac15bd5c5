#include "frame.h"

#include <string.h>

/* Of a block after another one: begins with 0. Bitwise: a table would take 1 KiB, and 8
   steps a byte are quicker than a serial line. */
uint32_t frame_crc(uint32_t crc, const uint8_t *bytes, uint32_t count)
{
    crc = ~crc;
    for (uint32_t i = 0; i < count; ++i) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; ++bit) {
            crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1u)));
        }
    }
    return ~crc;
}

/* Content in place of its COBS; returns its length, 0 if it is none. */
static uint16_t decoded(uint8_t *bytes, uint16_t count)
{
    uint16_t from = 0, to = 0;
    while (from < count) {
        const uint8_t code = bytes[from++];
        if (code == 0 || from + code - 1 > count) {
            return 0;
        }
        for (uint8_t i = 1; i < code; ++i) {
            bytes[to++] = bytes[from++];
        }
        if (from < count) {
            bytes[to++] = 0; /* no content is so long that a block ends without one */
        }
    }
    return to;
}

static int unpacked(uint8_t *bytes, uint16_t encoded, frame *found)
{
    const uint16_t count = decoded(bytes, encoded);
    uint32_t crc = 0;
    if (count < FRAME_HEAD + FRAME_CRC || bytes[0] != FRAME_MAGIC) {
        return 0;
    }
    for (int i = 0; i < FRAME_CRC; ++i) {
        crc |= (uint32_t)bytes[count - FRAME_CRC + i] << (8 * i);
    }
    if (crc != frame_crc(0, bytes, (uint32_t)(count - FRAME_CRC))) {
        return 0;
    }
    found->version = bytes[1];
    found->type = bytes[2];
    found->sequence = (uint16_t)(bytes[3] | bytes[4] << 8);
    found->count = (uint16_t)(count - FRAME_HEAD - FRAME_CRC);
    memcpy(found->data, bytes + FRAME_HEAD, found->count);
    return 1;
}

frame_event frame_receive(frame_receiver *receiver, uint8_t byte, frame *found)
{
    const uint16_t count = receiver->count;
    if (byte == 0) {
        const int is_whole =
            receiver->is_inside && unpacked(receiver->bytes, count, found);
        const int is_end = receiver->is_inside && count > 1;
        receiver->count = 0;
        /* What ends a frame may begin one as well: a delimiter may have been lost. */
        receiver->is_inside = 1;
        return is_whole ? FRAME_WHOLE : is_end ? FRAME_BAD : FRAME_PART;
    }
    if (!receiver->is_inside) {
        receiver->bytes[0] = byte;
        receiver->count = 1;
        return FRAME_TEXT;
    }
    if (count == FRAME_MAX_ENCODED) {
        receiver->is_inside = 0;
        receiver->count = 0;
        return FRAME_BAD;
    }
    receiver->bytes[count] = byte;
    receiver->count = (uint16_t)(count + 1);
    if (count == 1 && byte != FRAME_MAGIC) {
        /* A zero, and text behind it. */
        receiver->is_inside = 0;
        return FRAME_TEXT;
    }
    return FRAME_PART;
}

void frame_send(const frame *sent, void (*put)(uint8_t byte))
{
    uint8_t content[FRAME_HEAD + FRAME_MAX_DATA + FRAME_CRC];
    const uint16_t filled = (uint16_t)(FRAME_HEAD + sent->count);
    const uint16_t count = (uint16_t)(filled + FRAME_CRC);
    uint32_t crc;
    content[0] = FRAME_MAGIC;
    content[1] = FRAME_VERSION;
    content[2] = sent->type;
    content[3] = (uint8_t)(sent->sequence & 0xFF);
    content[4] = (uint8_t)(sent->sequence >> 8);
    memcpy(content + FRAME_HEAD, sent->data, sent->count);
    crc = frame_crc(0, content, filled);
    for (int i = 0; i < FRAME_CRC; ++i) {
        content[filled + i] = (uint8_t)(crc >> (8 * i));
    }
    put(0);
    for (uint16_t first = 0; first <= count;) {
        uint16_t end = first;
        while (end < count && content[end] != 0) {
            ++end;
        }
        put((uint8_t)(end - first + 1));
        while (first < end) {
            put(content[first++]);
        }
        ++first; /* the zero, which the next block's beginning says */
    }
    put(0);
}
