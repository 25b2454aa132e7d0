/* Boxes out of frames: the C side of examples/detect-cdylib. */
#ifndef FARSIGHT_DETECT_H
#define FARSIGHT_DETECT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What every call returns. */
enum {
    DETECT_OK = 0,
    DETECT_BAD_ARGUMENT = 1, /* a null pointer, a path that is not UTF-8, a size that cannot be */
    DETECT_FAILED = 2,       /* the bundle, ONNX Runtime or the run; detect_last_error says what */
    DETECT_PANIC = 3         /* a bug in the library; close the detector and open it again */
};

/* An open bundle. One thread at a time may use it. */
typedef struct detector detector;

/* An object that was found, in pixels of the frame. */
typedef struct detect_box {
    float x1, y1, x2, y2;
    float score;     /* 0 to 1 */
    uint32_t class_; /* index of the class */
} detect_box;

/* Opens the bundle at `path` (UTF-8) and puts the detector into `*out`; NULL goes there on failure. */
int32_t detect_open(const char *path, detector **out);

/* Finds objects in a frame of `width * height * 3` RGB bytes, row by row without gaps. Up to `capacity` boxes go
 * into `boxes`, best first; `*count` is how many were found, which may be more. `boxes` may be NULL if `capacity`
 * is 0. */
int32_t detect_run(detector *detector, const uint8_t *rgb, size_t width, size_t height, detect_box *boxes,
                   size_t capacity, size_t *count);

/* Closes a detector; NULL is fine. */
void detect_close(detector *detector);

/* Why the last call on this thread failed, never NULL. Valid until the next call on this thread. */
const char *detect_last_error(void);

#ifdef __cplusplus
}
#endif

#endif
