// farsight for C++17: the C interface of farsight.h with owners in place of handles. Header only.
//
//     auto pipeline = farsight::Pipeline::open("cows.farsight").value();
//     auto frame = farsight::Frame::rgb8(1920, 1080, pixels, 1920 * 1080 * 3);
//     pipeline.run(frame).value();
//     for (const auto &cow : pipeline.detections().value()) std::printf("%.2f\n", cow.score);
//
// What can fail returns a Result. With exceptions, `value()` throws farsight::Error if there is none; without
// (FARSIGHT_NO_EXCEPTIONS, or a compiler told so) there is no `value()`, and a program asks first:
//
//     auto pipeline = farsight::Pipeline::open("cows.farsight");
//     if (!pipeline) std::puts(pipeline.error().message.c_str());
//     else pipeline->run(frame);
//
// What is said in farsight.h of threads and of the time that results live holds here too.

#ifndef FARSIGHT_HPP
#define FARSIGHT_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "farsight.h"

#if !defined(FARSIGHT_NO_EXCEPTIONS) && defined(__cpp_exceptions)
#define FARSIGHT_EXCEPTIONS 1
#include <stdexcept>
#endif

namespace farsight {

using Status = ::farsight_status;
using Detection = ::farsight_detection;
using ClassScore = ::farsight_class_score;

/// Why a call failed.
struct Failure {
    Status status = FARSIGHT_STATUS_OK;
    /// A short stable name of the fault, such as "not-found".
    std::string kind;
    /// For people.
    std::string message;
};

#ifdef FARSIGHT_EXCEPTIONS
/// A failure, thrown.
class Error : public std::runtime_error {
  public:
    explicit Error(Failure failure) : std::runtime_error(failure.message), failure_(std::move(failure)) {}

    Status status() const noexcept { return failure_.status; }
    const std::string &kind() const noexcept { return failure_.kind; }

  private:
    Failure failure_;
};
#endif

/// A value, or why there is none.
template <class T> class [[nodiscard]] Result {
  public:
    Result(T value) : value_(std::move(value)) {}
    Result(Failure failure) : failure_(std::move(failure)) {}

    bool has_value() const noexcept { return value_.has_value(); }
    explicit operator bool() const noexcept { return has_value(); }
    Status status() const noexcept { return failure_.status; }
    /// Why there is no value; empty if there is one.
    const Failure &error() const noexcept { return failure_; }

    /// The value. Only if there is one.
    T &operator*() noexcept { return *value_; }
    const T &operator*() const noexcept { return *value_; }
    T *operator->() noexcept { return &*value_; }
    const T *operator->() const noexcept { return &*value_; }

#ifdef FARSIGHT_EXCEPTIONS
    /// The value, or an exception.
    T &value() & {
        if (!value_) throw Error(failure_);
        return *value_;
    }
    const T &value() const & {
        if (!value_) throw Error(failure_);
        return *value_;
    }
    T value() && {
        if (!value_) throw Error(std::move(failure_));
        return std::move(*value_);
    }
#endif

  private:
    std::optional<T> value_;
    Failure failure_;
};

/// Done, or why not.
template <> class [[nodiscard]] Result<void> {
  public:
    Result() = default;
    Result(Failure failure) : failure_(std::move(failure)) {}

    bool has_value() const noexcept { return failure_.status == FARSIGHT_STATUS_OK; }
    explicit operator bool() const noexcept { return has_value(); }
    Status status() const noexcept { return failure_.status; }
    const Failure &error() const noexcept { return failure_; }

#ifdef FARSIGHT_EXCEPTIONS
    void value() const {
        if (!has_value()) throw Error(failure_);
    }
#endif

  private:
    Failure failure_;
};

namespace detail {

inline Failure failure(Status status) {
    return Failure{status, farsight_last_error_kind(), farsight_last_error()};
}

inline Result<void> result(Status status) {
    if (status != FARSIGHT_STATUS_OK) return failure(status);
    return {};
}

/// The value if the call that made it succeeded.
template <class T> Result<T> result(Status status, T value) {
    if (status != FARSIGHT_STATUS_OK) return failure(status);
    return value;
}

/// A struct of the C interface, all 0 but its size.
template <class T> T sized() {
    T made{};
    made.size = sizeof(T);
    return made;
}

} // namespace detail

/// Some items in memory that belongs to somebody else.
template <class T> class Span {
  public:
    Span() = default;
    Span(const T *items, std::size_t count) : items_(items), count_(count) {}

    const T *data() const noexcept { return items_; }
    std::size_t size() const noexcept { return count_; }
    bool empty() const noexcept { return count_ == 0; }
    const T *begin() const noexcept { return items_; }
    const T *end() const noexcept { return items_ + count_; }
    const T &operator[](std::size_t index) const noexcept { return items_[index]; }

  private:
    const T *items_ = nullptr;
    std::size_t count_ = 0;
};

/// Prepares the process: first thing in `main`, before other threads are started.
inline Result<void> init() { return detail::result(farsight_init(FARSIGHT_ABI_VERSION)); }

/// Version of the library, such as "0.1.0".
inline const char *version() noexcept { return farsight_version(); }

/// Sends the log to `callback`, as farsight_set_log does; nullptr ends that.
inline Result<void> set_log(farsight_log_callback callback, void *user, farsight_log_level level) {
    return detail::result(farsight_set_log(callback, user, level));
}

/// A camera frame: borrowed pixels. Rows without gaps where a stride is 0.
struct Frame : ::farsight_frame {
    /// One plane: RGB8, BGR8, GRAY8, YUYV, UYVY.
    static Frame packed(farsight_pixel_format format, std::uint32_t width, std::uint32_t height,
                        const std::uint8_t *pixels, std::size_t bytes, std::size_t stride = 0,
                        farsight_yuv yuv = FARSIGHT_YUV_BT601_LIMITED) {
        Frame frame{detail::sized<::farsight_frame>()};
        frame.format = format;
        frame.yuv = yuv;
        frame.width = width;
        frame.height = height;
        frame.pixels = pixels;
        frame.pixels_bytes = bytes;
        frame.stride = stride;
        return frame;
    }

    /// RGB bytes.
    static Frame rgb8(std::uint32_t width, std::uint32_t height, const std::uint8_t *pixels, std::size_t bytes,
                      std::size_t stride = 0) {
        return packed(FARSIGHT_PIXEL_FORMAT_RGB8, width, height, pixels, bytes, stride);
    }

    /// Two planes: NV12, NV21.
    static Frame biplanar(farsight_pixel_format format, std::uint32_t width, std::uint32_t height,
                          const std::uint8_t *luma, std::size_t luma_bytes, std::size_t luma_stride,
                          const std::uint8_t *chroma, std::size_t chroma_bytes, std::size_t chroma_stride,
                          farsight_yuv yuv = FARSIGHT_YUV_BT601_LIMITED) {
        Frame frame = packed(format, width, height, luma, luma_bytes, luma_stride, yuv);
        frame.chroma = chroma;
        frame.chroma_bytes = chroma_bytes;
        frame.chroma_stride = chroma_stride;
        return frame;
    }
};

/// What to change when opening.
struct Options : ::farsight_options {
    Options() : ::farsight_options(detail::sized<::farsight_options>()) {}

    /// What may be done with what was prepared on this device, and where it is (nullptr: the usual folder). `folder` is
    /// the caller's and has to be there until the pipeline is open.
    Options &cache(farsight_caching what, const char *folder = nullptr) {
        caching = what;
        cache_folder = folder;
        return *this;
    }
};

/// A raster in memory, which stays the caller's. Its fields are those of farsight_raster.
struct Raster : ::farsight_raster {
    Raster() : ::farsight_raster(detail::sized<::farsight_raster>()) {}
};

/// A class a pixel, row by row.
struct Mask {
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    Span<std::uint8_t> classes;
};

/// A tensor of the model.
struct Tensor {
    const char *name = "";
    farsight_element element = FARSIGHT_ELEMENT_F32;
    /// -1: open.
    Span<std::int64_t> shape;
    Span<std::uint8_t> bytes;
};

/// An open bundle. Closed when it goes; moved, not copied. One thread at a time, but for `cancel`.
class Pipeline {
  public:
    /// Opens the bundle at `path` (UTF-8).
    static Result<Pipeline> open(const char *path, const Options &options = Options()) {
        ::farsight_pipeline *handle = nullptr;
        Status status = farsight_pipeline_open(FARSIGHT_ABI_VERSION, path, &options, &handle);
        return opened(status, handle);
    }
    static Result<Pipeline> open(const std::string &path, const Options &options = Options()) {
        return open(path.c_str(), options);
    }

    /// Opens the bundle at `path` `count` times, with one thread each: a pipeline for each thread of the program.
    static Result<std::vector<Pipeline>> open_pool(const char *path, std::size_t count,
                                                   const Options &options = Options()) {
        // More than the library opens: it says so before anything is made for them.
        std::vector<::farsight_pipeline *> handles(count <= 1024 ? count : 1, nullptr);
        Status status = farsight_pipeline_open_pool(FARSIGHT_ABI_VERSION, path, &options, count, handles.data());
        if (status != FARSIGHT_STATUS_OK) return detail::failure(status);
        std::vector<Pipeline> pipelines;
        pipelines.reserve(count);
        for (::farsight_pipeline *handle : handles) pipelines.push_back(Pipeline(handle));
        return pipelines;
    }

    /// Opens a bundle in memory, which is not needed afterwards.
    static Result<Pipeline> open_memory(const std::uint8_t *bundle, std::size_t bytes,
                                        const Options &options = Options()) {
        ::farsight_pipeline *handle = nullptr;
        Status status = farsight_pipeline_open_memory(FARSIGHT_ABI_VERSION, bundle, bytes, &options, &handle);
        return opened(status, handle);
    }

    Pipeline(Pipeline &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Pipeline &operator=(Pipeline &&other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    Pipeline(const Pipeline &) = delete;
    Pipeline &operator=(const Pipeline &) = delete;
    ~Pipeline() { farsight_pipeline_close(handle_); }

    /// The handle, still this object's own.
    ::farsight_pipeline *handle() const noexcept { return handle_; }

    Result<::farsight_info> info() const {
        auto info = detail::sized<::farsight_info>();
        Status status = farsight_pipeline_info(handle_, &info);
        return detail::result(status, info);
    }

    /// Name of a class, until the pipeline's close; "" where the bundle has none.
    const char *label(std::uint32_t class_id) const {
        const char *label = "";
        farsight_pipeline_label(handle_, class_id, &label);
        return label;
    }

    /// Runs a frame.
    Result<void> run(const Frame &frame) { return detail::result(farsight_pipeline_run(handle_, &frame, nullptr)); }

    /// Runs a frame that is worth nothing after `limit`.
    Result<void> run_within(const Frame &frame, std::chrono::microseconds limit) {
        auto options = limited(limit);
        return detail::result(farsight_pipeline_run(handle_, &frame, &options));
    }

    /// Runs what is in the inputs.
    Result<void> run_tensors() { return detail::result(farsight_pipeline_run_tensors(handle_, nullptr)); }
    Result<void> run_tensors_within(std::chrono::microseconds limit) {
        auto options = limited(limit);
        return detail::result(farsight_pipeline_run_tensors(handle_, &options));
    }

    /// Runs a raster; a class a pixel goes into `mask`, which has room for width * height bytes.
    Result<::farsight_raster_result> run_raster(const Raster &raster, std::uint8_t *mask, std::size_t mask_bytes) {
        return ran(raster, nullptr, mask, mask_bytes);
    }

    /// Runs a raster whose mask is worth nothing after `limit`.
    Result<::farsight_raster_result> run_raster_within(const Raster &raster, std::uint8_t *mask,
                                                       std::size_t mask_bytes, std::chrono::microseconds limit) {
        auto options = limited(limit);
        return ran(raster, &options, mask, mask_bytes);
    }

    /// Stops the run in progress, or the next. From any thread, as long as this object is there.
    Result<void> cancel() const { return detail::result(farsight_pipeline_cancel(handle_)); }

    /// Boxes, best first, until the next run.
    Result<Span<Detection>> detections() const {
        auto found = detail::sized<::farsight_detections>();
        Status status = farsight_pipeline_detections(handle_, &found);
        return detail::result(status, Span<Detection>(found.items, found.count));
    }

    /// Classes, best first, until the next run.
    Result<Span<ClassScore>> classes() const {
        auto found = detail::sized<::farsight_classes>();
        Status status = farsight_pipeline_classes(handle_, &found);
        return detail::result(status, Span<ClassScore>(found.items, found.count));
    }

    /// A class a pixel, until the next run.
    Result<Mask> mask() const {
        auto found = detail::sized<::farsight_mask>();
        Status status = farsight_pipeline_mask(handle_, &found);
        std::size_t pixels = std::size_t{found.width} * found.height;
        return detail::result(status, Mask{found.width, found.height, Span<std::uint8_t>(found.classes, pixels)});
    }

    Result<::farsight_times> times() const {
        auto times = detail::sized<::farsight_times>();
        Status status = farsight_pipeline_times(handle_, &times);
        return detail::result(status, times);
    }

    /// What an input is and holds.
    Result<Tensor> input(std::uint32_t index) {
        auto tensor = detail::sized<::farsight_tensor>();
        Status status = farsight_pipeline_input(handle_, index, &tensor);
        return detail::result(status, seen(tensor));
    }

    /// What an output is and, after a run, holds.
    Result<Tensor> output(std::uint32_t index) {
        auto tensor = detail::sized<::farsight_tensor>();
        Status status = farsight_pipeline_output(handle_, index, &tensor);
        return detail::result(status, seen(tensor));
    }

    /// Copies elements into an input.
    Result<void> set_input(std::uint32_t index, farsight_element element, Span<std::int64_t> shape, const void *data,
                           std::size_t bytes) {
        auto tensor = detail::sized<::farsight_tensor>();
        tensor.element = element;
        tensor.rank = static_cast<std::uint32_t>(shape.size());
        tensor.shape = shape.data();
        tensor.data = data;
        tensor.bytes = bytes;
        return detail::result(farsight_pipeline_set_input(handle_, index, &tensor));
    }

  private:
    explicit Pipeline(::farsight_pipeline *handle) noexcept : handle_(handle) {}

    static Result<Pipeline> opened(Status status, ::farsight_pipeline *handle) {
        if (status != FARSIGHT_STATUS_OK) return detail::failure(status);
        return Pipeline(handle);
    }

    Result<::farsight_raster_result> ran(const Raster &raster, const ::farsight_run_options *options,
                                         std::uint8_t *mask, std::size_t mask_bytes) {
        auto result = detail::sized<::farsight_raster_result>();
        Status status = farsight_pipeline_run_raster(handle_, &raster, options, mask, mask_bytes, &result);
        return detail::result(status, result);
    }

    static ::farsight_run_options limited(std::chrono::microseconds limit) {
        auto options = detail::sized<::farsight_run_options>();
        // No time left is not the same as no limit.
        options.timeout_us = limit.count() > 0 ? static_cast<std::uint64_t>(limit.count()) : 1;
        return options;
    }

    static Tensor seen(const ::farsight_tensor &tensor) {
        Tensor seen;
        if (!tensor.name) return seen;
        seen.name = tensor.name;
        seen.element = static_cast<farsight_element>(tensor.element);
        seen.shape = Span<std::int64_t>(tensor.shape, tensor.rank);
        seen.bytes = Span<std::uint8_t>(static_cast<const std::uint8_t *>(tensor.data), tensor.bytes);
        return seen;
    }

    ::farsight_pipeline *handle_;
};

} // namespace farsight

#endif // FARSIGHT_HPP
