/* Opens a bundle, finds objects in one frame of raw RGB bytes and prints a line a box. */
#include <stdio.h>
#include <stdlib.h>

#include "detect.h"

#define MAX_BOXES 300

static int fail(const char *what) {
    fprintf(stderr, "%s: %s\n", what, detect_last_error());
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

int main(int count, char **arguments) {
    if (count != 5) {
        fprintf(stderr, "usage: %s BUNDLE WIDTH HEIGHT FRAME.rgb\n", arguments[0]);
        return 2;
    }
    size_t width = strtoul(arguments[2], NULL, 10), height = strtoul(arguments[3], NULL, 10);
    if (width < 1 || width > 65535 || height < 1 || height > 65535) {
        fprintf(stderr, "WIDTH and HEIGHT go from 1 to 65535\n");
        return 2;
    }
    uint8_t *frame = read_frame(arguments[4], width * height * 3);
    if (!frame) {
        fprintf(stderr, "%s: cannot read it, or it has not %zu x %zu x 3 bytes\n", arguments[4], width, height);
        return 1;
    }

    detector *detector;
    if (detect_open(arguments[1], &detector) != DETECT_OK) {
        free(frame);
        return fail("open");
    }
    detect_box boxes[MAX_BOXES];
    size_t found;
    int status = detect_run(detector, frame, width, height, boxes, MAX_BOXES, &found);
    if (status == DETECT_OK) {
        for (size_t i = 0; i < found && i < MAX_BOXES; i++) {
            detect_box box = boxes[i];
            printf("%u %.4f %.4f %.4f %.4f %.4f\n", box.class_, box.score, box.x1, box.y1, box.x2, box.y2);
        }
    } else {
        fail("run");
    }
    detect_close(detector);
    free(frame);
    return status == DETECT_OK ? 0 : 1;
}
