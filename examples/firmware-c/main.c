/* A camera's frames through a bundle: a line a box on standard output, how many frames were dropped at the end.
 *
 * One thread captures, the other one runs the model on the latest frame there is. SIGINT and SIGTERM end it cleanly. */
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <farsight.h>

#include "camera.h"
#include "latest.h"

static const char *const USAGE =
    "usage: firmware-c [-f FPS] [-d MILLISECONDS] BUNDLE SOURCE WIDTH HEIGHT\n"
    "  SOURCE  a file of raw NV12 frames, or a V4L2 device such as /dev/video0\n"
    "  -f      frames a second out of a file (10); 0: as fast as they can be read\n"
    "  -d      stop a run that takes longer, and go on with the next frame\n";

typedef struct {
    const char *bundle, *source;
    uint32_t width, height, fps, deadline_ms;
} arguments;

typedef struct {
    camera *camera;
    latest slot;
    buffer frame; /* the one that is being filled */
    uint64_t captured;
} capture;

typedef struct {
    uint64_t run, late;
} counts;

static atomic_bool stopping;

static void stop(int signal) {
    (void)signal;
    atomic_store(&stopping, true);
}

/* Signals interrupt the capturing thread only: it alone waits for something outside. Every thread inherits that they
 * are blocked, ONNX Runtime's too, until that one unblocks them. */
static void take_signals(int how) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(how, &signals, NULL);
}

static void *capture_frames(void *argument) {
    capture *self = argument;
    take_signals(SIG_UNBLOCK);
    while (!atomic_load(&stopping) && self->camera->read(self->camera, self->frame.pixels)) {
        self->frame.number = ++self->captured;
        latest_put(&self->slot, &self->frame);
    }
    latest_end(&self->slot);
    return NULL;
}

static bool fail(const char *what) {
    fprintf(stderr, "firmware-c: %s: %s\n", what, farsight_last_error());
    return false;
}

static bool print_boxes(const farsight_pipeline *pipeline, uint64_t frame) {
    farsight_detections found = {.size = sizeof found};
    if (farsight_pipeline_detections(pipeline, &found) != FARSIGHT_STATUS_OK) return fail("boxes");
    for (size_t i = 0; i < found.count; i++) {
        farsight_detection box = found.items[i];
        const char *label = "";
        farsight_pipeline_label(pipeline, box.class_id, &label);
        printf("%llu %u %.4f %.2f %.2f %.2f %.2f %s\n", (unsigned long long)frame, box.class_id, box.score, box.x1,
               box.y1, box.x2, box.y2, label);
    }
    fflush(stdout);
    return true;
}

/* Runs every frame that can be had until there are no more. */
static bool look(farsight_pipeline *pipeline, capture *capture, buffer taken, uint32_t deadline_ms, counts *counts) {
    const camera *camera = capture->camera;
    size_t luma = camera->stride * camera->height;
    farsight_run_options options = {.size = sizeof options, .timeout_us = 1000 * (uint64_t)deadline_ms};
    farsight_frame frame = {.size = sizeof frame, .format = FARSIGHT_PIXEL_FORMAT_NV12, .yuv = camera->yuv,
                            .width = camera->width, .height = camera->height, .pixels_bytes = luma,
                            .stride = camera->stride, .chroma_bytes = luma / 2, .chroma_stride = camera->stride};
    bool good = true;
    while (good && latest_take(&capture->slot, &taken)) {
        frame.pixels = taken.pixels;
        frame.chroma = taken.pixels + luma;
        farsight_status status = farsight_pipeline_run(pipeline, &frame, &options);
        if (status == FARSIGHT_STATUS_TIMEOUT) {
            counts->late++;
        } else if (status == FARSIGHT_STATUS_OK) {
            counts->run++;
            good = print_boxes(pipeline, taken.number);
        } else {
            good = fail("run");
        }
    }
    free(taken.pixels);
    return good;
}

/* Three frames' memory: one is filled, one waits, one is looked at. */
static bool capture_and_look(farsight_pipeline *pipeline, camera *camera, const arguments *given) {
    size_t bytes = camera_bytes(camera);
    capture capture = {.camera = camera, .frame.pixels = malloc(bytes)};
    buffer spare = {.pixels = malloc(bytes)}, taken = {.pixels = malloc(bytes)};
    pthread_t thread;
    latest_init(&capture.slot, spare);
    bool good = capture.frame.pixels && spare.pixels && taken.pixels &&
                pthread_create(&thread, NULL, capture_frames, &capture) == 0;
    if (good) {
        counts counts = {0};
        good = look(pipeline, &capture, taken, given->deadline_ms, &counts);
        /* After a fault the thread captures still; a signal ends its waiting. */
        if (!good) pthread_kill(thread, SIGTERM);
        pthread_join(thread, NULL);
        fprintf(stderr, "%llu frames: %llu run, %llu dropped, %llu late\n", (unsigned long long)capture.captured,
                (unsigned long long)counts.run, (unsigned long long)capture.slot.dropped,
                (unsigned long long)counts.late);
    } else {
        fprintf(stderr, "firmware-c: no memory for frames of %zu bytes, or no thread\n", bytes);
        free(taken.pixels);
    }
    free(capture.frame.pixels);
    free(capture.slot.waiting.pixels);
    return good;
}

static camera *open_camera(const arguments *given) {
    struct stat file;
    bool is_device = stat(given->source, &file) == 0 && S_ISCHR(file.st_mode);
    return is_device ? camera_open_v4l2(given->source, given->width, given->height)
                     : camera_open_file(given->source, given->width, given->height, given->fps);
}

static bool is_number(const char *text, unsigned long least, unsigned long most, uint32_t *number) {
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    *number = (uint32_t)value;
    return end != text && *end == '\0' && value >= least && value <= most;
}

static bool parse(int count, char **words, arguments *given) {
    *given = (arguments){.fps = 10};
    bool good = true;
    for (int option; (option = getopt(count, words, "f:d:")) != -1;) {
        if (option == 'f') good = good && is_number(optarg, 0, 1000, &given->fps);
        else if (option == 'd') good = good && is_number(optarg, 1, 60000, &given->deadline_ms);
        else good = false;
    }
    if (!good || count - optind != 4) return false;
    given->bundle = words[optind];
    given->source = words[optind + 1];
    good = is_number(words[optind + 2], 2, 65534, &given->width) && is_number(words[optind + 3], 2, 65534, &given->height);
    return good && given->width % 2 == 0 && given->height % 2 == 0;
}

int main(int count, char **words) {
    arguments given;
    if (!parse(count, words, &given)) {
        fputs(USAGE, stderr);
        return 2;
    }
    sigaction(SIGINT, &(struct sigaction){.sa_handler = stop}, NULL);
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = stop}, NULL);
    take_signals(SIG_BLOCK);

    farsight_pipeline *pipeline = NULL;
    if (farsight_init(FARSIGHT_ABI_VERSION) != FARSIGHT_STATUS_OK ||
        farsight_pipeline_open(FARSIGHT_ABI_VERSION, given.bundle, NULL, &pipeline) != FARSIGHT_STATUS_OK) {
        fail("open");
        return 1;
    }
    camera *camera = open_camera(&given);
    bool good = camera && capture_and_look(pipeline, camera, &given);
    if (camera) camera->close(camera);
    farsight_pipeline_close(pipeline);
    return good ? 0 : 1;
}
