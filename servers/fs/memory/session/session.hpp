// SPDX-License-Identifier: MIT
// Session: protocol/fs.hpp on the store: takes submissions, one after the other, and completes each at once. No system calls: so the host's tests
// run it (tests/host/memory_fs).
//
// A change, its number and its answer are one change of the store. Then its completion goes to the ring, and then it is committed: one word. A
// server that dies between these is sent the change again, sees by its number that it is done, and answers it as it was answered.
//
// A file that has lost its last name goes after that, by a change of the store of its own, unless it is held: a client that has no answer yet may
// still want to hold it. One that is left so goes with `recovered`.
//
// Distrusts the client: a submission is checked, names are copied out of the window before they are looked at.
#pragma once

#include <cstring>
#include <set>

#include "lib/fs/submission.hpp"
#include "servers/fs/memory/store/store.hpp"

namespace pith::memory_fs {

class Session {
  public:
    struct Port {
        virtual void complete(const Fs::Completion& completion) = 0;

      protected:
        ~Port() = default;
    };
    Session(Port& port, Store& store, std::span<u8> window) : port_(port), store_(store), window_(window) {}

    /// A client has opened: nothing is attached, and nothing is held.
    void open(u64 session);
    void carry_out(const Fs::Submission& request);

  private:
    using Request = const Fs::Submission&;

    // session.cpp
    void finish(Request request, Result<u64> result);
    Result<u64> change(Request request);
    Result<u64> answer_again(Request request);
    Result<> reap(u32 number);
    Result<> reap_all();
    std::span<u8> place(Request request) const { return window_.subspan(request.place, request.place_size); }
    std::string_view name() const { return names_.name(); }
    std::string_view other_name() const { return names_.other(); }

    // looks.cpp
    Result<u64> look(Request request);
    Result<u64> attach(Request request);
    Result<u64> list(Request request);
    Result<u64> put_attributes(Request request, const Node& file);
    Fs::Statistics statistics() const;
    template <typename T>
    Result<u64> put(Request request, const T& value) {
        if (request.place_size < sizeof value) return Error::invalid;
        std::memcpy(place(request).data(), &value, sizeof value);
        return u64{0};
    }

    // changes.cpp
    Result<u64> perform(Request request);
    Result<u64> create(Request request);
    Result<u64> link(Request request);
    Result<u64> lost_name(Request request, Result<Node> file);
    Result<> set_attributes(Request request);

    Port& port_;
    Store& store_;
    const std::span<u8> window_;
    bool attached_ = false;
    bool read_only_ = false;
    bool fresh_ = true;      ///< nothing can be held from an earlier life
    bool recovered_ = true;  ///< all changes of an earlier life have been sent
    u64 session_ = 0;
    u64 last_ = 0;        ///< the number of the last change that was submitted
    std::set<u32> held_;  ///< numbers
    u32 hold_ = 0;        ///< is held when the change is done
    u32 orphan_ = 0;      ///< of a file that goes when the request is completed
    Fs::FileId file_{};   ///< that the change has made, or that has lost its last name
    FsNames names_;       ///< of the request
};

}  // namespace pith::memory_fs
