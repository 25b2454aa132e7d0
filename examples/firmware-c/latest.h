/* Hands frames from the thread that captures to the thread that looks at them. Only the latest one waits: a frame
 * that nobody took when the next one comes is dropped and counted. Buffers are exchanged, nothing is copied. */
#ifndef LATEST_H
#define LATEST_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* A frame's memory and its number, from 1. */
typedef struct {
    uint8_t *pixels;
    uint64_t number;
} buffer;

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    buffer waiting;
    bool fresh; /* nobody has taken `waiting` yet */
    bool ended; /* no more will come */
    uint64_t dropped;
} latest;

/* `spare` is memory for a frame. It can be had back from `waiting` when both threads are done. */
void latest_init(latest *slot, buffer spare);

/* Hands over a frame; `frame` gets memory for the next one. */
void latest_put(latest *slot, buffer *frame);

/* Says that no more will come. */
void latest_end(latest *slot);

/* Waits for a frame and exchanges `frame`, which is done with, for it; false if no more will come. */
bool latest_take(latest *slot, buffer *frame);

#endif
