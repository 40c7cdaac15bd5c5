/* MLPerf Tiny's commands, as its runner sends them in performance and accuracy mode:
   `name%`, `timestamp%`, `profile%`, `help%`, `db load N%`, `db XX..%`, `db print%`,
   `infer N W%`, `results%`. Replies, their spelling and the size of a command are those
   of benchmark/api/internally_implemented.cpp and of the reference submissions'
   submitter_implemented.cpp at commit 1afd2c9 of github.com/mlcommons/tiny. */
#include "text.h"

#include <string.h>

#include "board.h"
#include "clock.h"
#include "harness.h"
#include "tensors.h"

/* What `m-model` says, by which the runner chooses a test: kws01, vww01, ad01, ic01. */
#ifndef HARNESS_MODEL_VERSION
#define HARNESS_MODEL_VERSION HARNESS_NAME
#endif
/* Whether bytes of `db` are pixels, 0 to 255, of which the network reads 128 less. */
#ifndef HARNESS_PIXELS
#define HARNESS_PIXELS HARNESS_READS_PIXELS
#endif
/* Whether the result is one number, how far the output is from the input: the mean of
   squares, as of the reference of ad01. */
#ifndef HARNESS_RECONSTRUCTION
#define HARNESS_RECONSTRUCTION 0
#endif

enum { COMMAND_SIZE = 80, MAX_WORDS = 4 };

static struct {
    char text[COMMAND_SIZE + 1];
    uint32_t count;
    int is_noise;
} command;

/* What `db` loads: bytes as the network's input, or float32. */
static struct {
    uint32_t size;
    uint32_t count;
    int is_real;
    uint8_t real[4];
} load;

static void say(const char *text)
{
    while (*text) {
        board_putc((uint8_t)*text++);
    }
}

static void say_number(uint64_t value)
{
    char digits[21];
    char *first = digits + 20;
    *first = 0;
    do {
        *--first = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    say(first);
}

/* As "%0.3f". */
static void say_real(float value)
{
    uint64_t thousandths;
    if (value < 0) {
        say("-");
        value = -value;
    }
    thousandths = (uint64_t)((double)value * 1000.0 + 0.5);
    say_number(thousandths / 1000);
    say(".");
    say_number(thousandths / 100 % 10);
    say_number(thousandths / 10 % 10);
    say_number(thousandths % 10);
}

static void say_timestamp(void)
{
    say("m-lap-us-");
    say_number(clock_microseconds());
    say("\r\n");
}

/* The number in front of a text, as atoi; none is 0, and too large is the largest. */
static uint32_t number(const char *text)
{
    uint32_t value = 0;
    while (*text >= '0' && *text <= '9') {
        const uint32_t digit = (uint32_t)(*text++ - '0');
        value = value > (UINT32_MAX - digit) / 10 ? UINT32_MAX : value * 10 + digit;
    }
    return value;
}

static int digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static void say_results(void)
{
    const char *comma = "";
    say("m-results-[");
    if (HARNESS_RECONSTRUCTION) {
        float sum = 0;
        for (uint32_t i = 0; i < harness_outputs[0].elements; ++i) {
            const float apart = tensors_real(&harness_outputs[0], i) -
                                tensors_real(&harness_inputs[0], i);
            sum += apart * apart;
        }
        say_real(sum / (float)harness_outputs[0].elements);
        say("]\r\n");
        return;
    }
    for (int output = 0; output < HARNESS_OUTPUTS; ++output) {
        for (uint32_t i = 0; i < harness_outputs[output].elements; ++i) {
            say(comma);
            say_real(tensors_real(&harness_outputs[output], i));
            comma = ",";
        }
    }
    say("]\r\n");
}

static void infer(uint32_t runs, uint32_t warmups)
{
    int failed = 0;
    say("m-warmup-start-");
    say_number(warmups);
    say("\r\n");
    while (warmups-- > 0) {
        failed |= harness_run();
    }
    say("m-warmup-done\r\nm-infer-start-");
    say_number(runs);
    say("\r\n");
    say_timestamp();
    while (runs-- > 0) {
        failed |= harness_run();
        (void)clock_cycles(); /* so that no wrap of the counter is missed */
    }
    say_timestamp();
    say("m-infer-done\r\n");
    if (failed) {
        say("e-[The network failed]\r\n");
        return;
    }
    say_results();
}

static void db_load(const char *size)
{
    const uint32_t reals = 4 * harness_inputs[0].elements;
    if (!size) {
        say("e-[Command 'db load' requires the # of bytes]\r\n");
        return;
    }
    load.size = number(size);
    load.count = 0;
    load.is_real = HARNESS_INPUTS == 1 && load.size == reals;
    if (load.size == 0) {
        say("e-[Command 'db load' must be >0 bytes]\r\n");
    } else if (load.size != HARNESS_INPUT_BYTES && !load.is_real) {
        load.size = 0;
        say("e-[The input has ");
        say_number(HARNESS_INPUT_BYTES);
        say(" bytes, or ");
        say_number(reals);
        say(" as float32]\r\n");
    } else {
        say("m-[Expecting ");
        say_number(load.size);
        say(" bytes]\r\n");
    }
}

static void take(uint8_t byte)
{
    if (load.is_real) {
        load.real[load.count % 4] = byte;
        if (load.count % 4 == 3) {
            float real;
            memcpy(&real, load.real, sizeof real);
            tensors_set_real(&harness_inputs[0], load.count / 4, real);
        }
    } else {
        if (HARNESS_PIXELS) {
            byte ^= 0x80; /* 128 less */
        }
        *tensors_byte(harness_inputs, HARNESS_INPUTS, load.count) = byte;
    }
    ++load.count;
}

static void db_bytes(const char *digits)
{
    if (strlen(digits) % 2) {
        say("e-[Insufficent number of hex digits]\r\n");
        return;
    }
    for (; *digits; digits += 2) {
        const int high = digit(digits[0]), low = digit(digits[1]);
        if (high < 0 || low < 0) {
            const char found[] = {digits[0], digits[1], 0};
            say("e-[Invalid hex digit '");
            say(found);
            say("']\r\n");
            return;
        }
        if (load.count == load.size) {
            say("e-[Nothing is expected: db load N first]\r\n");
            return;
        }
        take((uint8_t)(high << 4 | low));
        if (load.count == load.size) {
            say("m-load-done\r\n");
            return;
        }
    }
}

/* The input's bytes, eight a line; as they came, if they came as bytes. */
static void db_print(void)
{
    static const char digits[] = "0123456789abcdef";
    for (uint32_t i = 0; i < HARNESS_INPUT_BYTES; ++i) {
        uint8_t byte = *tensors_byte(harness_inputs, HARNESS_INPUTS, i);
        if (HARNESS_PIXELS) {
            byte ^= 0x80;
        }
        if (i % 8 == 0) {
            say("m-buffer-");
        }
        board_putc((uint8_t)digits[byte >> 4]);
        board_putc((uint8_t)digits[byte & 15]);
        say(i % 8 == 7 || i + 1 == HARNESS_INPUT_BYTES ? "\r\n" : "-");
    }
}

static void help(void)
{
    say("ULPMark for tinyML Firmware V0.0.1\r\n\r\n"
        "help         : Print this information\r\n"
        "name         : Print the name of the device\r\n"
        "timestamp    : Generate a timestamp\r\n"
        "profile      : Print the firmware and the model\r\n"
        "db SUBCMD    : Manipulate a generic byte buffer\r\n"
        "  load N     : Set the load counter to N bytes\r\n"
        "  db HH[HH]* : Load 8-bit hex byte(s) until N bytes\r\n"
        "  print      : Print the input as hex\r\n"
        "infer N [W=10]: Load input, execute N inferences after W warmup loops\r\n"
        "results      : Return the result fp32 vector\r\n");
}

static void answer(char *words[], int count)
{
    if (strcmp(words[0], "name") == 0) {
        say("m-name-dut-[");
        say(board_name());
        say("]\r\n");
    } else if (strcmp(words[0], "timestamp") == 0) {
        say_timestamp();
    } else if (strcmp(words[0], "profile") == 0) {
        say("m-profile-[ULPMark for tinyML Firmware V0.0.1]\r\nm-model-["
            HARNESS_MODEL_VERSION "]\r\n");
    } else if (strcmp(words[0], "help") == 0) {
        help();
    } else if (strcmp(words[0], "db") == 0) {
        if (count == 1) {
            say("e-[Command 'db' requires a subcommand]\r\n");
        } else if (strcmp(words[1], "load") == 0) {
            db_load(count > 2 ? words[2] : 0);
        } else if (strcmp(words[1], "print") == 0) {
            db_print();
        } else {
            db_bytes(words[1]);
        }
    } else if (strcmp(words[0], "infer") == 0) {
        const uint32_t runs = count > 1 ? number(words[1]) : 1;
        if (runs == 0) {
            say("e-[Inference iterations must be >0]\r\n");
        } else {
            infer(runs, count > 2 ? number(words[2]) : 10);
        }
    } else if (strcmp(words[0], "results") == 0) {
        say_results();
    } else {
        say("e-[Unknown command: ");
        say(words[0]);
        say("]\r\n");
    }
    say("m-ready\r\n");
}

void text_begin(void)
{
    say("m-timestamp-mode-performance\r\n");
    say_timestamp();
    say("m-init-done\r\nm-ready\r\n");
}

void text_drop(void)
{
    command.count = 0;
    command.is_noise = 0;
}

void text_receive(uint8_t byte)
{
    char *words[MAX_WORDS] = {0};
    int count = 0;
    if (byte == '\r' || byte == '\n') {
        return; /* of people at a terminal */
    }
    if (byte != '%') {
        if (byte < ' ' || byte > '~' || command.count == COMMAND_SIZE) {
            command.is_noise = 1;
        } else {
            command.text[command.count++] = (char)byte;
        }
        return;
    }
    command.text[command.count] = 0;
    for (char *at = command.text; *at && count < MAX_WORDS;) {
        while (*at == ' ') {
            *at++ = 0;
        }
        if (*at) {
            words[count++] = at;
        }
        while (*at && *at != ' ') {
            ++at;
        }
    }
    if (count > 0 && !command.is_noise) {
        answer(words, count);
    }
    text_drop();
}
