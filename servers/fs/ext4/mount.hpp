// SPDX-License-Identifier: MIT
// Mount: one of the server's mounts: the link to its client, and the fiber on which its session works.
//
// The event loop wakes the fiber when there are submissions, when the disk has answered, and when it is time to commit; the fiber takes
// requests one after the other, and sleeps when there is none or while it waits for the disk. Reads of data are not waited for:
// they complete when the disk has answered, while the fiber goes on.
#pragma once

#include "lib/base/round.hpp"
#include "lib/os/fiber.hpp"
#include "lib/os/queue.hpp"
#include "servers/fs/ext4/disk.hpp"
#include "servers/fs/ext4/disks.hpp"
#include "servers/fs/ext4/log.hpp"
#include "servers/fs/ext4/session/session.hpp"

namespace pith::ext4fs {

class Mount final : private Port, private Sleeper {
  public:
    static constexpr u64 kWindowOffset = round_up(queue_size<Fs::Submission, Fs::Completion>(Fs::kEntries),
                                                  abi::kPageSize);
    static constexpr u64 kWindowSize = u64{1} << 20;
    static constexpr u64 kLinkSize = kWindowOffset + kWindowSize;

    /// On `link`, mapped; it is started by the first `open`.
    /// `started_over` outlives the server: when it last ended because its memory made no sense; 0: never.
    Mount(Disks& disks, Logger& log, std::span<u8> link, CommitRecords records, const Limits& limits,
          abi::Time& started_over);

    /// A client has opened: what was under way for an earlier one comes to nothing.
    Result<> open(u64 session, u32 client, Handle<Signal> signal, u64 bits);
    /// Another client has it, and is alive.
    bool taken(u32 client) const;
    /// Gives up what a client left that died.
    void clear_dead();
    /// Something may have been submitted.
    void look() {
        if (fiber_.started()) fiber_.wake();
    }

  private:
    static constexpr u64 kStackSize = 64 * 1024;
    static constexpr abi::Time kCommitInterval = 5 * kSecond;
    static constexpr abi::Time
        kDoubt = 60 * kSecond;        ///< memory that makes no sense again, so soon: it is the disk
    static constexpr u32 kTurn = 64;  ///< requests, until others have their turn

    struct DataRead : Disk::Batch {
        Mount* mount;
        Fs::Completion completion;
        bool used;
    };
    struct Alarm : Timer {
        explicit Alarm(Mount& of)
            : Timer([](Timer& timer) { static_cast<Alarm&>(timer).mount.fiber_.wake(); }), mount(of) {}
        Mount& mount;
    };

    void serve();
    void stop();
    void answered(DataRead& read);
    void sleep_for(abi::Time time);
    void watch_commit();

    Result<ext4::BlockDevice*> open(const Fs::Attach& where) override;
    void close() override { disk_.leave(); }
    void complete(const Fs::Completion& completion) override;
    void read(const Fs::Completion& completion, u64 place, std::span<const ext4::Piece> pieces) override;
    void finish_reads() override;
    ext4::Time now() override;
    bool memory_short() override;
    void start_over() override;
    void report(std::string_view text) override;
    void sleep() override;
    void wake() override { fiber_.wake(); }

    Disks& disks_;
    Logger& log_;
    abi::Time& started_over_;
    const std::span<u8> link_;
    QueueServer<Fs::Submission, Fs::Completion> queue_;
    u32 client_ = 0;
    Fiber fiber_;
    Disk disk_{*this};
    Session session_;
    DataRead reads_[Fs::kEntries] = {};
    u32 reading_ = 0;
    bool completed_ = false;   ///< the client is to be told
    abi::Time commit_at_ = 0;  ///< 0: everything is committed
    Alarm turn_{*this};        ///< others have had their turn
    Alarm commit_{*this};
};

}  // namespace pith::ext4fs
