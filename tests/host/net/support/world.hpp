// SPDX-License-Identifier: MIT
// Machines with a stack each, and the wire between them: in virtual time, from a seed. A machine's stack can be killed at any moment and made anew from its records
// and its link; frames that it has queued and not published die with it.
#pragma once

#include <functional>
#include <memory>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include "tests/host/net/module/module.hpp"
#include "tests/host/net/support/client.hpp"

namespace pith::stack {

class World;
using Frame = std::vector<u8>;

/// 10.0.0.`last`.
Net::Address ipv4(u8 last, u16 port = 0);

class Machine final : private Port {
  public:
    /// The machine 10.0.0.`last`, which it knows from a lease in its records; 0: it has none.
    Machine(World& world, u8 last);
    ~Machine();
    void kill();
    void start();
    /// The same for a client that does not know what it has written: it enters nothing.
    void start_quietly();
    /// Its driver has died, and is there again.
    void interface_again();
    /// The client never looks at its ring.
    bool blind = false;
    bool alive() const { return stack_ != nullptr; }
    /// A frame comes in, or is kept for a stack that is dead (as a driver keeps it).
    void deliver(const Frame& frame);
    /// Lets the stack do what there is to do.
    void run();
    AnyStack& stack() { return *stack_; }
    TestClient& client() { return client_; }
    u8* link() { return link_.data(); }
    u8* records() { return records_.data(); }
    u32 lent() const { return static_cast<u32>(lent_.size()); }
    u8 number() const { return last_; }
    /// Dies in the round() to come, when that many frames were queued in it; or at its end, before anything is published.
    void die_in_round(u32 frames) { die_after_ = frames; }
    u64 session = 1;
    bool no_frames = false;     ///< there is no room for a frame to send
    u32 most_frames = ~u32{0};  ///< there is room for so many in a round
    u64 frames_sent = 0;
    u64 notifications = 0;
    /// Bytes of the reserve that the living stack has asked for, each as often as it did so, and all of it.
    usize needed = 0;
    usize reserved() const { return reserve_.size(); }

  private:
    friend class World;
    InterfaceSetup setup() const;
    u64 now() const override;
    u64 random() override;
    u8* frame(u32 length) override;
    bool room(u32 frames) override;
    void queue(u32 length, u16 checksum_start, u16 checksum_offset) override;
    void publish() override;
    void give_back(u64 id) override;
    u8* reserve(usize bytes) override;
    bool need(const u8* at, usize length) override;
    void notify_client() override { notifications++; }

    World& world_;
    const u8 last_;
    std::vector<u8> link_, records_;
    std::vector<u8> reserve_;  ///< what was not needed may not be touched: ASan sees to it
    TestClient client_;
    void* module_ = nullptr;
    std::string copy_;
    AnyStack* stack_ = nullptr;
    Frame making_;
    std::vector<Frame> queued_;
    std::vector<std::pair<u64, std::unique_ptr<Frame>>> lent_;
    u64 next_id_ = 0;
    u32 die_after_ = ~u32{0};
    bool dying_ = false;
    bool refused_ = false;  ///< a frame in this round
};

class World {
  public:
    explicit World(u64 seed) : random_(seed) {}
    Machine& add(u8 last);
    Machine& machine(u32 index) { return *machines_[index]; }

    /// Lets time pass until `done` or for so many milliseconds: whether it was done.
    bool run(const std::function<bool()>& done, u64 milliseconds = 600'000);
    void run_for(u64 milliseconds);
    /// The same, with clients that look at nothing.
    void run_for_stacks(u64 milliseconds);
    void send(Machine& from, const Frame& frame);

    u64 now = 1'000'000'000;
    u32 loss = 0, duplicates = 0, reorder = 0, corrupt = 0;  ///< in a thousand
    u64 latency = 100'000;
    /// Sees each frame; false: it is lost.
    std::function<bool(Machine&, Frame&)> tap;
    /// Called at each step of time.
    std::function<void()> each;
    u32 chance() { return static_cast<u32>(random_() % 1000); }
    u64 random() { return random_(); }
    u64 frames = 0;

  private:
    struct Flight {
        u64 at;
        u64 order;
        Machine* to;
        Frame frame;
        bool operator<(const Flight& other) const {
            return at != other.at ? at > other.at : order > other.order;
        }
    };
    std::mt19937_64 random_;
    std::vector<std::unique_ptr<Machine>> machines_;
    std::priority_queue<Flight> flights_;
    u64 order_ = 0;
};

}  // namespace pith::stack
