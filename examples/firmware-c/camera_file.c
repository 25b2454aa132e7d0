/* Raw frames out of a file, at the pace of a camera. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <farsight.h>

#include "camera.h"

#define SECOND 1000000000L

typedef struct {
    camera camera;
    int file;
    const char *path;
    long period_ns; /* 0: no pace */
    struct timespec next;
} file_camera;

/* Sleeps until the next frame is due; false if a signal came. */
static bool keep_pace(file_camera *self) {
    if (self->period_ns == 0) return true;
    self->next.tv_nsec += self->period_ns;
    self->next.tv_sec += self->next.tv_nsec / SECOND;
    self->next.tv_nsec %= SECOND;
    return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &self->next, NULL) == 0;
}

static bool read_frame(camera *camera, uint8_t *frame) {
    file_camera *self = (file_camera *)camera;
    size_t wanted = camera_bytes(camera), got = 0;
    if (!keep_pace(self)) return false;
    while (got < wanted) {
        ssize_t count = read(self->file, frame + got, wanted - got);
        if (count < 0 && errno != EINTR) perror(self->path);
        if (count < 0) return false;
        if (count == 0) {
            if (got > 0) fprintf(stderr, "%s: its last frame is cut off\n", self->path);
            return false;
        }
        got += (size_t)count;
    }
    return true;
}

static void close_file(camera *camera) {
    close(((file_camera *)camera)->file);
    free(camera);
}

camera *camera_open_file(const char *path, uint32_t width, uint32_t height, uint32_t fps) {
    file_camera *self = calloc(1, sizeof *self);
    int file = open(path, O_RDONLY);
    if (!self || file < 0) {
        perror(path);
        if (file >= 0) close(file);
        free(self);
        return NULL;
    }
    self->camera = (camera){.width = width, .height = height, .stride = width, .yuv = FARSIGHT_YUV_BT601_LIMITED};
    self->camera.read = read_frame;
    self->camera.close = close_file;
    self->file = file;
    self->path = path;
    self->period_ns = fps ? SECOND / (long)fps : 0;
    clock_gettime(CLOCK_MONOTONIC, &self->next);
    return &self->camera;
}
