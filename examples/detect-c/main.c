/* Opens a bundle, finds objects in one frame of raw RGB bytes and prints a line a box. */
#include <stdio.h>
#include <stdlib.h>

#include <farsight.h>

static int fail(const char *what) {
    fprintf(stderr, "%s: %s\n", what, farsight_last_error());
    return 1;
}

/* The `bytes` bytes that a file must have, or NULL. */
static uint8_t *read_frame(const char *path, size_t bytes) {
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    uint8_t *frame = malloc(bytes);
    if (frame && (fread(frame, 1, bytes, file) != bytes || fgetc(file) != EOF)) {
        free(frame);
        frame = NULL;
    }
    fclose(file);
    return frame;
}

/* Opens a bundle that finds boxes. */
static int open_detector(const char *path, farsight_pipeline **pipeline) {
    farsight_info info = {.size = sizeof info};
    if (farsight_pipeline_open(FARSIGHT_ABI_VERSION, path, NULL, pipeline)) return fail("open");
    if (farsight_pipeline_info(*pipeline, &info)) return fail("info");
    if (info.task == FARSIGHT_TASK_DETECT) return 0;
    fprintf(stderr, "open: %s finds no boxes: its task is %u\n", path, info.task);
    return 1;
}

/* Runs the frame and prints what it shows. */
static int find(farsight_pipeline *pipeline, const uint8_t *pixels, uint32_t width, uint32_t height) {
    farsight_detections found = {.size = sizeof found};
    farsight_frame frame = {.size = sizeof frame,
                            .format = FARSIGHT_PIXEL_FORMAT_RGB8,
                            .width = width,
                            .height = height,
                            .pixels = pixels,
                            .pixels_bytes = (size_t)width * height * 3};
    if (farsight_pipeline_run(pipeline, &frame, NULL)) return fail("run");
    if (farsight_pipeline_detections(pipeline, &found)) return fail("detections");
    for (size_t i = 0; i < found.count; i++) {
        farsight_detection box = found.items[i];
        printf("%u %.4f %.4f %.4f %.4f %.4f\n", box.class_id, box.score, box.x1, box.y1, box.x2, box.y2);
    }
    return 0;
}

int main(int count, char **arguments) {
    if (count != 5) {
        fprintf(stderr, "usage: %s BUNDLE WIDTH HEIGHT FRAME.rgb\n", arguments[0]);
        return 2;
    }
    if (farsight_init(FARSIGHT_ABI_VERSION)) return fail("farsight");
    unsigned long width = strtoul(arguments[2], NULL, 10), height = strtoul(arguments[3], NULL, 10);
    if (width < 1 || width > 65535 || height < 1 || height > 65535) {
        fprintf(stderr, "WIDTH and HEIGHT go from 1 to 65535\n");
        return 2;
    }
    uint8_t *frame = read_frame(arguments[4], (size_t)width * height * 3);
    if (!frame) {
        fprintf(stderr, "%s: cannot read it, or it has not %lu x %lu x 3 bytes\n", arguments[4], width, height);
        return 1;
    }

    farsight_pipeline *pipeline = NULL;
    int status = open_detector(arguments[1], &pipeline);
    if (status == 0) status = find(pipeline, frame, (uint32_t)width, (uint32_t)height);
    farsight_pipeline_close(pipeline);
    free(frame);
    return status;
}
