// SPDX-License-Identifier: MIT
// Session: protocol/fs.hpp on one mounted file system: takes submissions, one after the other, and completes them. No system calls: so
// the host's tests run it, with servers that die anywhere (tests/host/ext4_server).
//
// A change is finished when nothing of it can be missing any more but what the next mount does by itself (blocks of a file without names). Only
// then it is completed, and only then it counts for the record of what a transaction commits: so a change that was cut off
// between two of its operations is carried out again, which does no harm, and one that is atomic never is.
//
// Distrusts the client: a submission is checked, names and headers are copied out of the window before they are looked at.
#pragma once

#include <cstring>
#include <memory>

#include "lib/fs/submission.hpp"
#include "servers/fs/ext4/session/port.hpp"
#include "servers/fs/ext4/session/records.hpp"

namespace pith::ext4fs {

struct Limits {
    usize cache_blocks = 1024;
    u64 map_bytes = u64{2} << 20;
};

class Session final : private ext4::TransactionObserver {
  public:
    Session(Port& port, CommitRecords records, std::span<u8> window, const Limits& limits)
        : port_(port), records_(records), window_(window), limits_(limits) {}

    /// A client has opened: what is not committed by now is lost, and nothing is attached.
    void open(u64 session);
    /// Carries out a request, and completes it (a read perhaps later).
    void carry_out(const Fs::Submission& request);
    /// Something is not committed.
    bool uncommitted() const;
    /// Commits what is not. For a timer; whoever waits for it sends a request.
    void commit();
    /// What each completion says, now.
    void fill(Fs::Completion& completion) const;

  private:
    using Request = const Fs::Submission&;

    // session.cpp
    Result<u64> look(Request request);
    Result<u64> change(Request request);
    Result<u64> perform(Request request);
    bool make_room(Request request, Error error);
    void finish(Request request, Result<u64> result);
    void note_state();
    ext4::MountOptions options(bool read_only);
    Result<u64> sync();
    void found(u32 last) override;
    void committing(u32 number) override;
    void committed(u32 number) override;
    void doubtful() override { port_.start_over(); }

    // attach.cpp
    Result<u64> attach(Request request);
    Result<u64> detach();
    void drop();

    // looks.cpp
    Result<u64> statistics(Request request);
    Result<u64> lookup(Request request);
    Result<u64> attributes(Request request);
    Result<u64> read(Request request);
    Result<u64> list(Request request);
    Result<u64> read_link(Request request);
    Result<u64> seek(Request request);

    // changes.cpp
    Result<u64> create(Request request);
    Result<u64> create_link(Request request);
    Result<u64> create_unnamed(Request request);
    Result<u64> link(Request request);
    Result<u64> unlink(Request request);
    Result<u64> rename(Request request);
    Result<u64> set_attributes(Request request);
    Result<u64> write(Request request);
    Result<ext4::NewFile> new_file(Request request) const;
    Result<u64> lost_name(Request request, ext4::FileId orphan);

    /// {}, which no file has, if it can't be one of ours.
    static ext4::FileId file(Fs::FileId id);
    Result<u64> put_attributes(Request request, ext4::FileId id);
    std::span<u8> place(Request request) const { return window_.subspan(request.place, request.place_size); }
    std::string_view name() const { return names_.name(); }
    std::string_view other_name() const { return names_.other(); }
    static Fs::Statistics statistics_of(const ext4::Statistics& of);
    /// `value` to the start of the place.
    template <typename T>
    Result<u64> put(Request request, const T& value);

    Port& port_;
    CommitRecords records_;
    const std::span<u8> window_;
    const Limits limits_;
    std::unique_ptr<ext4::FileSystem> system_;
    u64 session_ = 0;
    u64 last_ = 0;            ///< the number of the last change that was submitted
    u64 finished_ = 0;        ///< ... that was carried out
    u64 committing_ = 0;      ///< ... that the transaction ends with which is being committed
    u64 committed_ = 0;       ///< ... that is committed
    u32 transaction_ = 0;     ///< the last one that is in the journal
    bool told_ = false;       ///< the log, that an error has made it read-only
    bool recovered_ = false;  ///< all changes of an earlier life have been sent
    bool deferred_ = false;   ///< the port completes the request
    bool reap_ = false;       ///< nobody will hold orphans that are there: they go when `attach` is completed
    std::vector<ext4::Piece> pieces_;  ///< of a read
    ext4::Time time_{};
    ext4::FileId orphan_{};  ///< goes when the request is completed
    FsNames names_;          ///< of the request
};

template <typename T>
Result<u64> Session::put(Request request, const T& value) {
    if (request.place_size < sizeof value) return Error::invalid;
    std::memcpy(place(request).data(), &value, sizeof value);
    return u64{0};
}

}  // namespace pith::ext4fs
