// SPDX-License-Identifier: MIT
// The server's session over a host that is played, and its client: one request at a time, or several.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <random>

#include "servers/fs/virtio_9p/session.hpp"
#include "tests/host/share/fake_host.hpp"

namespace pith::test {

class Fixture {
  public:
    static constexpr u64 kWindowOffset = 16384;
    static constexpr u64 kWindow = 512 * 1024;
    static constexpr u64 kPlace = 8192;

    Fixture();
    ~Fixture();
    FakeHost host;

    /// The server dies, and is born again with what is preserved; the client has not opened yet.
    void die();
    /// What of preserved memory says how far it has come; and that put back.
    std::vector<u64> committed_state() const {
        return {preserved_.begin(), preserved_.begin() + virtio_9p::State::kSize / 8};
    }
    void uncommit(const std::vector<u64>& before);
    /// Opens and attaches.
    Error open(u64 session = 1, u64 flags = 0);
    const Fs::Attached& attached() const { return attached_; }
    Fs::FileId root() const { return attached_.root; }

    std::span<u8> place(u64 number = 0) { return {window_ + number * kPlace, kPlace}; }
    u8* window() { return window_; }
    /// Enters a request in place `number`, which is its id.
    void submit(Fs::Submission request, u64 number = 0);
    /// A completion, if there is one.
    std::optional<Fs::Completion> poll();
    /// Lets the host answer until there is a completion. Nothing: the host has nothing left to answer, or `messages` were carried out.
    std::optional<Fs::Completion> work(u64 messages = ~u64{0});
    /// How the host's answer is changed before it is given.
    std::function<void(FakeHost::Answer&)> spoil;
    std::mt19937 random{1};
    bool shuffled = false;

    // Requests by themselves.
    Fs::Submission request(Fs::Operation operation, Fs::FileId file, std::string_view name = {},
                           std::string_view other = {});
    Error run(const Fs::Submission& request);
    Fs::Submission change(Fs::Submission request) {
        request.change = ++changes;
        return request;
    }
    Fs::Attributes found();
    Fs::FileId lookup(Fs::FileId directory, std::string_view name);
    std::string read(Fs::FileId file);
    std::vector<std::string> list(Fs::FileId directory, u32 size = kPlace);
    Fs::Completion last{};
    u64 changes = 0;
    virtio_9p::Session& session() { return *session_; }

  private:
    std::vector<u64> preserved_;
    std::vector<u64> link_;
    u8* window_;
    std::unique_ptr<virtio_9p::Session> session_;
    QueueClient<Fs::Submission, Fs::Completion> queue_;
    Fs::Attached attached_{};
};

}  // namespace pith::test
