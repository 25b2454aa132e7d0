/* Where NV12 frames come from: a file of raw frames, or a V4L2 device. */
#ifndef CAMERA_H
#define CAMERA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct camera camera;

struct camera {
    uint32_t width, height; /* in pixels, both even */
    size_t stride;          /* bytes from row to row, luma and chroma alike */
    uint32_t yuv;           /* one of farsight_yuv */
    /* Waits for a frame of camera_bytes() bytes; false at the end, after a signal, or after a fault (told already). */
    bool (*read)(camera *self, uint8_t *frame);
    void (*close)(camera *self);
};

/* Luma, then half as many rows of chroma. */
static inline size_t camera_bytes(const camera *self) { return self->stride * self->height / 2 * 3; }

/* Frames of this size from a file, `fps` a second, as a camera would deliver them; 0: as fast as they can be read.
 * NULL if that cannot be, which is told on standard error. */
camera *camera_open_file(const char *path, uint32_t width, uint32_t height, uint32_t fps);

/* Frames from a device such as /dev/video0, of this size or the nearest that it has. */
camera *camera_open_v4l2(const char *path, uint32_t width, uint32_t height);

#endif
