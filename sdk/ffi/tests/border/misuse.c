/* What a C program can do wrong comes back as a status with a message, and the library works on. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "farsight.h"

static int failures = 0;

/* The call gives this status; a message tells why, if it is no success. */
#define EXPECT(expected, call) expect(expected, (call), #call, __LINE__)

static void expect(farsight_status expected, farsight_status found, const char *call, int line) {
    const char *text = found ? farsight_last_error() : "";
    if (found == expected && (found == FARSIGHT_STATUS_OK || (text[0] && farsight_last_error_kind()[0]))) return;
    fprintf(stderr, "line %d: %s\n  gave %d (%s, %s), expected %d (%s)\n", line, call, found,
            farsight_status_text(found), text, expected, farsight_status_text(expected));
    failures++;
}

#define CHECK(truth) check(truth, #truth, __LINE__)

static void check(int truth, const char *what, int line) {
    if (truth) return;
    fprintf(stderr, "line %d: not so: %s\n", line, what);
    failures++;
}

/* A message tells what it must. */
static void expect_text(const char *part, int line) {
    if (strstr(farsight_last_error(), part)) return;
    fprintf(stderr, "line %d: \"%s\" says nothing of \"%s\"\n", line, farsight_last_error(), part);
    failures++;
}

static const char *folder;

static const char *bundle(const char *name) {
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s.farsight", folder, name);
    return path;
}

static farsight_status open_it(const char *name, const farsight_options *options, farsight_pipeline **pipeline) {
    return farsight_pipeline_open(FARSIGHT_ABI_VERSION, bundle(name), options, pipeline);
}

static farsight_pipeline *opened(const char *name) {
    farsight_pipeline *pipeline;
    EXPECT(FARSIGHT_STATUS_OK, open_it(name, NULL, &pipeline));
    if (!pipeline) exit(1);
    return pipeline;
}

static uint8_t pixels[64 * 48 * 3];

static farsight_frame a_frame(void) {
    farsight_frame frame = {.size = sizeof frame,
                            .format = FARSIGHT_PIXEL_FORMAT_RGB8,
                            .width = 64,
                            .height = 48,
                            .pixels = pixels,
                            .pixels_bytes = sizeof pixels};
    return frame;
}

static void opening(void) {
    farsight_pipeline *pipeline = (farsight_pipeline *)1;
    const char *path = bundle("boxes");
    EXPECT(FARSIGHT_STATUS_WRONG_ABI, farsight_init(FARSIGHT_ABI_VERSION + 1));
    EXPECT(FARSIGHT_STATUS_WRONG_ABI, farsight_pipeline_open(FARSIGHT_ABI_VERSION + 1, path, NULL, &pipeline));
    CHECK(pipeline == NULL);
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT, farsight_pipeline_open(FARSIGHT_ABI_VERSION, NULL, NULL, &pipeline));
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT, farsight_pipeline_open(FARSIGHT_ABI_VERSION, path, NULL, NULL));
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT, farsight_pipeline_open(FARSIGHT_ABI_VERSION, "\xff", NULL, &pipeline));
    EXPECT(FARSIGHT_STATUS_BUNDLE, open_it("none", NULL, &pipeline));
    CHECK(strcmp(farsight_last_error_kind(), "not-found") == 0);
    EXPECT(FARSIGHT_STATUS_BUNDLE, open_it("text", NULL, &pipeline));
    EXPECT(FARSIGHT_STATUS_BUNDLE, open_it("cut", NULL, &pipeline));
    EXPECT(FARSIGHT_STATUS_WRONG_TARGET, open_it("elsewhere", NULL, &pipeline));
    CHECK(pipeline == NULL);

    EXPECT(FARSIGHT_STATUS_BUNDLE, farsight_pipeline_open_memory(FARSIGHT_ABI_VERSION, NULL, 0, NULL, &pipeline));
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT,
           farsight_pipeline_open_memory(FARSIGHT_ABI_VERSION, NULL, 1, NULL, &pipeline));
    EXPECT(FARSIGHT_STATUS_BUNDLE,
           farsight_pipeline_open_memory(FARSIGHT_ABI_VERSION, pixels, sizeof pixels, NULL, &pipeline));

    farsight_options options = {.size = sizeof options};
    options.onnxruntime = "/no/such/libonnxruntime.so";
    EXPECT(FARSIGHT_STATUS_ONNX_RUNTIME, open_it("boxes", &options, &pipeline));
    expect_text("/no/such/libonnxruntime.so", __LINE__);
    options.onnxruntime = NULL;
    options.size = 0;
    EXPECT(FARSIGHT_STATUS_BAD_SIZE, open_it("boxes", &options, &pipeline));
    options.size = (size_t)-1;
    EXPECT(FARSIGHT_STATUS_BAD_SIZE, open_it("boxes", &options, &pipeline));
    options.size = sizeof options;
    options.conf = 1.5f;
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT, open_it("boxes", &options, &pipeline));
    options.conf = 0;
    options.reserved = 1;
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT, open_it("boxes", &options, &pipeline));
    options.reserved = 0;
    options.any_target = 1;
    EXPECT(FARSIGHT_STATUS_OK, open_it("elsewhere", &options, &pipeline));
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_close(pipeline));
}

/* What is prepared goes where the caller says, and only if the caller says so. In a thread of its own: what Rust's
   library keeps for a program's first thread until its end is "possibly lost" for valgrind. */
static void *caching(void *unused) {
    char cache[4096], sessions[4200];
    snprintf(cache, sizeof cache, "%s/cache", folder);
    snprintf(sessions, sizeof sessions, "%s/sessions", cache);
    farsight_options options = {.size = sizeof options, .cache_folder = cache};
    farsight_pipeline *pipeline;
    for (uint32_t caching = FARSIGHT_CACHING_USE; caching <= FARSIGHT_CACHING_MAKE; caching++) {
        options.caching = caching;
        EXPECT(FARSIGHT_STATUS_OK, open_it("boxes", &options, &pipeline));
        EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_close(pipeline));
        CHECK((access(sessions, F_OK) == 0) == (caching == FARSIGHT_CACHING_MAKE));
    }
    options.caching = 3;
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT, open_it("boxes", &options, &pipeline));
    expect_text("options.caching is 3", __LINE__);
    options.caching = FARSIGHT_CACHING_USE;
    options.reserved_2 = 1;
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT, open_it("boxes", &options, &pipeline));
    options.reserved_2 = 0;
    options.cache_folder = "\xff";
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT, open_it("boxes", &options, &pipeline));
    /* A program with an older header, which had no cache. */
    options.size = offsetof(farsight_options, cache_folder);
    EXPECT(FARSIGHT_STATUS_OK, open_it("boxes", &options, &pipeline));
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_close(pipeline));
    options.size--;
    EXPECT(FARSIGHT_STATUS_BAD_SIZE, open_it("boxes", &options, &pipeline));
    return unused;
}

/* A pipeline for each thread of the program. */
static void pools(void) {
    farsight_pipeline *pool[3] = {(farsight_pipeline *)1, (farsight_pipeline *)1, (farsight_pipeline *)1};
    const char *path = bundle("boxes");
    EXPECT(FARSIGHT_STATUS_BUNDLE, farsight_pipeline_open_pool(FARSIGHT_ABI_VERSION, "none", NULL, 3, pool));
    CHECK(pool[0] == NULL && pool[1] == NULL && pool[2] == NULL);
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT, farsight_pipeline_open_pool(FARSIGHT_ABI_VERSION, path, NULL, 3, NULL));
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT, farsight_pipeline_open_pool(FARSIGHT_ABI_VERSION, path, NULL, 0, pool));
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT,
           farsight_pipeline_open_pool(FARSIGHT_ABI_VERSION, path, NULL, (size_t)-1, pool));
    EXPECT(FARSIGHT_STATUS_WRONG_ABI, farsight_pipeline_open_pool(FARSIGHT_ABI_VERSION + 1, path, NULL, 3, pool));
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_open_pool(FARSIGHT_ABI_VERSION, path, NULL, 3, pool));
    CHECK(farsight_open_pipelines() == 3);
    static uint8_t coloured[sizeof pixels];
    for (size_t i = 0; i < sizeof coloured; i++)
        coloured[i] = (uint8_t)(i * i / 7);
    farsight_frame frame = a_frame();
    frame.pixels = coloured;
    farsight_detections found[3];
    for (size_t i = 0; i < 3; i++) {
        farsight_info info = {.size = sizeof info};
        EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_info(pool[i], &info));
        CHECK(info.threads == 1);
        EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_run(pool[i], &frame, NULL));
        found[i] = (farsight_detections){.size = sizeof found[i]};
        EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_detections(pool[i], &found[i]));
        CHECK(found[i].count > 0 && found[i].count == found[0].count);
        CHECK(memcmp(found[i].items, found[0].items, found[0].count * sizeof *found[0].items) == 0);
    }
    for (size_t i = 0; i < 3; i++)
        EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_close(pool[i]));
}

/* A program with a newer header: more fields than this library knows. */
static void newer_and_older_headers(void) {
    struct {
        farsight_options known;
        uint64_t newer;
    } options = {.known.size = sizeof options};
    farsight_pipeline *pipeline;
    EXPECT(FARSIGHT_STATUS_OK, open_it("boxes", &options.known, &pipeline));
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_close(pipeline));
    options.newer = 1;
    EXPECT(FARSIGHT_STATUS_BAD_SIZE, open_it("boxes", &options.known, &pipeline));

    pipeline = opened("boxes");
    struct {
        farsight_info known;
        uint64_t newer;
        uint64_t behind;
    } info = {.known.size = offsetof(__typeof__(info), behind), .newer = 7, .behind = 8};
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_info(pipeline, &info.known));
    CHECK(info.newer == 0 && info.behind == 8 && info.known.size == offsetof(__typeof__(info), behind));
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_close(pipeline));
}

static void handles(void) {
    farsight_pipeline *pipeline = opened("boxes");
    farsight_frame frame = a_frame();
    farsight_detections found = {.size = sizeof found};
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_close(NULL));
    EXPECT(FARSIGHT_STATUS_BAD_HANDLE, farsight_pipeline_run(NULL, &frame, NULL));
    EXPECT(FARSIGHT_STATUS_BAD_HANDLE, farsight_pipeline_cancel(NULL));
    /* Pointers into memory, and numbers, that are no handles. */
    farsight_pipeline *rubbish[] = {(farsight_pipeline *)&frame, (farsight_pipeline *)(uintptr_t)-1,
                                    (farsight_pipeline *)((char *)pipeline + 1000)};
    for (size_t i = 0; i < sizeof rubbish / sizeof *rubbish; i++) {
        EXPECT(FARSIGHT_STATUS_BAD_HANDLE, farsight_pipeline_run(rubbish[i], &frame, NULL));
        EXPECT(FARSIGHT_STATUS_BAD_HANDLE, farsight_pipeline_close(rubbish[i]));
    }
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_run(pipeline, &frame, NULL));
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_close(pipeline));
    EXPECT(FARSIGHT_STATUS_BAD_HANDLE, farsight_pipeline_close(pipeline));
    expect_text("closed already", __LINE__);
    EXPECT(FARSIGHT_STATUS_BAD_HANDLE, farsight_pipeline_run(pipeline, &frame, NULL));
    EXPECT(FARSIGHT_STATUS_BAD_HANDLE, farsight_pipeline_detections(pipeline, &found));
    EXPECT(FARSIGHT_STATUS_BAD_HANDLE, farsight_pipeline_cancel(pipeline));
    farsight_pipeline *other = opened("boxes");
    CHECK(other != pipeline);
    EXPECT(FARSIGHT_STATUS_BAD_HANDLE, farsight_pipeline_close(pipeline));
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_close(other));
}

static void frames(void) {
    farsight_pipeline *pipeline = opened("boxes");
    farsight_frame frame = a_frame();
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT, farsight_pipeline_run(pipeline, NULL, NULL));
    frame.size = 8;
    EXPECT(FARSIGHT_STATUS_BAD_SIZE, farsight_pipeline_run(pipeline, &frame, NULL));
    frame = a_frame(), frame.pixels = NULL;
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT, farsight_pipeline_run(pipeline, &frame, NULL));
    frame = a_frame(), frame.pixels_bytes -= 1;
    EXPECT(FARSIGHT_STATUS_BAD_FRAME, farsight_pipeline_run(pipeline, &frame, NULL));
    frame = a_frame(), frame.pixels_bytes = (size_t)-1;
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT, farsight_pipeline_run(pipeline, &frame, NULL));
    frame = a_frame(), frame.width = 0;
    EXPECT(FARSIGHT_STATUS_BAD_FRAME, farsight_pipeline_run(pipeline, &frame, NULL));
    frame = a_frame(), frame.height = (uint32_t)-1;
    EXPECT(FARSIGHT_STATUS_BAD_FRAME, farsight_pipeline_run(pipeline, &frame, NULL));
    frame = a_frame(), frame.stride = (size_t)-1;
    EXPECT(FARSIGHT_STATUS_BAD_FRAME, farsight_pipeline_run(pipeline, &frame, NULL));
    frame = a_frame(), frame.format = 99;
    EXPECT(FARSIGHT_STATUS_BAD_FRAME, farsight_pipeline_run(pipeline, &frame, NULL));
    frame = a_frame(), frame.yuv = 99;
    EXPECT(FARSIGHT_STATUS_BAD_FRAME, farsight_pipeline_run(pipeline, &frame, NULL));
    frame = a_frame(), frame.format = FARSIGHT_PIXEL_FORMAT_NV12;
    EXPECT(FARSIGHT_STATUS_BAD_FRAME, farsight_pipeline_run(pipeline, &frame, NULL));
    frame = a_frame(), frame.chroma = pixels, frame.chroma_bytes = 10;
    EXPECT(FARSIGHT_STATUS_BAD_FRAME, farsight_pipeline_run(pipeline, &frame, NULL));
    frame = a_frame();
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_run(pipeline, &frame, NULL));
    farsight_run_options options = {0};
    EXPECT(FARSIGHT_STATUS_BAD_SIZE, farsight_pipeline_run(pipeline, &frame, &options));
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_close(pipeline));
}

static void results(void) {
    farsight_pipeline *pipeline = opened("boxes");
    farsight_frame frame = a_frame();
    farsight_detections found = {.size = sizeof found};
    farsight_classes classes = {.size = sizeof classes};
    farsight_mask mask = {.size = sizeof mask};
    farsight_times times = {.size = sizeof times};
    farsight_tensor tensor = {.size = sizeof tensor};
    const char *label;
    EXPECT(FARSIGHT_STATUS_NOT_READY, farsight_pipeline_detections(pipeline, &found));
    EXPECT(FARSIGHT_STATUS_NOT_READY, farsight_pipeline_classes(pipeline, &classes));
    EXPECT(FARSIGHT_STATUS_NOT_READY, farsight_pipeline_times(pipeline, &times));
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_output(pipeline, 0, &tensor));
    CHECK(tensor.data == NULL && tensor.bytes == 0);
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_run(pipeline, &frame, NULL));
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_detections(pipeline, &found));
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT, farsight_pipeline_detections(pipeline, NULL));
    EXPECT(FARSIGHT_STATUS_WRONG_TASK, farsight_pipeline_classes(pipeline, &classes));
    EXPECT(FARSIGHT_STATUS_WRONG_TASK, farsight_pipeline_mask(pipeline, &mask));
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_times(pipeline, &times));
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_output(pipeline, 0, &tensor));
    CHECK(tensor.bytes == 7 * 16 * sizeof(float));
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT, farsight_pipeline_output(pipeline, 1, &tensor));
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT, farsight_pipeline_input(pipeline, 7, &tensor));
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT, farsight_pipeline_label(pipeline, 3, &label));
    CHECK(label && !label[0]);
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT, farsight_pipeline_label(pipeline, 0, NULL));
    found.size = 0;
    EXPECT(FARSIGHT_STATUS_BAD_SIZE, farsight_pipeline_detections(pipeline, &found));
    found.size = sizeof found;
    /* What a run gave is gone when the next one fails. */
    frame.format = 99;
    EXPECT(FARSIGHT_STATUS_BAD_FRAME, farsight_pipeline_run(pipeline, &frame, NULL));
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_cancel(pipeline));
    frame = a_frame();
    EXPECT(FARSIGHT_STATUS_CANCELLED, farsight_pipeline_run(pipeline, &frame, NULL));
    EXPECT(FARSIGHT_STATUS_NOT_READY, farsight_pipeline_detections(pipeline, &found));
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_close(pipeline));
}

static void tensors(void) {
    farsight_pipeline *pipeline = opened("tensors");
    farsight_frame frame = a_frame();
    float elements[12] = {0};
    int64_t shape[2] = {3, 4};
    farsight_tensor good = {.size = sizeof good,
                            .element = FARSIGHT_ELEMENT_F32,
                            .rank = 2,
                            .shape = shape,
                            .data = elements,
                            .bytes = sizeof elements};
    farsight_tensor bad = good;
    EXPECT(FARSIGHT_STATUS_WRONG_TASK, farsight_pipeline_run(pipeline, &frame, NULL));
    EXPECT(FARSIGHT_STATUS_NOT_READY, farsight_pipeline_run_tensors(pipeline, NULL));
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT, farsight_pipeline_set_input(pipeline, 0, NULL));
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT, farsight_pipeline_set_input(pipeline, 2, &good));
    bad = good, bad.element = FARSIGHT_ELEMENT_F64;
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT, farsight_pipeline_set_input(pipeline, 0, &bad));
    bad = good, bad.rank = 1;
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT, farsight_pipeline_set_input(pipeline, 0, &bad));
    bad = good, bad.rank = (uint32_t)-1;
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT, farsight_pipeline_set_input(pipeline, 0, &bad));
    bad = good, bad.shape = NULL;
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT, farsight_pipeline_set_input(pipeline, 0, &bad));
    bad = good, bad.shape = (const int64_t *)((const char *)shape + 1), bad.rank = 1;
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT, farsight_pipeline_set_input(pipeline, 0, &bad));
    bad = good, bad.data = NULL;
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT, farsight_pipeline_set_input(pipeline, 0, &bad));
    bad = good, bad.bytes -= 4;
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT, farsight_pipeline_set_input(pipeline, 0, &bad));
    shape[0] = -3;
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT, farsight_pipeline_set_input(pipeline, 0, &good));
    shape[0] = INT64_MAX;
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT, farsight_pipeline_set_input(pipeline, 0, &good));
    shape[0] = 3;
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_set_input(pipeline, 0, &good));
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_run_tensors(pipeline, NULL));
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_close(pipeline));
}

static void rasters(void) {
    farsight_pipeline *pipeline;
    uint16_t samples[2 * 40 * 40] = {0};
    uint8_t mask[40 * 40];
    const char *names[] = {"red", NULL};
    farsight_raster good = {.size = sizeof good, .samples = samples, .bytes = sizeof samples,
                            .element = FARSIGHT_ELEMENT_U16, .bands = 2, .width = 40, .height = 40};
    farsight_raster_result result = {.size = sizeof result};
#ifdef FARSIGHT_TEST_RASTERS
    farsight_raster bad = good;
    pipeline = opened("raster");
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_run_raster(pipeline, &good, NULL, mask, sizeof mask, &result));
    CHECK(result.in_order == 1 && result.nodata_pixels == 40 * 40 && mask[0] == 255 && result.classes == 3);
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_run_raster(pipeline, &good, NULL, mask, sizeof mask, NULL));
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT, farsight_pipeline_run_raster(pipeline, &good, NULL, NULL, 0, NULL));
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT,
           farsight_pipeline_run_raster(pipeline, &good, NULL, mask, sizeof mask - 1, &result));
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT, farsight_pipeline_run_raster(pipeline, NULL, NULL, mask, sizeof mask, NULL));
    bad.bytes -= 1;
    EXPECT(FARSIGHT_STATUS_RASTER, farsight_pipeline_run_raster(pipeline, &bad, NULL, mask, sizeof mask, &result));
    bad = good, bad.bands = (uint32_t)-1;
    EXPECT(FARSIGHT_STATUS_RASTER, farsight_pipeline_run_raster(pipeline, &bad, NULL, mask, sizeof mask, &result));
    bad = good, bad.width = 0;
    EXPECT(FARSIGHT_STATUS_RASTER, farsight_pipeline_run_raster(pipeline, &bad, NULL, mask, sizeof mask, &result));
    bad = good, bad.row_stride = 3;
    EXPECT(FARSIGHT_STATUS_RASTER, farsight_pipeline_run_raster(pipeline, &bad, NULL, mask, sizeof mask, &result));
    bad = good, bad.element = FARSIGHT_ELEMENT_F16;
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT,
           farsight_pipeline_run_raster(pipeline, &bad, NULL, mask, sizeof mask, &result));
    bad = good, bad.band_names = names;
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT,
           farsight_pipeline_run_raster(pipeline, &bad, NULL, mask, sizeof mask, &result));
    bad.bands = 1;
    EXPECT(FARSIGHT_STATUS_RASTER, farsight_pipeline_run_raster(pipeline, &bad, NULL, mask, sizeof mask, &result));
    bad = good, bad.samples = NULL;
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT,
           farsight_pipeline_run_raster(pipeline, &bad, NULL, mask, sizeof mask, &result));
    farsight_run_options options = {.size = sizeof options, .timeout_us = 1};
    EXPECT(FARSIGHT_STATUS_TIMEOUT,
           farsight_pipeline_run_raster(pipeline, &good, &options, mask, sizeof mask, &result));
    /* That it was late does not stop the next one. */
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_run_raster(pipeline, &good, NULL, mask, sizeof mask, &result));
    bad = good, bad.samples = mask, bad.bytes = sizeof mask;
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT,
           farsight_pipeline_run_raster(pipeline, &bad, NULL, mask, sizeof mask, &result));
    expect_text("mask lies in the memory of raster.samples", __LINE__);
    result.size = 1;
    EXPECT(FARSIGHT_STATUS_BAD_SIZE, farsight_pipeline_run_raster(pipeline, &good, NULL, mask, sizeof mask, &result));
    result.size = sizeof result;
    farsight_frame frame = a_frame();
    EXPECT(FARSIGHT_STATUS_WRONG_TASK, farsight_pipeline_run(pipeline, &frame, NULL));
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_close(pipeline));
    farsight_status for_frames = FARSIGHT_STATUS_WRONG_TASK;
#else
    farsight_status for_frames = FARSIGHT_STATUS_NOT_BUILT;
    (void)names;
#endif
    pipeline = opened("boxes");
    EXPECT(for_frames, farsight_pipeline_run_raster(pipeline, &good, NULL, mask, sizeof mask, &result));
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_close(pipeline));
}

static void *run_slow(void *pipeline) {
    return (void *)(intptr_t)farsight_pipeline_run_tensors(pipeline, NULL);
}

static void wait_a_little(void) { nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); }

static void threads(void) {
    farsight_pipeline *pipeline = opened("slow");
    farsight_info info = {.size = sizeof info};
    farsight_run_options options = {.size = sizeof options, .timeout_us = 20000};
    EXPECT(FARSIGHT_STATUS_TIMEOUT, farsight_pipeline_run_tensors(pipeline, &options));

    pthread_t thread;
    void *status;
    if (pthread_create(&thread, NULL, run_slow, pipeline)) exit(1);
    /* Until the other thread is inside its run. */
    while (farsight_pipeline_info(pipeline, &info) == FARSIGHT_STATUS_OK) wait_a_little();
    EXPECT(FARSIGHT_STATUS_BUSY, farsight_pipeline_info(pipeline, &info));
    EXPECT(FARSIGHT_STATUS_BUSY, farsight_pipeline_run_tensors(pipeline, NULL));
    EXPECT(FARSIGHT_STATUS_BUSY, farsight_pipeline_close(pipeline));
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_cancel(pipeline));
    pthread_join(thread, &status);
    CHECK((intptr_t)status == FARSIGHT_STATUS_CANCELLED);
    /* The message belongs to the thread that failed: this one was told BUSY. */
    expect_text("another thread", __LINE__);
    /* Another thread than the one that opened it may use it. */
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_cancel(pipeline));
    if (pthread_create(&thread, NULL, run_slow, pipeline)) exit(1);
    pthread_join(thread, &status);
    CHECK((intptr_t)status == FARSIGHT_STATUS_CANCELLED);
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_close(pipeline));
}

static void count_line(void *user, uint32_t level, const char *target, const char *message) {
    if (level >= FARSIGHT_LOG_LEVEL_ERROR && level <= FARSIGHT_LOG_LEVEL_TRACE && target[0] && message[0]) {
        ++*(int *)user;
    }
    /* A callback that calls back is refused and does not hang. */
    if (farsight_set_log(NULL, NULL, 0) == FARSIGHT_STATUS_OK) abort();
}

static void logging(void) {
    int lines = 0;
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT, farsight_set_log(count_line, &lines, 99));
    EXPECT(FARSIGHT_STATUS_BAD_ARGUMENT, farsight_set_log(count_line, &lines, 0));
    EXPECT(FARSIGHT_STATUS_OK, farsight_set_log(count_line, &lines, FARSIGHT_LOG_LEVEL_TRACE));
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_close(opened("boxes")));
    EXPECT(FARSIGHT_STATUS_OK, farsight_set_log(NULL, NULL, 0));
    int before = lines;
    CHECK(before > 0);
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_close(opened("boxes")));
    CHECK(lines == before);
}

#ifdef FARSIGHT_TEST_PANIC
farsight_status farsight_test_panic(const farsight_pipeline *pipeline);

static void panics(void) {
    farsight_pipeline *pipeline = opened("boxes"), *other = opened("boxes");
    farsight_frame frame = a_frame();
    EXPECT(FARSIGHT_STATUS_PANIC, farsight_test_panic(NULL));
    expect_text("on purpose", __LINE__);
    EXPECT(FARSIGHT_STATUS_PANIC, farsight_test_panic(pipeline));
    EXPECT(FARSIGHT_STATUS_PANIC, farsight_pipeline_run(pipeline, &frame, NULL));
    expect_text("close it", __LINE__);
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_run(other, &frame, NULL));
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_close(pipeline));
    EXPECT(FARSIGHT_STATUS_OK, farsight_pipeline_close(other));
}
#else
static void panics(void) {}
#endif

int main(int count, char **arguments) {
    if (count != 2) return 2;
    folder = arguments[1];
    CHECK(farsight_abi_version() == FARSIGHT_ABI_VERSION);
    CHECK(farsight_last_error()[0] == 0 && farsight_last_error_kind()[0] == 0);
    CHECK(strcmp(farsight_status_text(-5), "unknown status") == 0);
    EXPECT(FARSIGHT_STATUS_OK, farsight_init(FARSIGHT_ABI_VERSION));
    CHECK(getenv("ORT_DISABLE_TELEMETRY") && strcmp(getenv("ORT_DISABLE_TELEMETRY"), "1") == 0);
    opening();
    pthread_t thread;
    if (pthread_create(&thread, NULL, caching, NULL) || pthread_join(thread, NULL)) return 1;
    pools();
    newer_and_older_headers();
    handles();
    frames();
    results();
    tensors();
    rasters();
    threads();
    logging();
    panics();
    CHECK(farsight_open_pipelines() == 0);
    if (failures) fprintf(stderr, "%d failures\n", failures);
    return failures ? 1 : 0;
}
