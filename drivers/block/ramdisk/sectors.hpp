// SPDX-License-Identifier: MIT
// Sectors in memory as a DiskDevice, which takes its time and fails as its parameters say. It makes no system call, so that it
// can be the device in tests on the host. One thread.
#pragma once

#include <optional>
#include <span>

#include "lib/driver/block/device.hpp"

namespace pith::ramdisk {

struct Parameters {
    u64 sectors = 0;
    u64 delay = 0;  ///< nanoseconds
    u64 bad_first = 0;
    u64 bad_count = 0;
    u64 stray = 0;
    bool read_only = false;
    bool shuffled = false;
};

class Sectors : public DiskDevice {
  public:
    static constexpr u32 kMaxSectors = 128;
    using Clock = abi::Time (*)();

    /// In `content`, whole sectors.
    Sectors(std::span<u8> content, const Parameters& parameters, Clock clock)
        : parameters_(parameters), content_(content), clock_(clock) {}

    Result<DiskFacts> start() override {
        count_ = 0;
        return DiskFacts{content_.size() / Block::kSectorSize, kMaxSectors,
                         parameters_.read_only ? Block::kReadOnly : 0, true};
    }
    void stop() override { count_ = 0; }
    bool failed() const override { return false; }
    bool room() const override { return count_ < kSlots; }
    bool submit(u32 slot, const DiskRequest& request) override;
    void publish() override {}

    struct Done {
        u32 slot;
        Error error;
    };
    /// Carries out a request, if one is due.
    std::optional<Done> next();
    bool idle() const { return count_ == 0; }
    /// When the first of what is pending is due; only if something is.
    abi::Time due() const { return pending_[0].due; }

  protected:
    const Parameters parameters_;

  private:
    struct Pending {
        DiskRequest request;
        u32 slot;
        abi::Time due;
    };
    Error carry_out(const DiskRequest& request) const;
    usize choose(usize due_count);

    std::span<u8> content_;
    Clock clock_;
    Pending pending_[kSlots] = {};  ///< in the order of submission, which is that of `due`
    usize count_ = 0;
    u64 random_ = 0x9e37'79b9'7f4a'7c15;
};

}  // namespace pith::ramdisk
