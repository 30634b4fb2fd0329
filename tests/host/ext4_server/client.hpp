// SPDX-License-Identifier: MIT
// A life of the server with its client on it: begins with what an earlier one left, goes on as protocol/fs.hpp says, and does
// the rest of a script. It remembers what there was at every request to the disk, so that a death there can be played afterwards.
#pragma once

#include <functional>
#include <map>
#include <random>

#include "servers/fs/ext4/session/session.hpp"
#include "tests/host/ext4/devices.hpp"
#include "tests/storage/ext4/script.hpp"

namespace pith::ext4fs::test {

using pith::test::Made;
using pith::test::Script;
using pith::test::Step;

/// What the client knows.
struct Knowledge {
    struct Kept {
        usize step = 0;
        bool answered = false;
    };
    bool attached = false;
    usize next_step = 0;
    u64 last = 0, committed = 0;
    std::map<u64, Kept> kept;       ///< by number
    std::map<u32, Fs::FileId> ids;  ///< by handle
    struct Hold {
        u32 file = 0;   ///< handle
        u64 since = 0;  ///< the first change that made it
    };
    std::map<u32, u64> held;       ///< by handle: since
    std::map<u64, Hold> released;  ///< by number of the release
};

/// What outlives the server, and its client.
struct Remains {
    std::vector<u8> disk;
    CommitRecord records[CommitRecords::kCount] = {};
    Knowledge client;
};

class Life final : private Port, private ext4::BlockDevice {
  public:
    Life(const Script& script, const Remains& remains, u64 seed);
    ~Life() override = default;
    /// To the end: everything is done, and unmounted. "" or what was wrong.
    std::string run();
    usize moments() const { return moments_.size(); }
    /// What there is when the server dies at that moment.
    Remains die(usize moment, const std::function<bool()>& survives) const;
    const std::vector<u8>& disk() { return disk_.content(); }
    const Knowledge& client() const { return client_; }

    Session& session() { return session_; }
    /// Carries out a request; returns what came.
    Fs::Completion send(Fs::Submission request, std::string_view content = {});
    u8* window() { return window_.data(); }
    /// How often it would have begun anew: its memory made no sense.
    u32 doubts() const { return doubts_; }
    const std::vector<u8>& at_doubt() const { return at_doubt_; }  ///< the disk, then
    ext4::test::RecordingDisk& device() { return disk_; }
    void begin() { session_.open(kSession); }
    /// "" or what was wrong.
    std::string attach();
    static constexpr u64 kSession = 77;

  private:
    struct Moment {
        usize events;  ///< of the disk, before the request
        CommitRecord records[CommitRecords::kCount];
        Knowledge client;
    };

    std::string resume();
    std::string perform(u64 number, usize step, bool answered);
    void remember();

    Result<ext4::BlockDevice*> open(const Fs::Attach&) override { return this; }
    void close() override {}
    void complete(const Fs::Completion& completion) override;
    void read(const Fs::Completion& completion, u64 place, std::span<const ext4::Piece> pieces) override;
    void finish_reads() override {}
    ext4::Time now() override { return {1'710'000'000, 0}; }
    bool memory_short() override { return false; }
    void start_over() override {
        doubts_++;
        at_doubt_ = disk_.content();
    }
    void report(std::string_view) override {}

    u64 size() const override { return disk_.size(); }
    bool read_only() const override { return false; }
    Result<> read(u64 offset, void* to, usize size) override { return disk_.read(offset, to, size); }
    Result<> write(u64 offset, const void* from, usize size) override {
        remember();
        return disk_.write(offset, from, size);
    }
    Result<> flush() override {
        remember();
        return disk_.flush();
    }

    const Script& script_;
    ext4::test::RecordingDisk disk_;
    CommitRecord records_[CommitRecords::kCount];
    Knowledge client_;
    std::vector<u8> window_;
    Session session_;
    std::vector<Moment> moments_;
    std::vector<Fs::Completion> completed_;
    std::function<void()> answered_;  ///< by the completion that comes next
    std::mt19937_64 random_;
    u32 doubts_ = 0;
    std::vector<u8> at_doubt_;
};

}  // namespace pith::ext4fs::test
