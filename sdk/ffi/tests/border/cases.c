/* Reads a list of cases (cases.rs writes it), runs them through farsight.h and tells what they gave. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "farsight.h"

#define WORD 4096

static void die(const char *what) {
    fprintf(stderr, "%s: %s\n", what, farsight_last_error());
    exit(1);
}

static void *allocate(size_t bytes) {
    void *memory = malloc(bytes ? bytes : 1);
    if (!memory) die("malloc");
    return memory;
}

/* cases.rs has the same. */
static uint8_t byte(uint32_t index, uint32_t seed) { return (uint8_t)(index * (2 * seed + 1) >> 4); }
static float value(uint32_t index, uint32_t seed) { return (float)((index * 37 + seed) % 101) / 8.0f - 5.0f; }

static uint16_t sample(uint32_t index, uint32_t seed) { return (uint16_t)(index * (2 * seed + 1) % 9973); }

static uint32_t number(FILE *list) {
    unsigned long value;
    if (fscanf(list, "%lu", &value) != 1) die("a number is missing in the list");
    return (uint32_t)value;
}

static char *word(FILE *list, char *into) {
    if (fscanf(list, "%4095s", into) != 1) die("a word is missing in the list");
    return into;
}

static uint32_t bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void tell_bytes(const void *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) printf("%02x", ((const uint8_t *)bytes)[i]);
    putchar('\n');
}

static void tell_error(void) { printf("error %s %s\n", farsight_last_error_kind(), farsight_last_error()); }

static const char *label(farsight_pipeline *pipeline, uint32_t class_id) {
    const char *label;
    return farsight_pipeline_label(pipeline, class_id, &label) == FARSIGHT_STATUS_OK ? label : "-";
}

static void tell_tensor(const farsight_tensor *tensor) {
    printf("tensor %s %u [", tensor->name, tensor->element);
    for (uint32_t i = 0; i < tensor->rank; i++) printf(i ? ",%lld" : "%lld", (long long)tensor->shape[i]);
    printf("]\n");
}

static farsight_info info_of(farsight_pipeline *pipeline) {
    farsight_info info = {.size = sizeof info};
    if (farsight_pipeline_info(pipeline, &info)) die("info");
    return info;
}

static void tell_pipeline(farsight_pipeline *pipeline) {
    farsight_info info = info_of(pipeline);
    printf("info %s %u %u %u %u\n", info.name, info.task, info.labels, info.inputs, info.outputs);
    for (uint32_t i = 0; i < info.labels; i++) printf("label %s\n", label(pipeline, i));
    farsight_tensor tensor = {.size = sizeof tensor};
    for (uint32_t i = 0; i < info.inputs; i++) {
        if (farsight_pipeline_input(pipeline, i, &tensor)) die("input");
        tell_tensor(&tensor);
    }
    for (uint32_t i = 0; i < info.outputs; i++) {
        if (farsight_pipeline_output(pipeline, i, &tensor)) die("output");
        tell_tensor(&tensor);
    }
}

static void tell_outputs(farsight_pipeline *pipeline) {
    uint32_t outputs = info_of(pipeline).outputs;
    farsight_tensor tensor = {.size = sizeof tensor};
    for (uint32_t i = 0; i < outputs; i++) {
        if (farsight_pipeline_output(pipeline, i, &tensor)) die("output");
        tell_tensor(&tensor);
        tell_bytes(tensor.data, tensor.bytes);
    }
}

static void tell_answer(farsight_pipeline *pipeline) {
    farsight_detections found = {.size = sizeof found};
    farsight_classes classes = {.size = sizeof classes};
    farsight_mask mask = {.size = sizeof mask};
    switch (info_of(pipeline).task) {
    case FARSIGHT_TASK_DETECT:
        if (farsight_pipeline_detections(pipeline, &found)) die("detections");
        for (size_t i = 0; i < found.count; i++) {
            farsight_detection box = found.items[i];
            printf("box %08x %08x %08x %08x %08x %u %s\n", bits(box.x1), bits(box.y1), bits(box.x2), bits(box.y2),
                   bits(box.score), box.class_id, label(pipeline, box.class_id));
        }
        break;
    case FARSIGHT_TASK_CLASSIFY:
        if (farsight_pipeline_classes(pipeline, &classes)) die("classes");
        for (size_t i = 0; i < classes.count; i++) {
            farsight_class_score class = classes.items[i];
            printf("class %08x %u %s\n", bits(class.score), class.class_id, label(pipeline, class.class_id));
        }
        break;
    case FARSIGHT_TASK_SEGMENT:
        if (farsight_pipeline_mask(pipeline, &mask)) die("mask");
        printf("mask %u %u\n", mask.width, mask.height);
        tell_bytes(mask.classes, (size_t)mask.width * mask.height);
        break;
    default:
        tell_outputs(pipeline);
    }
}

/* The bytes of a plane: of the file, or by the formula; exactly as many as told, so that valgrind sees a step beyond. */
static uint8_t *plane(const char *path, size_t bytes, uint32_t seed) {
    uint8_t *plane = allocate(bytes);
    if (strcmp(path, "-") != 0) {
        FILE *file = fopen(path, "rb");
        if (!file || fread(plane, 1, bytes, file) != bytes) die(path);
        fclose(file);
    } else {
        for (size_t i = 0; i < bytes; i++) plane[i] = byte((uint32_t)i, seed);
    }
    return plane;
}

static void run_frame(farsight_pipeline *pipeline, FILE *list) {
    char path[WORD];
    uint32_t seed = number(list);
    word(list, path);
    farsight_frame frame = {.size = sizeof frame};
    frame.format = number(list);
    frame.yuv = number(list);
    frame.width = number(list);
    frame.height = number(list);
    frame.pixels_bytes = number(list);
    frame.stride = number(list);
    frame.chroma_bytes = number(list);
    frame.chroma_stride = number(list);
    uint8_t *pixels = plane(path, frame.pixels_bytes, seed);
    uint8_t *chroma = plane("-", frame.chroma_bytes, seed + 1);
    frame.pixels = pixels;
    frame.chroma = frame.chroma_bytes ? chroma : NULL;
    if (pipeline) {
        if (farsight_pipeline_run(pipeline, &frame, NULL)) tell_error();
        else tell_answer(pipeline);
    }
    free(pixels);
    free(chroma);
}

static int set_input(farsight_pipeline *pipeline, uint32_t index, FILE *list) {
    int64_t shape[8];
    farsight_tensor tensor = {.size = sizeof tensor, .element = FARSIGHT_ELEMENT_F32, .shape = shape};
    uint32_t seed = number(list), count = 1;
    tensor.rank = number(list);
    for (uint32_t i = 0; i < tensor.rank; i++) count *= (uint32_t)(shape[i] = number(list));
    float *elements = allocate(count * sizeof *elements);
    for (uint32_t i = 0; i < count; i++) elements[i] = value(i, seed);
    tensor.data = elements;
    tensor.bytes = count * sizeof *elements;
    int failed = farsight_pipeline_set_input(pipeline, index, &tensor) != FARSIGHT_STATUS_OK;
    free(elements);
    return failed;
}

static void run_tensors(farsight_pipeline *pipeline, FILE *list) {
    uint32_t count = number(list);
    int failed = 0;
    for (uint32_t i = 0; i < count; i++) {
        /* The rest of a line is read whatever happens; the first error is told. */
        int this_failed = set_input(pipeline, i, list);
        if (this_failed && !failed) tell_error();
        failed |= this_failed;
    }
    if (failed) return;
    if (farsight_pipeline_run_tensors(pipeline, NULL)) tell_error();
    else tell_outputs(pipeline);
}

/* Splits "a,b,c" in place. */
static void split(char *names, const char **into, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        into[i] = names;
        names += strcspn(names, ",");
        if (*names) *names++ = 0;
    }
}

static void run_raster(farsight_pipeline *pipeline, FILE *list) {
    char names[WORD];
    const char *band_names[16];
    uint32_t seed = number(list);
    farsight_raster raster = {.size = sizeof raster, .element = FARSIGHT_ELEMENT_U16};
    raster.width = number(list);
    raster.height = number(list);
    raster.bands = number(list);
    word(list, names);
    if (strcmp(names, "-") != 0) {
        split(names, band_names, raster.bands);
        raster.band_names = band_names;
    }
    uint32_t pixels = raster.width * raster.height, count = pixels * raster.bands;
    uint16_t *samples = allocate(count * sizeof *samples);
    for (uint32_t i = 0; i < count; i++) samples[i] = sample(i, seed);
    raster.samples = samples;
    raster.bytes = count * sizeof *samples;
    uint8_t *mask = allocate(pixels);
    farsight_raster_result result = {.size = sizeof result};
    if (farsight_pipeline_run_raster(pipeline, &raster, NULL, mask, pixels, &result)) {
        tell_error();
    } else {
        printf("raster %llu %llu %u", (unsigned long long)result.windows, (unsigned long long)result.nodata_pixels,
               result.in_order);
        for (uint32_t i = 0; i < result.classes; i++) printf(" %llu", (unsigned long long)result.pixels[i]);
        putchar('\n');
        tell_bytes(mask, pixels);
    }
    free(samples);
    free(mask);
}

static void run_case(FILE *list, const char *kind) {
    char name[WORD], path[WORD];
    printf("case %s\n", word(list, name));
    farsight_pipeline *pipeline;
    if (farsight_pipeline_open(FARSIGHT_ABI_VERSION, word(list, path), NULL, &pipeline)) {
        tell_error();
        if (pipeline) die("a handle came with an error");
    }
    if (strcmp(kind, "frame") == 0) run_frame(pipeline, list);
    else if (strcmp(kind, "tensors") == 0) run_tensors(pipeline, list);
    else if (strcmp(kind, "raster") == 0) run_raster(pipeline, list);
    else if (pipeline) tell_pipeline(pipeline);
    if (farsight_pipeline_close(pipeline)) die("close");
}

int main(int count, char **arguments) {
    if (count != 2 || farsight_init(FARSIGHT_ABI_VERSION)) die("usage: cases LIST");
    FILE *list = fopen(arguments[1], "r");
    if (!list) die(arguments[1]);
    char kind[WORD];
    while (fscanf(list, "%4095s", kind) == 1) run_case(list, kind);
    fclose(list);
    if (farsight_open_pipelines() != 0) die("pipelines are still open");
    return 0;
}
