/* Frames out of a V4L2 capture device: its own buffers, mapped, copied from as soon as one is full. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/videodev2.h>

#include <farsight.h>

#include "camera.h"

#define BUFFERS 4
#define PATIENCE_MS 5000

typedef struct {
    camera camera;
    int device;
    const char *path;
    uint32_t mapped; /* how many of these */
    struct {
        uint8_t *start;
        size_t length;
    } buffers[BUFFERS];
} v4l2_camera;

static bool control(int device, unsigned long request, void *argument) {
    int result;
    do result = ioctl(device, request, argument);
    while (result < 0 && errno == EINTR);
    return result == 0;
}

static bool fail(const v4l2_camera *self, const char *what) {
    fprintf(stderr, "%s: %s: %s\n", self->path, what, strerror(errno));
    return false;
}

static struct v4l2_buffer buffer_number(uint32_t index) {
    return (struct v4l2_buffer){.type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP, .index = index};
}

/* Which colours the driver says it delivers. */
static uint32_t yuv_of(const struct v4l2_pix_format *format) {
    bool hd = format->ycbcr_enc == V4L2_YCBCR_ENC_709 ||
              (format->ycbcr_enc == V4L2_YCBCR_ENC_DEFAULT && format->colorspace == V4L2_COLORSPACE_REC709);
    bool full = format->quantization == V4L2_QUANTIZATION_FULL_RANGE;
    if (hd) return full ? FARSIGHT_YUV_BT709_FULL : FARSIGHT_YUV_BT709_LIMITED;
    return full ? FARSIGHT_YUV_BT601_FULL : FARSIGHT_YUV_BT601_LIMITED;
}

static bool choose_format(v4l2_camera *self, uint32_t width, uint32_t height) {
    struct v4l2_format format = {.type = V4L2_BUF_TYPE_VIDEO_CAPTURE};
    format.fmt.pix.width = width;
    format.fmt.pix.height = height;
    format.fmt.pix.pixelformat = V4L2_PIX_FMT_NV12;
    format.fmt.pix.field = V4L2_FIELD_NONE;
    if (!control(self->device, VIDIOC_S_FMT, &format)) return fail(self, "VIDIOC_S_FMT (is it a capture device?)");
    const struct v4l2_pix_format *pix = &format.fmt.pix;
    if (pix->pixelformat != V4L2_PIX_FMT_NV12) {
        fprintf(stderr, "%s: gives no NV12; v4l2-ctl --list-formats shows what it gives\n", self->path);
        return false;
    }
    if (pix->width % 2 || pix->height % 2 || pix->bytesperline < pix->width) {
        fprintf(stderr, "%s: %u x %u with rows of %u bytes is no NV12\n", self->path, pix->width, pix->height,
                pix->bytesperline);
        return false;
    }
    if (pix->width != width || pix->height != height)
        fprintf(stderr, "%s: gives %u x %u\n", self->path, pix->width, pix->height);
    self->camera.width = pix->width;
    self->camera.height = pix->height;
    self->camera.stride = pix->bytesperline;
    self->camera.yuv = yuv_of(pix);
    return true;
}

static bool map_buffers(v4l2_camera *self) {
    struct v4l2_requestbuffers request = {.count = BUFFERS, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP};
    if (!control(self->device, VIDIOC_REQBUFS, &request)) return fail(self, "VIDIOC_REQBUFS");
    for (uint32_t i = 0; i < request.count && i < BUFFERS; i++) {
        struct v4l2_buffer buffer = buffer_number(i);
        if (!control(self->device, VIDIOC_QUERYBUF, &buffer)) return fail(self, "VIDIOC_QUERYBUF");
        if (buffer.length < camera_bytes(&self->camera)) {
            fprintf(stderr, "%s: a buffer of %u bytes holds no frame\n", self->path, buffer.length);
            return false;
        }
        void *start = mmap(NULL, buffer.length, PROT_READ, MAP_SHARED, self->device, buffer.m.offset);
        if (start == MAP_FAILED) return fail(self, "mmap");
        self->buffers[i].start = start;
        self->buffers[i].length = buffer.length;
        self->mapped = i + 1;
        if (!control(self->device, VIDIOC_QBUF, &buffer)) return fail(self, "VIDIOC_QBUF");
    }
    return true;
}

static bool start(v4l2_camera *self) {
    enum v4l2_buf_type type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    return control(self->device, VIDIOC_STREAMON, &type) || fail(self, "VIDIOC_STREAMON");
}

static bool read_frame(camera *camera, uint8_t *frame) {
    v4l2_camera *self = (v4l2_camera *)camera;
    for (;;) {
        struct pollfd full = {.fd = self->device, .events = POLLIN};
        int ready = poll(&full, 1, PATIENCE_MS);
        if (ready == 0) fprintf(stderr, "%s: no frame for %d ms\n", self->path, PATIENCE_MS);
        if (ready < 0 && errno != EINTR) fail(self, "poll");
        if (ready <= 0) return false;
        struct v4l2_buffer buffer = buffer_number(0);
        if (!control(self->device, VIDIOC_DQBUF, &buffer)) return fail(self, "VIDIOC_DQBUF");
        size_t bytes = camera_bytes(camera);
        bool whole = !(buffer.flags & V4L2_BUF_FLAG_ERROR) && buffer.bytesused >= bytes && buffer.index < self->mapped;
        if (whole) memcpy(frame, self->buffers[buffer.index].start, bytes);
        if (!control(self->device, VIDIOC_QBUF, &buffer)) return fail(self, "VIDIOC_QBUF");
        if (whole) return true;
    }
}

static void close_device(camera *camera) {
    v4l2_camera *self = (v4l2_camera *)camera;
    enum v4l2_buf_type type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    control(self->device, VIDIOC_STREAMOFF, &type);
    for (uint32_t i = 0; i < self->mapped; i++) munmap(self->buffers[i].start, self->buffers[i].length);
    close(self->device);
    free(self);
}

camera *camera_open_v4l2(const char *path, uint32_t width, uint32_t height) {
    v4l2_camera *self = calloc(1, sizeof *self);
    int device = open(path, O_RDWR);
    if (!self || device < 0) {
        perror(path);
        if (device >= 0) close(device);
        free(self);
        return NULL;
    }
    self->camera.read = read_frame;
    self->camera.close = close_device;
    self->device = device;
    self->path = path;
    if (choose_format(self, width, height) && map_buffers(self) && start(self)) return &self->camera;
    close_device(&self->camera);
    return NULL;
}
