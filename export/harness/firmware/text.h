/* The text commands of MLPerf Tiny's runner. */
#ifndef HARNESS_TEXT_H
#define HARNESS_TEXT_H

#include <stdint.h>

/* What a runner waits for when a board starts. */
void text_begin(void);

/* Takes the next byte that belongs to no frame. */
void text_receive(uint8_t byte);

/* A zero was seen, or a frame: what came before is no command. */
void text_drop(void);

#endif
