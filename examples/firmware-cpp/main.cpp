// Frames out of a pipe through a bundle: a line a box on standard output.
//
//     ffmpeg -i rtsp://barn/stream -pix_fmt nv12 -f rawvideo - | firmware-cpp cows.farsight - 1280 720
//
// One thread captures, the other one runs the model on the latest frame there is. SIGINT and SIGTERM end it cleanly.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <farsight.hpp>

#include "latest.hpp"

namespace {

struct Arguments {
    std::string bundle;
    std::string source;
    std::uint32_t width;
    std::uint32_t height;
    std::chrono::milliseconds limit; // 0: none
};

struct Shot {
    std::vector<std::uint8_t> pixels;
    std::uint64_t number = 0;
};

std::atomic<bool> stopping{false};

// Signals interrupt the capturing thread only: it alone waits for something outside.
void take_signals(int how) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(how, &signals, nullptr);
}

// A file of raw frames, or standard input.
class Source {
  public:
    explicit Source(const std::string &path) : path_(path), file_(path == "-" ? 0 : open(path.c_str(), O_RDONLY)) {
        if (file_ < 0) throw std::runtime_error(path + ": " + std::strerror(errno));
    }
    Source(const Source &) = delete;
    Source &operator=(const Source &) = delete;
    ~Source() { close(file_); }

    // Fills `pixels`; false at the end, or after a signal.
    bool read(std::vector<std::uint8_t> &pixels) const {
        for (std::size_t got = 0; got < pixels.size();) {
            ssize_t count = ::read(file_, pixels.data() + got, pixels.size() - got);
            if (count < 0 && errno != EINTR) std::perror(path_.c_str());
            if (count == 0 && got > 0) std::fprintf(stderr, "%s: its last frame is cut off\n", path_.c_str());
            if (count <= 0) return false;
            got += static_cast<std::size_t>(count);
        }
        return true;
    }

  private:
    std::string path_;
    int file_;
};

// Reads until the end or a signal; how many frames there were.
std::uint64_t capture(const Source &source, Shot shot, Latest<Shot> &latest) {
    std::uint64_t captured = 0;
    take_signals(SIG_UNBLOCK);
    while (!stopping && source.read(shot.pixels)) {
        shot.number = ++captured;
        latest.put(shot);
    }
    latest.end();
    return captured;
}

// NV12 without gaps between its rows.
farsight::Frame nv12(const Shot &shot, const Arguments &given) {
    std::size_t luma = std::size_t{given.width} * given.height;
    const std::uint8_t *pixels = shot.pixels.data();
    return farsight::Frame::biplanar(FARSIGHT_PIXEL_FORMAT_NV12, given.width, given.height, pixels, luma, given.width,
                                     pixels + luma, luma / 2, given.width);
}

void print_boxes(const farsight::Pipeline &pipeline, std::uint64_t frame) {
    for (const auto &box : pipeline.detections().value())
        std::printf("%llu %u %.4f %.2f %.2f %.2f %.2f %s\n", static_cast<unsigned long long>(frame), box.class_id,
                    box.score, box.x1, box.y1, box.x2, box.y2, pipeline.label(box.class_id));
    std::fflush(stdout);
}

struct Counts {
    std::uint64_t run = 0;
    std::uint64_t late = 0;
};

// Runs every frame that can be had until there are no more.
Counts look(farsight::Pipeline &pipeline, Latest<Shot> &latest, Shot shot, const Arguments &given) {
    Counts counts;
    while (latest.take(shot)) {
        farsight::Frame frame = nv12(shot, given);
        auto run = given.limit.count() ? pipeline.run_within(frame, given.limit) : pipeline.run(frame);
        if (run.status() == FARSIGHT_STATUS_TIMEOUT) {
            counts.late++;
            continue;
        }
        run.value();
        counts.run++;
        print_boxes(pipeline, shot.number);
    }
    return counts;
}

// Joins a thread however its scope is left; a signal ends its waiting.
class Joined {
  public:
    explicit Joined(std::thread thread) : thread_(std::move(thread)) {}
    ~Joined() {
        if (!thread_.joinable()) return;
        stopping = true;
        pthread_kill(thread_.native_handle(), SIGTERM);
        thread_.join();
    }
    void join() { thread_.join(); }

  private:
    std::thread thread_;
};

void run(const Arguments &given) {
    auto pipeline = farsight::Pipeline::open(given.bundle).value();
    Source source(given.source);
    Shot room{std::vector<std::uint8_t>(std::size_t{given.width} * given.height / 2 * 3), 0};
    Latest<Shot> latest(room);
    std::uint64_t captured = 0;
    Joined capturing(std::thread([&, room] { captured = capture(source, room, latest); }));
    Counts counts = look(pipeline, latest, room, given);
    capturing.join();
    std::fprintf(stderr, "%llu frames: %llu run, %llu dropped, %llu late\n", static_cast<unsigned long long>(captured),
                 static_cast<unsigned long long>(counts.run), static_cast<unsigned long long>(latest.dropped()),
                 static_cast<unsigned long long>(counts.late));
}

// A number from `least` to `most`, or an exception.
std::uint32_t number(const char *text, unsigned long least, unsigned long most) {
    std::size_t end = 0;
    unsigned long value = std::stoul(text, &end);
    if (text[end] != '\0' || value < least || value > most) throw std::out_of_range(text);
    return static_cast<std::uint32_t>(value);
}

Arguments parse(int count, char **words) {
    if (count < 5 || count > 6) throw std::invalid_argument("words");
    Arguments given{words[1], words[2], number(words[3], 2, 65534), number(words[4], 2, 65534), {}};
    if (given.width % 2 || given.height % 2) throw std::invalid_argument("size");
    if (count == 6) given.limit = std::chrono::milliseconds(number(words[5], 1, 60000));
    return given;
}

} // namespace

int main(int count, char **words) {
    Arguments given;
    try {
        given = parse(count, words);
    } catch (const std::logic_error &) {
        std::fputs("usage: firmware-cpp BUNDLE FILE|- WIDTH HEIGHT [MILLISECONDS]\n"
                   "  FILE          raw NV12 frames; -: from standard input\n"
                   "  MILLISECONDS  stop a run that takes longer, and go on with the next frame\n",
                   stderr);
        return 2;
    }
    struct sigaction action {};
    action.sa_handler = [](int) { stopping = true; };
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    take_signals(SIG_BLOCK);
    try {
        farsight::init().value();
        run(given);
        return 0;
    } catch (const std::exception &error) {
        std::fprintf(stderr, "firmware-cpp: %s\n", error.what());
        return 1;
    }
}
