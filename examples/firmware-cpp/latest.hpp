// Hands frames from one thread to another: only the latest one waits, one that nobody took is dropped and counted.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <utility>

template <class T> class Latest {
  public:
    // `spare` is room for a frame: frames are exchanged, never copied.
    explicit Latest(T spare) : waiting_(std::move(spare)) {}

    // Hands over a frame; `frame` gets room for the next one.
    void put(T &frame) {
        {
            std::lock_guard lock(mutex_);
            if (fresh_) dropped_++;
            std::swap(waiting_, frame);
            fresh_ = true;
        }
        changed_.notify_one();
    }

    // Says that no more will come.
    void end() {
        {
            std::lock_guard lock(mutex_);
            ended_ = true;
        }
        changed_.notify_one();
    }

    // Waits for a frame and exchanges `frame`, which is done with, for it; false if no more will come.
    bool take(T &frame) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return fresh_ || ended_; });
        if (!fresh_) return false;
        std::swap(waiting_, frame);
        fresh_ = false;
        return true;
    }

    std::uint64_t dropped() const {
        std::lock_guard lock(mutex_);
        return dropped_;
    }

  private:
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    T waiting_;
    bool fresh_ = false;
    bool ended_ = false;
    std::uint64_t dropped_ = 0;
};
