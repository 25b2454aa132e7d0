// Reads a list of cases (cases.rs writes it), runs them through farsight.hpp and tells what they gave.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

#include "farsight.hpp"

static_assert(!std::is_copy_constructible_v<farsight::Pipeline>);
static_assert(std::is_nothrow_move_constructible_v<farsight::Pipeline>);

namespace {

[[noreturn]] void die(const char *what) {
    std::fprintf(stderr, "%s: %s\n", what, farsight_last_error());
    std::exit(1);
}

/// The value of something that cannot fail here.
template <class T> auto sure(farsight::Result<T> result) {
#ifdef FARSIGHT_EXCEPTIONS
    return std::move(result).value();
#else
    if (!result) die("a call failed");
    return std::move(*result);
#endif
}

// cases.rs has the same.
std::uint8_t byte(std::uint32_t index, std::uint32_t seed) {
    return static_cast<std::uint8_t>(index * (2 * seed + 1) >> 4);
}
float value(std::uint32_t index, std::uint32_t seed) {
    return static_cast<float>((index * 37 + seed) % 101) / 8.0f - 5.0f;
}

std::uint16_t sample(std::uint32_t index, std::uint32_t seed) {
    return static_cast<std::uint16_t>(index * (2 * seed + 1) % 9973);
}

template <class T> T next(std::istream &list) {
    T value;
    if (!(list >> value)) die("a word is missing in the list");
    return value;
}

std::uint32_t bits(float value) {
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

template <class Bytes> void tell_bytes(const Bytes &bytes) {
    for (auto byte : bytes) std::printf("%02x", byte);
    std::putchar('\n');
}

void tell_error(const farsight::Failure &failure) {
    std::printf("error %s %s\n", failure.kind.c_str(), failure.message.c_str());
}

const char *label(const farsight::Pipeline &pipeline, std::uint32_t class_id) {
    const char *label = pipeline.label(class_id);
    return *label ? label : "-";
}

void tell_tensor(const farsight::Tensor &tensor) {
    std::printf("tensor %s %u [", tensor.name, static_cast<unsigned>(tensor.element));
    for (std::size_t i = 0; i < tensor.shape.size(); i++) {
        std::printf(i ? ",%lld" : "%lld", static_cast<long long>(tensor.shape[i]));
    }
    std::printf("]\n");
}

void tell_pipeline(farsight::Pipeline &pipeline) {
    auto info = sure(pipeline.info());
    std::printf("info %s %u %u %u %u\n", info.name, info.task, info.labels, info.inputs, info.outputs);
    for (std::uint32_t i = 0; i < info.labels; i++) std::printf("label %s\n", label(pipeline, i));
    for (std::uint32_t i = 0; i < info.inputs; i++) tell_tensor(sure(pipeline.input(i)));
    for (std::uint32_t i = 0; i < info.outputs; i++) tell_tensor(sure(pipeline.output(i)));
}

void tell_outputs(farsight::Pipeline &pipeline) {
    auto outputs = sure(pipeline.info()).outputs;
    for (std::uint32_t i = 0; i < outputs; i++) {
        auto tensor = sure(pipeline.output(i));
        tell_tensor(tensor);
        tell_bytes(tensor.bytes);
    }
}

void tell_answer(farsight::Pipeline &pipeline) {
    switch (sure(pipeline.info()).task) {
    case FARSIGHT_TASK_DETECT:
        for (const auto &box : sure(pipeline.detections())) {
            std::printf("box %08x %08x %08x %08x %08x %u %s\n", bits(box.x1), bits(box.y1), bits(box.x2),
                        bits(box.y2), bits(box.score), box.class_id, label(pipeline, box.class_id));
        }
        break;
    case FARSIGHT_TASK_CLASSIFY:
        for (const auto &found : sure(pipeline.classes())) {
            std::printf("class %08x %u %s\n", bits(found.score), found.class_id, label(pipeline, found.class_id));
        }
        break;
    case FARSIGHT_TASK_SEGMENT: {
        auto mask = sure(pipeline.mask());
        std::printf("mask %u %u\n", mask.width, mask.height);
        tell_bytes(mask.classes);
        break;
    }
    default:
        tell_outputs(pipeline);
    }
}

using Pixels = std::vector<std::uint8_t>;

Pixels plane(const std::string &path, std::size_t bytes, std::uint32_t seed) {
    Pixels plane(bytes);
    if (path != "-") {
        std::ifstream file(path, std::ios::binary);
        if (!file.read(reinterpret_cast<char *>(plane.data()), static_cast<std::streamsize>(bytes))) die("a picture");
    } else {
        for (std::size_t i = 0; i < bytes; i++) plane[i] = byte(static_cast<std::uint32_t>(i), seed);
    }
    return plane;
}

void run_frame(farsight::Pipeline *pipeline, std::istream &list) {
    auto seed = next<std::uint32_t>(list);
    auto path = next<std::string>(list);
    auto format = static_cast<farsight_pixel_format>(next<std::uint32_t>(list));
    auto yuv = static_cast<farsight_yuv>(next<std::uint32_t>(list));
    auto width = next<std::uint32_t>(list), height = next<std::uint32_t>(list);
    auto pixels = plane(path, next<std::size_t>(list), seed);
    auto stride = next<std::size_t>(list);
    auto chroma = plane("-", next<std::size_t>(list), seed + 1);
    auto chroma_stride = next<std::size_t>(list);
    if (!pipeline) return;
    bool has_two = format == FARSIGHT_PIXEL_FORMAT_NV12 || format == FARSIGHT_PIXEL_FORMAT_NV21;
    auto frame = has_two ? farsight::Frame::biplanar(format, width, height, pixels.data(), pixels.size(), stride,
                                                     chroma.data(), chroma.size(), chroma_stride, yuv)
                         : farsight::Frame::packed(format, width, height, pixels.data(), pixels.size(), stride, yuv);
    if (auto done = pipeline->run(frame); !done) tell_error(done.error());
    else tell_answer(*pipeline);
}

farsight::Result<void> set_input(farsight::Pipeline &pipeline, std::uint32_t index, std::istream &list) {
    auto seed = next<std::uint32_t>(list);
    std::vector<std::int64_t> shape(next<std::size_t>(list));
    std::size_t count = 1;
    for (auto &length : shape) count *= static_cast<std::size_t>(length = next<std::int64_t>(list));
    std::vector<float> elements(count);
    for (std::size_t i = 0; i < count; i++) elements[i] = value(static_cast<std::uint32_t>(i), seed);
    return pipeline.set_input(index, FARSIGHT_ELEMENT_F32, {shape.data(), shape.size()}, elements.data(),
                              count * sizeof(float));
}

void run_tensors(farsight::Pipeline &pipeline, std::istream &list) {
    auto count = next<std::uint32_t>(list);
    bool failed = false;
    for (std::uint32_t i = 0; i < count; i++) {
        // The rest of a line is read whatever happens; the first error is told.
        auto set = set_input(pipeline, i, list);
        if (!set && !failed) tell_error(set.error());
        failed |= !set;
    }
    if (failed) return;
    if (auto done = pipeline.run_tensors(); !done) tell_error(done.error());
    else tell_outputs(pipeline);
}

void run_raster(farsight::Pipeline &pipeline, std::istream &list) {
    auto seed = next<std::uint32_t>(list);
    farsight::Raster raster;
    raster.element = FARSIGHT_ELEMENT_U16;
    raster.width = next<std::uint32_t>(list);
    raster.height = next<std::uint32_t>(list);
    raster.bands = next<std::uint32_t>(list);
    auto names = next<std::string>(list);
    std::vector<std::string> split;
    std::vector<const char *> band_names;
    std::istringstream parts(names);
    for (std::string name; std::getline(parts, name, ',');) split.push_back(name);
    for (const auto &name : split) band_names.push_back(name.c_str());
    if (names != "-") raster.band_names = band_names.data();
    std::size_t pixels = std::size_t{raster.width} * raster.height;
    std::vector<std::uint16_t> samples(pixels * raster.bands);
    for (std::size_t i = 0; i < samples.size(); i++) samples[i] = sample(static_cast<std::uint32_t>(i), seed);
    raster.samples = samples.data();
    raster.bytes = samples.size() * sizeof(std::uint16_t);
    Pixels mask(pixels);
    auto late = pipeline.run_raster_within(raster, mask.data(), mask.size(), std::chrono::microseconds(1));
    if (late || late.status() == FARSIGHT_STATUS_OK) std::puts("a raster within a microsecond");
    auto done = pipeline.run_raster(raster, mask.data(), mask.size());
    if (!done) return tell_error(done.error());
    std::printf("raster %llu %llu %u", static_cast<unsigned long long>(done->windows),
                static_cast<unsigned long long>(done->nodata_pixels), done->in_order);
    for (std::uint32_t i = 0; i < done->classes; i++) {
        std::printf(" %llu", static_cast<unsigned long long>(done->pixels[i]));
    }
    std::putchar('\n');
    tell_bytes(mask);
}

void run_case(const std::string &kind, std::istream &list) {
    std::printf("case %s\n", next<std::string>(list).c_str());
    auto opened = farsight::Pipeline::open(next<std::string>(list));
    if (!opened) tell_error(opened.error());
    if (kind == "frame") run_frame(opened ? &*opened : nullptr, list);
    else if (kind == "tensors") run_tensors(*opened, list);
    else if (kind == "raster") run_raster(*opened, list);
    else if (opened) tell_pipeline(*opened);
}

/// What the wrapper itself adds: moves, and exceptions where there are some.
void check_wrapper(const std::string &path) {
    auto first = sure(farsight::Pipeline::open(path));
    auto second = std::move(first);
    first = std::move(second);
    if (!first.info() || second.info().status() != FARSIGHT_STATUS_BAD_HANDLE) die("a moved pipeline");
    if (farsight_open_pipelines() != 1) die("a move opened or closed a pipeline");
#ifdef FARSIGHT_EXCEPTIONS
    try {
        farsight::Pipeline::open("/no/such/bundle").value();
        die("nothing was thrown");
    } catch (const farsight::Error &error) {
        if (error.status() != FARSIGHT_STATUS_BUNDLE || error.kind() != "not-found" || !*error.what()) die("an error");
    }
#endif
}

} // namespace

int main(int count, char **arguments) {
    if (count != 2 || !farsight::init()) die("usage: cases LIST");
    std::ifstream list(arguments[1]);
    bool is_first = true;
    for (std::string kind; list >> kind;) {
        if (std::exchange(is_first, false)) {
            auto start = list.tellg();
            next<std::string>(list);
            check_wrapper(next<std::string>(list));
            list.seekg(start);
        }
        run_case(kind, list);
    }
    if (farsight_open_pipelines() != 0) die("pipelines are still open");
    return 0;
}
