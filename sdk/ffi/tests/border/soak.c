/* Ten thousand runs: memory, threads and open files stay what they were. Linux only: it reads /proc. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "farsight.h"

static void die(const char *what) {
    fprintf(stderr, "%s: %s\n", what, farsight_last_error());
    exit(1);
}

/* A number of /proc/self/status. */
static long status(const char *key) {
    char line[256];
    long value = -1;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, key, strlen(key)) == 0) value = atol(line + strlen(key));
    }
    if (file) fclose(file);
    return value;
}

static long open_files(void) {
    long count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder && readdir(folder)) count++;
    if (folder) closedir(folder);
    return count;
}

static uint8_t pixels[64 * 48 * 3];

static void run(farsight_pipeline *pipeline, int times) {
    farsight_frame frame = {.size = sizeof frame,
                            .format = FARSIGHT_PIXEL_FORMAT_RGB8,
                            .width = 64,
                            .height = 48,
                            .pixels = pixels,
                            .pixels_bytes = sizeof pixels};
    farsight_run_options options = {.size = sizeof options, .timeout_us = 60000000};
    farsight_detections found = {.size = sizeof found};
    for (int i = 0; i < times; i++) {
        memset(pixels, i * 37, sizeof pixels);
        if (farsight_pipeline_run(pipeline, &frame, i % 2 ? &options : NULL)) die("run");
        if (farsight_pipeline_detections(pipeline, &found)) die("detections");
        /* A run that fails leaves nothing either. */
        if (i % 100 == 0) {
            farsight_pipeline_cancel(pipeline);
            if (farsight_pipeline_run(pipeline, &frame, NULL) != FARSIGHT_STATUS_CANCELLED) die("cancel");
        }
    }
}

int main(int count, char **arguments) {
    if (count != 2 || farsight_init(FARSIGHT_ABI_VERSION)) die("usage: soak BUNDLE");
    farsight_pipeline *pipeline;
    if (farsight_pipeline_open(FARSIGHT_ABI_VERSION, arguments[1], NULL, &pipeline)) die("open");
    run(pipeline, 1000);
    long memory = status("VmRSS:"), threads = status("Threads:"), files = open_files();
    run(pipeline, 10000);
    long grown = status("VmRSS:") - memory;
    printf("%ld KB more, %ld threads, %ld open files\n", grown, status("Threads:"), open_files());
    if (memory < 0 || grown > 256) die("memory grew");
    if (status("Threads:") != threads) die("threads were left");
    if (open_files() != files) die("files were left open");
    if (farsight_pipeline_close(pipeline) || farsight_open_pipelines() != 0) die("close");
    return 0;
}
