/* Frames on a serial line, among bytes of any other kind.

   On the line: 0, the content as COBS, 0. COBS (Cheshire and Baker, "Consistent Overhead
   Byte Stuffing", IEEE/ACM Transactions on Networking 7(2), 1999) is the content without
   zeros, so that a zero begins or ends a frame wherever a reader comes in.

   Content: FRAME_MAGIC, the protocol's version, a type, a sequence number of 16 bits,
   data, and the CRC-32 (IEEE 802.3, as zlib's) of all that; little-endian. */
#ifndef HARNESS_FRAME_H
#define HARNESS_FRAME_H

#include <stdint.h>

enum {
    FRAME_MAGIC = 0xA5, /* in no text of ASCII, and what COBS leaves as it is */
    FRAME_VERSION = 1,
    FRAME_MAX_DATA = 240,
    FRAME_HEAD = 5,
    FRAME_CRC = 4,
    /* Below 255, so that COBS adds a single byte. */
    FRAME_MAX_ENCODED = 1 + FRAME_HEAD + FRAME_MAX_DATA + FRAME_CRC
};

typedef struct {
    uint8_t version;
    uint8_t type;
    uint16_t sequence;
    uint16_t count; /* of data */
    uint8_t data[FRAME_MAX_DATA];
} frame;

/* What a byte was. */
typedef enum {
    FRAME_PART,  /* one of a frame that has not ended */
    FRAME_WHOLE, /* the last of a frame */
    FRAME_BAD,   /* the last of something damaged */
    FRAME_TEXT   /* none of a frame: `bytes` of the receiver have it, `count` of them */
} frame_event;

/* All zeros before the first byte. */
typedef struct {
    uint8_t bytes[FRAME_MAX_ENCODED];
    uint16_t count;
    uint8_t is_inside;
} frame_receiver;

uint32_t frame_crc(uint32_t crc, const uint8_t *bytes, uint32_t count);

/* Takes the next byte; fills `found` with FRAME_WHOLE only. */
frame_event frame_receive(frame_receiver *receiver, uint8_t byte, frame *found);

/* Gives a frame, delimiters included, to `put`, byte by byte. */
void frame_send(const frame *sent, void (*put)(uint8_t byte));

#endif
