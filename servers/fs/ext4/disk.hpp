// SPDX-License-Identifier: MIT
// Disk: the disk of one mounted file system, over a BlockClient, for who runs on a fiber. A read waits; a write is copied to the disk's
// window, and returns; a flush waits for all writes before it. The driver is told of what was submitted when the fiber waits.
//
// Requests may be carried out in any order; so one that overlaps a write which is under way waits for that.
#pragma once

#include <optional>
#include <span>

#include "lib/block/client.hpp"
#include "lib/ext4/block_device.hpp"

namespace pith::ext4fs {

/// Who runs on a fiber.
class Sleeper {
  public:
    virtual ~Sleeper() = default;
    /// Until wake(), or for no reason.
    virtual void sleep() = 0;
    virtual void wake() = 0;
};

class Disk final : public ext4::BlockDevice {
  public:
    /// Reads that belong together. `done` is called once, when the last one is answered; not after abort().
    struct Batch {
        void (*done)(Batch&) = nullptr;
        u32 left = 0;
        Error error = Error::ok;
    };

    explicit Disk(Sleeper& sleeper) : sleeper_(sleeper) {}

    /// Sectors [first, first + count) of `client`'s disk from now on, until `leave`. Waits until nothing is under way; false: it was
    /// aborted.
    bool use(BlockClient& client, u64 first, u64 count);
    void leave() { used_ = false; }
    /// Of these sectors some are this one's, or will be written by it.
    bool has(const BlockClient& client, u64 first, u64 count) const {
        return (used_ || writes_ != 0) && client_ == &client && first < first_ + count_ &&
               first_ < first + count;
    }
    bool used() const { return used_; }
    /// Everything that waits fails, and so does all that comes, until `restart`. Nothing is read any more; what was written may still be
    /// on its way to the disk.
    void abort();
    void restart() { aborted_ = false; }
    bool aborted() const { return aborted_; }
    /// Tells the driver of what there is for it.
    void submit();
    /// Any bytes: [offset, offset + to.size()) go to `to`. It only begins; waits for places. False: it was aborted.
    bool begin_read(u64 offset, std::span<u8> to, Batch& batch);

    u64 size() const override { return count_ * Block::kSectorSize; }
    bool read_only() const override { return client_ == nullptr || client_->read_only(); }
    Result<> read(u64 offset, void* to, usize size) override;
    Result<> write(u64 offset, const void* from, usize size) override;
    Result<> flush() override;

  private:
    static constexpr u32 kTransfers = 48;

    struct Transfer : BlockRequest {
        Transfer(Disk& of, Block::Operation what, u64 first_sector, u32 sector_count, BlockPlace&& in)
            : BlockRequest(&answered, what, first_sector, sector_count, &where),
              disk(of),
              where(std::move(in)) {}
        static void answered(BlockRequest& request);
        bool overlaps(u64 first, u64 count) const {
            return first < sector + sectors && sector < first + count;
        }
        Disk& disk;
        BlockPlace where;
        std::span<u8> to;  ///< of a read
        usize skip = 0;    ///< bytes of the place before what is wanted
        Batch* batch = nullptr;
    };
    struct PlaceWait : BlockPlaceRequest {
        PlaceWait(Disk& of, u64 bytes) : BlockPlaceRequest(&granted, bytes), disk(of) {}
        static void granted(BlockPlaceRequest& request);
        Disk& disk;
        bool answered = false;
    };

    /// False: it was aborted.
    bool wait();
    template <typename Condition>
    bool wait_until(Condition&& condition);
    bool writing(u64 first, u64 count) const;
    std::optional<Transfer>* free_transfer();
    Result<std::optional<Transfer>*> begin(Block::Operation operation, u64 sector, u64 bytes);
    void answered(Transfer& transfer);

    Sleeper& sleeper_;
    BlockClient* client_ = nullptr;
    bool used_ = false;
    bool aborted_ = false;
    u64 first_ = 0, count_ = 0;
    u32 writes_ = 0;  ///< under way
    Error write_error_ = Error::ok;
    std::optional<Transfer> transfers_[kTransfers];
};

}  // namespace pith::ext4fs
