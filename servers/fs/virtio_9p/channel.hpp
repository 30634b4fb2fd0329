// SPDX-License-Identifier: MIT
// Messages to the host and their answers. Each operation of the server has a slot for as long as it lives, and in it one message at a time; the
// slot's number is the message's tag. Whatever the host answers, a coroutine that waits gets an answer of the right type and no longer than what has
// come, or an error.
//
//   Line line(channel);
//   Reader reply = PITH_CO_TRY(co_await line.begin(Type::clunk).put(fid).send());
#pragma once

#include <coroutine>

#include "servers/fs/virtio_9p/wire.hpp"

namespace pith::virtio_9p {

/// Bytes of the client's window that go with a message.
struct Data {
    u64 offset = 0;
    u32 length = 0;
};

/// The device, or what plays it in a test.
class Transport {
  public:
    /// Where the message of a slot is built.
    virtual std::span<u8> request(u32 slot) = 0;
    /// Where its answer comes.
    virtual std::span<const u8> reply(u32 slot) = 0;
    /// Sends `size` bytes of it, and `out` behind them. The answer has room for kReadHeader bytes if there is an `in`, which follows them; else for all of
    /// `reply`. False: it can't.
    virtual bool send(u32 slot, u32 size, Data out, Data in) = 0;

  protected:
    ~Transport() = default;
};

class Channel {
  public:
    static constexpr u32 kSlots = 16;
    explicit Channel(Transport& transport) : transport_(transport) {}
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;

    bool free() const { return used_ != (1u << kSlots) - 1; }
    bool idle() const { return used_ == 0; }
    /// The answer to a slot's message is there, `written` bytes with its data: what waits for it goes on.
    void completed(u32 slot, u32 written);
    /// What waits goes on with `cancelled`, and whatever it sends fails with that too.
    void cancel();

  private:
    friend class Line;
    friend class Call;
    struct Slot {
        std::coroutine_handle<> waiter;
        u32 written = 0;
        Error error = Error::ok;
    };
    Transport& transport_;
    Slot slots_[kSlots];
    u32 used_ = 0;  // a bit each
    u64 epoch_ = 0;
};

/// A message on its way: awaited, it gives the fields of the answer.
class [[nodiscard]] Call {
  public:
    bool await_ready() const { return error_ != Error::ok; }
    bool await_suspend(std::coroutine_handle<> waiter);
    Result<Reader> await_resume();

  private:
    friend class Message;
    Call(class Line& line, Type type, u32 size, Data out, Data in);
    Line& line_;
    Type type_;
    u32 size_;
    Data out_, in_;
    Error error_ = Error::ok;
};

/// A message that is being built.
class Message {
  public:
    template <typename T>
    Message& put(T value) {
        writer_.put(value);
        return *this;
    }
    Message& text(std::string_view text) {
        writer_.text(text);
        return *this;
    }
    /// Errors: io: the device doesn't work, or the answer is none; cancelled; others: what the host says.
    Call send(Data out = {}, Data in = {}) { return {line_, type_, writer_.finish(out.length), out, in}; }

  private:
    friend class Line;
    Message(Line& line, std::span<u8> out, Type type, u16 tag)
        : line_(line), type_(type), writer_(out, type, tag) {}
    Line& line_;
    Type type_;
    Writer writer_;
};

/// An operation's slot. There must be a free one.
class Line {
  public:
    explicit Line(Channel& channel);
    Line(const Line&) = delete;
    Line& operator=(const Line&) = delete;
    ~Line() { channel_.used_ &= ~(1u << slot_); }
    Message begin(Type type) {
        return {*this, channel_.transport_.request(slot_), type,
                type == Type::version ? kNoTag : static_cast<u16>(slot_)};
    }
    u32 slot() const { return slot_; }
    /// The channel was cancelled since it began.
    bool cancelled() const { return epoch_ != channel_.epoch_; }

  private:
    friend class Call;
    Channel& channel_;
    u32 slot_;
    u64 epoch_;
};

/// What an error number of Linux (of an Rlerror) means here.
Error error_of(u32 number);

}  // namespace pith::virtio_9p
