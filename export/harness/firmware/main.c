/* Inputs come over a serial line, answers go back: in frames to `tfpipeline run`, and as
   text to MLPerf Tiny's runner. No memory is allocated. docs/boards.md has the protocol:

   request, by its type       data of it             data of the reply, behind a status
   1 HELLO                                           the greeting below
   2 WRITE: part of the input offset (4), bytes      none
   3 RUN                      CRC-32 of the input    cycles (4), CRC-32 of the output
   4 READ: part of the output offset (4), count (2)  bytes

   A reply has the request's sequence number, and its type plus 0x80. A request that comes
   once more is answered once more; a RUN is not run again. */
#include <string.h>

#include "board.h"
#include "clock.h"
#include "frame.h"
#include "harness.h"
#include "tensors.h"
#include "text.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "integers of inputs and outputs go over the line as memory has them: little-endian"
#endif

/* A project that has a main calls another name: -DHARNESS_MAIN=harness_main. */
#ifndef HARNESS_MAIN
#define HARNESS_MAIN main
#endif

int HARNESS_MAIN(void);

enum { HELLO = 1, WRITE = 2, RUN = 3, READ = 4, DAMAGED = 0x7F, REPLY = 0x80 };
enum { DONE = 0, UNKNOWN = 1, OUT_OF_RANGE = 2, OTHER_INPUT = 3, FAILED = 4 };
enum { MAX_NAME = 40 };

static const uint8_t digest[] = HARNESS_DIGEST;
static uint32_t clock_hz;
static int failure; /* of harness_begin */

static frame_receiver receiver;
static frame request, reply;

/* The last run, whose reply may have been lost. */
static struct {
    int is_there;
    uint16_t sequence;
    uint32_t input_crc;
    uint8_t status;
    uint32_t cycles;
} last;

static void add(uint8_t byte)
{
    reply.data[reply.count++] = byte;
}

static void add_number(uint32_t value)
{
    for (int i = 0; i < 4; ++i) {
        add((uint8_t)(value >> (8 * i)));
    }
}

static void add_text(const char *text)
{
    for (int i = 0; i < MAX_NAME && text[i]; ++i) {
        add((uint8_t)text[i]);
    }
    add(0);
}

static uint32_t number_at(uint32_t offset)
{
    uint32_t value = 0;
    for (uint32_t i = 0; i < 4; ++i) {
        value |= (uint32_t)request.data[offset + i] << (8 * i);
    }
    return value;
}

static void hello(void)
{
    last.is_there = 0;
    add(failure ? FAILED : DONE);
    for (uint32_t i = 0; i < sizeof digest; ++i) {
        add(digest[i]);
    }
    add_number(HARNESS_INPUT_BYTES);
    add_number(HARNESS_OUTPUT_BYTES);
    add_number(clock_hz);
    add_text(HARNESS_NAME);
    add_text(HARNESS_EXPORT);
    add_text(board_name());
}

static void write_input(void)
{
    const uint32_t offset = request.count < 4 ? UINT32_MAX : number_at(0);
    const uint32_t count = request.count - 4u;
    if (offset > HARNESS_INPUT_BYTES || count > HARNESS_INPUT_BYTES - offset) {
        add(OUT_OF_RANGE);
        return;
    }
    for (uint32_t i = 0; i < count; ++i) {
        *tensors_byte(harness_inputs, HARNESS_INPUTS, offset + i) = request.data[4 + i];
    }
    add(DONE);
}

static void run(void)
{
    const uint32_t expected = request.count < 4 ? 0 : number_at(0);
    if (!last.is_there || last.sequence != request.sequence ||
        last.input_crc != expected) {
        uint32_t start;
        last.is_there = 0;
        if (tensors_crc(harness_inputs, HARNESS_INPUTS) != expected) {
            add(OTHER_INPUT);
            return;
        }
        start = board_cycles();
        last.status = failure || harness_run() ? FAILED : DONE;
        last.cycles = board_cycles() - start;
        last.sequence = request.sequence;
        last.input_crc = expected;
        last.is_there = 1;
    }
    add(last.status);
    add_number(last.cycles);
    add_number(tensors_crc(harness_outputs, HARNESS_OUTPUTS));
}

static void read_output(void)
{
    const uint32_t offset = request.count < 6 ? UINT32_MAX : number_at(0);
    const uint32_t count = (uint32_t)(request.data[4] | request.data[5] << 8);
    if (offset > HARNESS_OUTPUT_BYTES || count > HARNESS_OUTPUT_BYTES - offset ||
        count > FRAME_MAX_DATA - 1) {
        add(OUT_OF_RANGE);
        return;
    }
    add(DONE);
    for (uint32_t i = 0; i < count; ++i) {
        add(*tensors_byte(harness_outputs, HARNESS_OUTPUTS, offset + i));
    }
}

static void answer(void)
{
    reply.type = (uint8_t)(request.type | REPLY);
    reply.sequence = request.sequence;
    reply.count = 0;
    if (request.version != FRAME_VERSION) {
        add(UNKNOWN);
    } else if (request.type == HELLO) {
        hello();
    } else if (request.type == WRITE) {
        write_input();
    } else if (request.type == RUN) {
        run();
    } else if (request.type == READ) {
        read_output();
    } else {
        add(UNKNOWN);
    }
    frame_send(&reply, board_putc);
}

/* So that the other side need not wait until it gives a reply up. */
static void say_damaged(void)
{
    reply.type = DAMAGED | REPLY;
    reply.sequence = 0;
    reply.count = 0;
    frame_send(&reply, board_putc);
}

int HARNESS_MAIN(void)
{
    clock_hz = board_init();
    clock_begin(clock_hz);
    failure = harness_begin();
    text_begin();
    for (;;) {
        const int byte = board_getc();
        (void)clock_cycles(); /* so that no wrap of the counter is missed */
        if (byte < 0) {
            continue;
        }
        switch (frame_receive(&receiver, (uint8_t)byte, &request)) {
        case FRAME_WHOLE:
            text_drop();
            answer();
            break;
        case FRAME_BAD:
            text_drop();
            say_damaged();
            break;
        case FRAME_TEXT:
            for (uint16_t i = 0; i < receiver.count; ++i) {
                text_receive(receiver.bytes[i]);
            }
            break;
        case FRAME_PART:
            if (byte == 0) {
                text_drop();
            }
            break;
        }
    }
}
