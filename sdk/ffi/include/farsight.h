// farsight: vision models for small computers. A bundle and a frame go in; boxes, classes or a mask come out.
//
//     farsight_pipeline *pipeline;
//     farsight_detections found = {.size = sizeof found};
//     farsight_frame frame = {.size = sizeof frame, .format = FARSIGHT_PIXEL_FORMAT_RGB8, .width = 1920,
//                             .height = 1080, .pixels = pixels, .pixels_bytes = 1920 * 1080 * 3};
//     farsight_init(FARSIGHT_ABI_VERSION);
//     if (farsight_pipeline_open(FARSIGHT_ABI_VERSION, "cows.farsight", NULL, &pipeline) ||
//         farsight_pipeline_run(pipeline, &frame, NULL) || farsight_pipeline_detections(pipeline, &found))
//         puts(farsight_last_error());
//     farsight_pipeline_close(pipeline);
//
// What holds for every function:
//
// - It returns a status; 0 (FARSIGHT_STATUS_OK) is success. farsight_last_error tells the rest, on the same thread.
// - A struct starts with its size: fill it with zeros, then set `size` to its sizeof. So programs and libraries of
//   different age work together, as long as their FARSIGHT_ABI_VERSION is the same. What goes out is filled as far as
//   the size says. Items of result arrays (farsight_detection, farsight_class_score) have none and never change.
// - Numbers of enums never change; new ones are added.
// - A pointer that the caller passes is NULL or good for the whole call: what is behind it is as large as its struct
//   or its length says, and nobody changes it meanwhile. NULL where something is needed is an error, not a crash.
//   The caller's memory is not kept after a call.
// - What the library hands out stays the library's: each function tells until when. Never free it.
// - A pipeline is for one thread at a time, whichever; a call while another thread is inside one returns
//   FARSIGHT_STATUS_BUSY. For more at once, open more. farsight_pipeline_cancel is for any thread at any time.
// - A handle is looked up, never followed: one that is closed or was never one returns FARSIGHT_STATUS_BAD_HANDLE.
// - No exception or panic comes out of it. FARSIGHT_STATUS_PANIC is a bug of the library.
//
// Written by cbindgen out of sdk/ffi/src; do not edit.

#ifndef FARSIGHT_H
#define FARSIGHT_H

#include <stddef.h>
#include <stdint.h>

// The version of this interface. A library and a header of different versions do not fit together. It is also the
// number in the library's soname.
#define FARSIGHT_ABI_VERSION 1

// What a call returns. The numbers never change; new ones come after the last.
enum farsight_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Done.
    FARSIGHT_STATUS_OK = 0,
    // A pointer is NULL, a text is not UTF-8, a number is out of range, a buffer has the wrong length.
    FARSIGHT_STATUS_BAD_ARGUMENT = 1,
    // A struct's `size` is none that this library knows, or a field that it does not know is set.
    FARSIGHT_STATUS_BAD_SIZE = 2,
    // The handle is NULL, closed, or never came from this library.
    FARSIGHT_STATUS_BAD_HANDLE = 3,
    // The frame: its format, sides, stride or length.
    FARSIGHT_STATUS_BAD_FRAME = 4,
    // Another thread is inside a call with this handle.
    FARSIGHT_STATUS_BUSY = 5,
    // The program's header and this library have different ABI versions.
    FARSIGHT_STATUS_WRONG_ABI = 6,
    // The bundle is missing, damaged, or of a format that this library does not read.
    FARSIGHT_STATUS_BUNDLE = 7,
    // The bundle was made for another platform or CPU.
    FARSIGHT_STATUS_WRONG_TARGET = 8,
    // ONNX Runtime was not found, or cannot be used here.
    FARSIGHT_STATUS_ONNX_RUNTIME = 9,
    // ONNX Runtime refuses the model, a provider is missing, or the model and its spec do not fit.
    FARSIGHT_STATUS_MODEL = 10,
    // The model takes no such input, or gives no such answer.
    FARSIGHT_STATUS_WRONG_TASK = 11,
    // There is no result yet, or an input has not been set.
    FARSIGHT_STATUS_NOT_READY = 12,
    // The run failed.
    FARSIGHT_STATUS_RUN = 13,
    // The run was stopped because its time was up.
    FARSIGHT_STATUS_TIMEOUT = 14,
    // The run was stopped by `farsight_pipeline_cancel`.
    FARSIGHT_STATUS_CANCELLED = 15,
    // The raster or its bands.
    FARSIGHT_STATUS_RASTER = 16,
    // This library was built without it.
    FARSIGHT_STATUS_NOT_BUILT = 17,
    // A bug in the library. Close the pipeline and open it again.
    FARSIGHT_STATUS_PANIC = 18,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum farsight_status farsight_status;
#else
typedef int32_t farsight_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What may be done with what was prepared on this device (`farsight warm` does so, too).
enum farsight_caching
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // What is there is used, and made anew where it is no good any more. Where nothing was prepared, nothing is
    // written.
    FARSIGHT_CACHING_USE = 0,
    // Nothing prepared is looked at.
    FARSIGHT_CACHING_OFF = 1,
    // As `FARSIGHT_CACHING_USE`; and what is not there is prepared and kept, which may take minutes. Where it cannot be
    // kept, the bundle is opened all the same.
    FARSIGHT_CACHING_MAKE = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum farsight_caching farsight_caching;
#else
typedef uint32_t farsight_caching;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What a tensor's elements are. The numbers are ONNX's own.
enum farsight_element
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // `float`.
    FARSIGHT_ELEMENT_F32 = 1,
    // `uint8_t`.
    FARSIGHT_ELEMENT_U8 = 2,
    // `int8_t`.
    FARSIGHT_ELEMENT_I8 = 3,
    // `uint16_t`.
    FARSIGHT_ELEMENT_U16 = 4,
    // `int16_t`.
    FARSIGHT_ELEMENT_I16 = 5,
    // `int32_t`.
    FARSIGHT_ELEMENT_I32 = 6,
    // `int64_t`.
    FARSIGHT_ELEMENT_I64 = 7,
    // One byte: 0 is false, everything else true.
    FARSIGHT_ELEMENT_BOOL = 9,
    // IEEE 754 binary16.
    FARSIGHT_ELEMENT_F16 = 10,
    // `double`.
    FARSIGHT_ELEMENT_F64 = 11,
    // `uint32_t`.
    FARSIGHT_ELEMENT_U32 = 12,
    // `uint64_t`.
    FARSIGHT_ELEMENT_U64 = 13,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum farsight_element farsight_element;
#else
typedef uint32_t farsight_element;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What a model takes.
enum farsight_input_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Camera frames.
    FARSIGHT_INPUT_KIND_FRAME = 1,
    // Georeferenced grids of bands.
    FARSIGHT_INPUT_KIND_RASTER = 2,
    // Raw tensors.
    FARSIGHT_INPUT_KIND_TENSORS = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum farsight_input_kind farsight_input_kind;
#else
typedef uint32_t farsight_input_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// How grave a line of the log is. As a limit: this and everything graver.
enum farsight_log_level
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Something does not work.
    FARSIGHT_LOG_LEVEL_ERROR = 1,
    // Something works, but not as one would like.
    FARSIGHT_LOG_LEVEL_WARN = 2,
    // What happens, in few words.
    FARSIGHT_LOG_LEVEL_INFO = 3,
    // For whoever looks for a fault.
    FARSIGHT_LOG_LEVEL_DEBUG = 4,
    // Everything.
    FARSIGHT_LOG_LEVEL_TRACE = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum farsight_log_level farsight_log_level;
#else
typedef uint32_t farsight_log_level;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// How the bytes of a frame encode its pixels. All have 8 bits a sample.
enum farsight_pixel_format
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Red, green, blue: 3 bytes a pixel.
    FARSIGHT_PIXEL_FORMAT_RGB8 = 1,
    // Blue, green, red: 3 bytes a pixel (OpenCV's order).
    FARSIGHT_PIXEL_FORMAT_BGR8 = 2,
    // One byte of luminance a pixel, full range.
    FARSIGHT_PIXEL_FORMAT_GRAY8 = 3,
    // 4:2:0 in two planes: luma, then `U V` pairs at half the width and height. Even width and height.
    FARSIGHT_PIXEL_FORMAT_NV12 = 4,
    // As NV12 with `V U` pairs.
    FARSIGHT_PIXEL_FORMAT_NV21 = 5,
    // 4:2:2 in one plane, `Y0 U Y1 V` for two pixels (YUY2). Even width.
    FARSIGHT_PIXEL_FORMAT_YUYV = 6,
    // 4:2:2 in one plane, `U Y0 V Y1` for two pixels. Even width.
    FARSIGHT_PIXEL_FORMAT_UYVY = 7,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum farsight_pixel_format farsight_pixel_format;
#else
typedef uint32_t farsight_pixel_format;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What a model does.
enum farsight_task
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Boxes with a class and a score.
    FARSIGHT_TASK_DETECT = 1,
    // Classes with scores, best first.
    FARSIGHT_TASK_CLASSIFY = 2,
    // One class a pixel.
    FARSIGHT_TASK_SEGMENT = 3,
    // Raw tensors: no decoder is known.
    FARSIGHT_TASK_TENSORS = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum farsight_task farsight_task;
#else
typedef uint32_t farsight_task;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Which colours a YUV triple stands for. Ask the camera driver; a wrong guess shifts every colour.
enum farsight_yuv
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // BT.601, limited range: what most cameras deliver.
    FARSIGHT_YUV_BT601_LIMITED = 0,
    // BT.601, full range: JPEG and many USB cameras.
    FARSIGHT_YUV_BT601_FULL = 1,
    // BT.709, limited range: HD video.
    FARSIGHT_YUV_BT709_LIMITED = 2,
    // BT.709, full range.
    FARSIGHT_YUV_BT709_FULL = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum farsight_yuv farsight_yuv;
#else
typedef uint32_t farsight_yuv;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// An open pipeline.
//
// One thread at a time: a call that comes while another thread is inside one returns `FARSIGHT_STATUS_BUSY`. Which
// thread that is may change from call to call.
typedef struct farsight_pipeline farsight_pipeline;

// Takes a line of the log. `target` says who speaks (`onnxruntime`, `farsight_engine`, …); both texts are the
// library's, for the time of the call. It may be called from any thread, several at once. It must return (no
// exception, no `longjmp`) and may not call farsight.
typedef void (*farsight_log_callback)(void *user, uint32_t level, const char *target, const char *message);

// What to change when opening a pipeline. All 0 but `size` changes nothing.
typedef struct {
    // `sizeof(farsight_options)`.
    size_t size;
    // Path of the ONNX Runtime library, UTF-8; NULL: `ORT_DYLIB_PATH`, beside the program, farsight's cache, the
    // system. A process loads one only. Read during the call.
    const char *onnxruntime;
    // Threads of the session; 0: as many as the bundle's target says. Never more than the process may use.
    uint32_t threads;
    // Not 0: open a bundle that was made for another target as well.
    uint32_t any_target;
    // Confidence threshold, above 0 to 1; 0: the bundle's.
    float conf;
    // IoU threshold of non-maximum suppression, above 0 to 1; 0: the bundle's.
    float iou;
    // Most boxes a frame; 0: the bundle's.
    uint32_t max_det;
    // 0.
    uint32_t reserved;
    // Folder of what was prepared on this device for a quick start, UTF-8; NULL: `FARSIGHT_CACHE`, else
    // `XDG_CACHE_HOME/farsight`, else `~/.cache/farsight`. The caller's; read during the call.
    const char *cache_folder;
    // One of `farsight_caching`: what may be done there.
    uint32_t caching;
    // 0.
    uint32_t reserved_2;
} farsight_options;

// What a pipeline is.
typedef struct {
    // `sizeof(farsight_info)`, set by the caller.
    size_t size;
    // Name of the model, until the pipeline's close.
    const char *name;
    // One of `farsight_task`.
    uint32_t task;
    // One of `farsight_input_kind`.
    uint32_t input;
    // Width of the model's input in pixels (a raster's: of a window); 0 for raw tensors.
    uint32_t input_width;
    // Height of the model's input in pixels; 0 for raw tensors.
    uint32_t input_height;
    // How many classes have a name.
    uint32_t labels;
    // How many input tensors the model has.
    uint32_t inputs;
    // How many output tensors the model has.
    uint32_t outputs;
    // How many threads work inside an operator.
    uint32_t threads;
} farsight_info;

// A camera frame. The pixels stay the caller's and are read during the call only.
typedef struct {
    // `sizeof(farsight_frame)`.
    size_t size;
    // One of `farsight_pixel_format`.
    uint32_t format;
    // One of `farsight_yuv`; 0 for formats that are not YUV.
    uint32_t yuv;
    // In pixels, 1 to 65535.
    uint32_t width;
    // In pixels, 1 to 65535.
    uint32_t height;
    // RGB, grey, packed YUV, or the luma of NV12 and NV21.
    const uint8_t *pixels;
    // How many bytes may be read there.
    size_t pixels_bytes;
    // Bytes from the start of a row to the start of the next; 0: rows without gaps.
    size_t stride;
    // The chroma pairs of NV12 and NV21, half as many rows as luma; NULL for other formats.
    const uint8_t *chroma;
    // How many bytes may be read there.
    size_t chroma_bytes;
    // As `stride`, for the chroma rows.
    size_t chroma_stride;
} farsight_frame;

// What to change in one run. All 0 but `size` changes nothing.
typedef struct {
    // `sizeof(farsight_run_options)`.
    size_t size;
    // Microseconds after which the answer is worth nothing: the run is stopped then and returns
    // `FARSIGHT_STATUS_TIMEOUT`. An operator at work is finished first. 0: no limit. The first run with a limit starts
    // a thread that watches over this one and all later ones. Of a raster, the time is looked at after each window.
    uint64_t timeout_us;
} farsight_run_options;

// A georeferenced grid of bands in the caller's memory, which is read during the call only.
typedef struct {
    // `sizeof(farsight_raster)`.
    size_t size;
    // The samples, in this machine's byte order.
    const void *samples;
    // How many bytes may be read there.
    size_t bytes;
    // One of `farsight_element`: U8, I8, U16, I16, U32, I32, F32 or F64.
    uint32_t element;
    // How many bands.
    uint32_t bands;
    // In pixels.
    uint32_t width;
    // In pixels.
    uint32_t height;
    // Bytes from a pixel to the next; 0: the size of a sample.
    size_t pixel_stride;
    // Bytes from a row to the next; 0: rows without gaps.
    size_t row_stride;
    // Bytes from a band to the next; 0: band after band without gaps.
    size_t band_stride;
    // Names of the bands, one each, UTF-8, by which the model finds those it takes; NULL: they have none, and the
    // model takes them in their order if they are as many as it wants.
    const char *const *band_names;
    // The value that means "no data here", if `has_nodata` is not 0; else the bundle's holds.
    double nodata;
    // See `nodata`.
    uint32_t has_nodata;
    // 0.
    uint32_t reserved;
} farsight_raster;

// What a raster gave beside its mask.
typedef struct {
    // `sizeof(farsight_raster_result)`, set by the caller.
    size_t size;
    // How many windows were run.
    uint64_t windows;
    // Pixels of each class, as many as `classes` says. The pipeline's own, until its next run or its close.
    const uint64_t *pixels;
    // How many classes the model has.
    uint32_t classes;
    // 1: the bands have no names and were taken in their order. A wrong order gives a wrong answer without an error.
    uint32_t in_order;
    // Pixels without data; 255 in the mask.
    uint64_t nodata_pixels;
} farsight_raster_result;

// An object that was found. Arrays of it are plain, so it has no size and never changes.
typedef struct {
    // Left edge in pixels of the frame.
    float x1;
    // Upper edge.
    float y1;
    // Right edge.
    float x2;
    // Lower edge.
    float y2;
    // 0 to 1.
    float score;
    // Number of the class, from 0.
    uint32_t class_id;
} farsight_detection;

// The objects that a run found.
typedef struct {
    // `sizeof(farsight_detections)`, set by the caller.
    size_t size;
    // Best first; NULL if there are none. The pipeline's own, until its next run or its close.
    const farsight_detection *items;
    // How many.
    size_t count;
} farsight_detections;

// A class with its score. Arrays of it are plain, so it has no size and never changes.
typedef struct {
    // Number of the class, from 0.
    uint32_t class_id;
    // Its probability, or what the model gives in its place.
    float score;
} farsight_class_score;

// The classes that a run gave.
typedef struct {
    // `sizeof(farsight_classes)`, set by the caller.
    size_t size;
    // Best first; NULL if there are none. The pipeline's own, until its next run or its close.
    const farsight_class_score *items;
    // How many.
    size_t count;
} farsight_classes;

// A class a pixel.
typedef struct {
    // `sizeof(farsight_mask)`, set by the caller.
    size_t size;
    // The frame's width in pixels.
    uint32_t width;
    // The frame's height in pixels.
    uint32_t height;
    // `width * height` bytes, row by row without gaps; 255 where the model saw nothing. The pipeline's own, until its
    // next run or its close.
    const uint8_t *classes;
} farsight_mask;

// Where the time of a run went, in nanoseconds.
typedef struct {
    // `sizeof(farsight_times)`, set by the caller.
    size_t size;
    // From pixels to the input tensor.
    uint64_t pre_ns;
    // The session.
    uint64_t infer_ns;
    // From raw tensors to the answer.
    uint64_t post_ns;
} farsight_times;

// A tensor: what it is, and its elements row by row.
typedef struct {
    // `sizeof(farsight_tensor)`, set by the caller.
    size_t size;
    // Its name in the model, until the pipeline's close. Not read by `farsight_pipeline_set_input`.
    const char *name;
    // One of `farsight_element`.
    uint32_t element;
    // How many axes.
    uint32_t rank;
    // Their lengths; -1: open.
    const int64_t *shape;
    // The elements; NULL while there are none.
    const void *data;
    // How many bytes they have.
    size_t bytes;
} farsight_tensor;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The ABI version of the library, to be compared with the header's `FARSIGHT_ABI_VERSION`. Never fails.
uint32_t farsight_abi_version(void);

// The library's version, such as "0.1.0". The library's own text, forever. Never fails.
const char *farsight_version(void);

// Prepares the process: call it first, before other threads are started.
//
// It sets `ORT_DISABLE_TELEMETRY=1` in the environment, so that ONNX Runtime sends and writes nothing of its own.
// Opening a pipeline does so too, but a thread that reads the environment at that moment would be in danger.
//
// `abi_version` is `FARSIGHT_ABI_VERSION`. Calling it again changes nothing.
farsight_status farsight_init(uint32_t abi_version);

// Why the last call on this thread that failed did, for people; "" if none has. The library's text, until the next
// call on this thread fails or the thread ends. Never NULL, never fails.
const char *farsight_last_error(void);

// The kind of that fault as a short stable name, such as "not-found" or "checksum"; finer than the status. The
// library's text, as long as that of `farsight_last_error`. Never NULL, never fails.
const char *farsight_last_error_kind(void);

// What a status means, in a few words; "unknown status" for other numbers. The library's own text, forever.
const char *farsight_status_text(int32_t status);

// Sends the library's log to `callback` from now on, with `user` as its first argument. NULL ends that.
//
// `level`, one of `farsight_log_level`, is the limit. Set it before the first pipeline is opened: ONNX Runtime looks
// at it then. Once a call returns, the callback of before is in use no more. Writing a line allocates.
farsight_status farsight_set_log(farsight_log_callback callback,
                                 void *user,
                                 uint32_t level);

// How many pipelines are open: 0 when a program has closed all of them. Never fails.
size_t farsight_open_pipelines(void);

// Opens the bundle at `path` (UTF-8) and puts a handle into `*pipeline`; NULL goes there on failure. The caller gives
// it back with `farsight_pipeline_close`.
//
// `abi_version` is `FARSIGHT_ABI_VERSION`. `options` may be NULL. Takes from milliseconds to seconds; the first one in a
// process loads ONNX Runtime. What `farsight warm` prepared on this device is used; it and the file must not be
// written to while a pipeline is open (replaced by another file they may be).
farsight_status farsight_pipeline_open(uint32_t abi_version,
                                       const char *path,
                                       const farsight_options *options,
                                       farsight_pipeline **pipeline);

// Opens the bundle at `path` `count` times, for most frames a second: a pipeline for each thread of the program, each
// with one thread of its own unless `options` say otherwise. They go into `pipelines[0]` to `pipelines[count - 1]`, and
// each is closed for itself; on failure NULL goes everywhere and none is open.
//
// A session that `farsight warm` prepared is mapped once, and all of them use its weights; without one, each has its
// own copy. `count` is 1 to 1024. Else as `farsight_pipeline_open`.
farsight_status farsight_pipeline_open_pool(uint32_t abi_version,
                                            const char *path,
                                            const farsight_options *options,
                                            size_t count,
                                            farsight_pipeline **pipelines);

// Opens a bundle of `bytes` bytes in memory, such as one that is linked into the firmware. They are the caller's and
// not needed afterwards. Else as `farsight_pipeline_open`.
farsight_status farsight_pipeline_open_memory(uint32_t abi_version,
                                              const uint8_t *bundle,
                                              size_t bytes,
                                              const farsight_options *options,
                                              farsight_pipeline **pipeline);

// Closes a pipeline and frees what it lent. NULL is fine. While another thread is inside a call with it, it stays open
// and `FARSIGHT_STATUS_BUSY` comes back. Closed twice: `FARSIGHT_STATUS_BAD_HANDLE`, and no harm done.
farsight_status farsight_pipeline_close(farsight_pipeline *pipeline);

// Tells what a pipeline is.
farsight_status farsight_pipeline_info(const farsight_pipeline *pipeline, farsight_info *info);

// Puts the name of a class into `*label`. The pipeline's own text, until its close. Where the bundle names no such
// class, "" goes there and `FARSIGHT_STATUS_BAD_ARGUMENT` comes back.
farsight_status farsight_pipeline_label(const farsight_pipeline *pipeline,
                                        uint32_t class_id,
                                        const char **label);

// Runs a frame. `options` may be NULL. What it gave is read with `farsight_pipeline_detections`, `_classes`, `_mask` or
// `_output`, after the model's task; what the run before gave is gone, whether this one succeeds or not.
//
// After the first frame of a size, a run that succeeds allocates nothing of farsight's own.
farsight_status farsight_pipeline_run(farsight_pipeline *pipeline,
                                      const farsight_frame *frame,
                                      const farsight_run_options *options);

// Stops the pipeline's run that is in progress, which then returns `FARSIGHT_STATUS_CANCELLED`; if there is none, the
// next one. From any thread, at any time, also while another is inside a call with the pipeline.
//
// ONNX Runtime looks between two operators: one that is at work is finished first.
farsight_status farsight_pipeline_cancel(const farsight_pipeline *pipeline);

// Runs a raster window by window and writes a class a pixel into `mask`, row by row without gaps: `width * height` of
// `mask_bytes` bytes, 255 where there are no data. `options` and `result` may be NULL. The mask's memory is not that of
// the samples, which are read until the last row is written.
//
// It takes memory for a row of windows beside the raster and its mask. On failure some of the mask is written.
// `FARSIGHT_STATUS_NOT_BUILT` if the library was built without rasters.
farsight_status farsight_pipeline_run_raster(farsight_pipeline *pipeline,
                                             const farsight_raster *raster,
                                             const farsight_run_options *options,
                                             uint8_t *mask,
                                             size_t mask_bytes,
                                             farsight_raster_result *result);

// Tells the boxes that the last run found, for a pipeline whose task is `FARSIGHT_TASK_DETECT`.
farsight_status farsight_pipeline_detections(const farsight_pipeline *pipeline,
                                             farsight_detections *detections);

// Tells the classes that the last run gave, for a pipeline whose task is `FARSIGHT_TASK_CLASSIFY`.
farsight_status farsight_pipeline_classes(const farsight_pipeline *pipeline, farsight_classes *classes);

// Tells the mask that the last run gave, for a pipeline whose task is `FARSIGHT_TASK_SEGMENT`.
farsight_status farsight_pipeline_mask(const farsight_pipeline *pipeline, farsight_mask *mask);

// Tells where the time of the last run of a frame went.
farsight_status farsight_pipeline_times(const farsight_pipeline *pipeline, farsight_times *times);

// Tells what input `index` of the model is, and what is in it: `data` is NULL while its shape is open still. Shape and
// data are the pipeline's own, until its next call that runs or sets something, or its close.
farsight_status farsight_pipeline_input(farsight_pipeline *pipeline,
                                        uint32_t index,
                                        farsight_tensor *tensor);

// Copies a tensor into input `index`. Element type, shape and bytes must be the input's; an axis that the model leaves
// open takes any length. The input keeps its content from run to run.
farsight_status farsight_pipeline_set_input(farsight_pipeline *pipeline,
                                            uint32_t index,
                                            const farsight_tensor *tensor);

// Runs the model on what is in its inputs, without pre- and post-processing. `options` may be NULL. What it gave is
// read with `farsight_pipeline_output`.
farsight_status farsight_pipeline_run_tensors(farsight_pipeline *pipeline,
                                              const farsight_run_options *options);

// Tells what output `index` of the model is, and what the last run put into it: `data` is NULL before the first run and
// after one that failed. Shape and data are the pipeline's own, until its next run or its close.
farsight_status farsight_pipeline_output(farsight_pipeline *pipeline,
                                         uint32_t index,
                                         farsight_tensor *tensor);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* FARSIGHT_H */
