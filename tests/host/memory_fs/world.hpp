// SPDX-License-Identifier: MIT
// A store, a server on it that can die before any of its stores to the memory, and a client that goes on as protocol/fs.hpp says.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "servers/fs/memory/session/session.hpp"
#include "tests/storage/ext4/script.hpp"

namespace pith::memory_fs::test {

using pith::test::Script;
using pith::test::Step;

/// The server dies.
struct Death {};

/// What the client knows.
struct Client {
    u64 last = 0, committed = 0;
    std::optional<Step> kept;  ///< the last change, if it is not committed
    bool answered = false;     ///< it was
    std::map<u32, Fs::FileId> ids;
    std::map<u32, u64> held;                      ///< by handle: by which change
    std::optional<std::pair<u32, u64>> released;  ///< by the last change
};

class World final : private Session::Port {
  public:
    static constexpr u64 kPages = 1024, kWindow = u64{1} << 20, kSession = 77;
    explicit World(u64 pages = kPages) : memory(pages * kPage / 8), window_(kWindow) {}

    /// A new server, which dies before its store number `stores` from now on; never, if it is nothing.
    void begin(std::optional<u64> stores = {});
    void die_after(std::optional<u64> stores) { left_ = stores; }
    /// The client opens, and goes on. "" or what was wrong.
    std::string resume(u64 session = kSession);
    /// A new step. "" or what was wrong.
    std::string perform(const Step& step);
    Fs::Completion send(Fs::Submission request, std::string_view content = {});
    /// All that can be seen of the files.
    std::string digest();
    Session& session() { return *session_; }
    Store& store() { return *store_; }
    std::vector<u8>& window() { return window_; }

    std::vector<u64> memory;
    Client client;

  private:
    void complete(const Fs::Completion& completion) override;
    std::string send_change(u64 number, const Step& step, bool answered);
    void describe(Fs::FileId id, const std::string& path, std::string& to);

    std::vector<u8> window_;
    std::optional<u64> left_;
    std::unique_ptr<Store> store_;
    std::unique_ptr<Session> session_;
    std::vector<Fs::Completion> completed_;
    std::function<void()> answered_;  ///< by the completion that comes next
};

}  // namespace pith::memory_fs::test
