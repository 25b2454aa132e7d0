#include "latest.h"

static void swap(buffer *a, buffer *b) {
    buffer kept = *a;
    *a = *b;
    *b = kept;
}

void latest_init(latest *slot, buffer spare) {
    *slot = (latest){.waiting = spare};
    pthread_mutex_init(&slot->lock, NULL);
    pthread_cond_init(&slot->changed, NULL);
}

void latest_put(latest *slot, buffer *frame) {
    pthread_mutex_lock(&slot->lock);
    if (slot->fresh) slot->dropped++;
    swap(&slot->waiting, frame);
    slot->fresh = true;
    pthread_cond_signal(&slot->changed);
    pthread_mutex_unlock(&slot->lock);
}

void latest_end(latest *slot) {
    pthread_mutex_lock(&slot->lock);
    slot->ended = true;
    pthread_cond_signal(&slot->changed);
    pthread_mutex_unlock(&slot->lock);
}

bool latest_take(latest *slot, buffer *frame) {
    pthread_mutex_lock(&slot->lock);
    while (!slot->fresh && !slot->ended) pthread_cond_wait(&slot->changed, &slot->lock);
    bool taken = slot->fresh;
    if (taken) swap(&slot->waiting, frame);
    slot->fresh = false;
    pthread_mutex_unlock(&slot->lock);
    return taken;
}
