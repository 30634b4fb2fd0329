// SPDX-License-Identifier: MIT
// One side of the mux (protocol/mux.hpp): decides what to send, and takes what arrives exactly once and in
// order.
//
// A Link owns numbers, not bytes: the LinkUser holds the streams. `feed` gives it wire bytes, `produce` asks
// it for the next frame whenever the wire has room for kMaxWireFrame bytes, `deadline` says when to call
// `produce` again though nothing happened. No allocation, no locks, no clock of its own.
//
// Crash safety: `state()` is all that has to survive. It may be restored from any earlier moment as long as
// no frame was produced after that moment from a later state: the hello brings both sides together again.
#pragma once

#include <span>

#include "lib/mux/frame.hpp"

namespace pith::mux {

/// The streams behind a Link.
class LinkUser {
  public:
    /// Takes the next bytes of an incoming stream; returns how many it took (less only if it has no room).
    virtual usize deliver(Channel channel, std::span<const u8> bytes) = 0;
    /// The incoming stream has ended.
    virtual void deliver_end(Channel channel) = 0;
    /// How many bytes `deliver` would take now.
    virtual usize room(Channel channel) = 0;

    /// Offset up to which the outgoing stream has been written.
    virtual u64 written(Channel channel) = 0;
    /// The outgoing stream ends at `written`.
    virtual bool ended(Channel channel) = 0;
    /// Copies bytes of the outgoing stream from `offset` on, all of them written and not yet released.
    virtual void copy(Channel channel, u64 offset, std::span<u8> out) = 0;
    /// The peer has taken everything before `offset`: it is not asked for again.
    virtual void release(Channel channel, u64 offset) = 0;

    /// Both sides begin all streams at 0 again (a new boot). What was released is gone; outgoing bytes that
    /// were not may be numbered anew from 0.
    virtual void restart() {}

  protected:
    ~LinkUser() = default;
};

/// What a reborn side needs to go on.
struct LinkState {
    u64 epoch = 0;                     ///< chosen by the guest, not 0; host: 0 until the first hello
    u64 received[kChannels] = {};      ///< taken from the peer; the end counts as one
    u64 acknowledged[kChannels] = {};  ///< taken by the peer; the end counts as one
    u8 receive_ended[kChannels] = {};  ///< the incoming stream's end is in `received`
    u8 reserved[2] = {};
};

class Link {
  public:
    enum class Side : u8 { guest, host };
    using Time = u64;

    Link(Side side, LinkUser& user, const LinkState& state = {});

    /// Wire bytes from the peer, any number.
    void feed(std::span<const u8> wire, Time now);

    /// The next frame for the wire (at least kMaxWireFrame bytes); 0: nothing to send now.
    usize produce(std::span<u8> wire, Time now);

    /// When `produce` may have something though nothing else happens; 0: never.
    Time deadline() const;

    /// The wire was lost and is back (driver reborn): drop the partial frame and synchronise anew.
    void wire_lost();

    /// The peer has answered (guest) or said (host) hello.
    bool synced() const { return synced_; }

    /// Guest: what it was restored from and what the host has contradict each other: one has taken what the other has not sent, or is to send what is
    /// gone. No stream would ever go on: it has to begin anew, with a new epoch.
    bool contradicted() const { return contradicted_; }

    /// All that was written (and ended) has been taken by the peer.
    bool idle();
    bool idle(Channel channel);

    /// Bytes of the outgoing stream from here on have never been on the wire (as far as this side knows):
    /// they may still be taken back, by lowering `written`.
    u64 first_unsent(Channel channel);

    const LinkState& state() const { return state_; }
    u64 bad_frames() const { return decoder_.bad_frames(); }
    u64 resends() const { return resends_; }

  private:
    struct Flow {
        u64 sent = 0;        // next offset to send
        u64 highest = 0;     // the most that `sent` ever was
        u64 limit = 0;       // what the peer would take
        u64 advertised = 0;  // limit that the peer was told
        u64 told = 0;        // received offset that the peer was told
        bool ack = false;    // an ack is due, now or soon
        bool ack_now = false;
        bool resend = false;    // it says resend
        bool gap_told = false;  // resend was said for the present gap
        bool probe = false;     // ask again whether there is room
    };

    void take(const Decoder::Frame& frame, Time now);
    void take_data(const Decoder::Frame& frame);
    void take_end(const Decoder::Frame& frame);
    void take_ack(const Decoder::Frame& frame, Time now);
    void take_hello(const Decoder::Frame& frame, Time now);
    bool contradicts(const HelloPayload& hello);
    void new_epoch(u64 epoch);
    void acknowledge(usize c, u64 offset, Time now);
    void go_back(usize c);
    u64 total(usize c);  // written, and the end
    u64 window_end(usize c);
    void timers(Time now);
    bool ack_due(usize c, Time now);
    usize produce_hello(std::span<u8> wire, Time now);
    usize produce_ack(usize c, std::span<u8> wire);
    usize produce_data(usize c, std::span<u8> wire, Time now);

    const Side side_;
    LinkUser& user_;
    LinkState state_;
    Flow flows_[kChannels];
    bool synced_ = false;
    bool hello_due_;
    bool answer_due_ = false;
    bool refused_ = false;  // host: the hello to be answered contradicts what is here
    bool contradicted_ = false;
    Time hello_time_ = 0;     // next unanswered hello
    u64 token_ = 0;           // guest: of the hello that is not answered yet, or was last; 0: choose one
    u64 peer_token_ = 0;      // of the last hello that came
    Time ack_time_ = 0;       // when acks that are due go out; 0: none is
    Time progress_time_ = 0;  // last time something was acknowledged or first sent; 0: nothing is on its way
    u64 resends_ = 0;
    Decoder decoder_;
};

}  // namespace pith::mux
