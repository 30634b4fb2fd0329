// SPDX-License-Identifier: MIT
// EthernetRings: the client's side of one interface's link (protocol/ethernet.hpp): the two Queues, and whose each buffer of the window is.
// It makes no system call (ethernet_client.hpp does), so that it can be tested on the host.
//
// Buffers of kBufferSize bytes: kBuffers to receive into, then as many to send from. What the driver says is checked: a
// buffer that it doesn't have, or a length that can't be, makes the rings `broken` until they are attached again. What lies in a
// buffer is not: the driver can change it at any time.
#pragma once

#include "lib/os/queue.hpp"
#include "protocol/ethernet.hpp"

namespace pith {

/// A frame that was received, until `give_back`.
struct EthernetFrame {
    u32 id;
    bool checksum_good;  ///< of TCP or UDP: need not be verified
    std::span<const u8> bytes;
};

/// What a frame to send still needs of its checksum, by the device. Only where features() has kSendChecksum.
struct EthernetChecksum {
    u16 start = 0;   ///< bytes from the frame's begin to where TCP or UDP begins; 0: nothing is needed
    u16 offset = 0;  ///< ... and from there to the checksum, which holds the pseudo-header's sum
};

class EthernetRings;

/// A buffer to send from, of EthernetRings; who drops it gives it back.
class EthernetBuffer {
  public:
    EthernetBuffer() = default;
    EthernetBuffer(EthernetBuffer&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr)), number_(other.number_) {}
    EthernetBuffer& operator=(EthernetBuffer&& other) noexcept {
        if (this != &other) {
            reset();
            owner_ = std::exchange(other.owner_, nullptr);
            number_ = other.number_;
        }
        return *this;
    }
    ~EthernetBuffer() { reset(); }
    bool valid() const { return owner_ != nullptr; }
    /// To be filled from the start on: the frame with its header, kHeaderSize + mtu() bytes at most.
    std::span<u8> bytes() const;
    void reset();

  private:
    friend class EthernetRings;
    EthernetBuffer(EthernetRings& owner, u16 number) : owner_(&owner), number_(number) {}
    EthernetRings* owner_ = nullptr;
    u16 number_ = 0;
};

class EthernetRings {
  public:
    static constexpr u32 kBuffers = Ethernet::kEntries;
    static constexpr u32 kBufferSize = 2048;

    EthernetRings();
    EthernetRings(const EthernetRings&) = delete;
    EthernetRings& operator=(const EthernetRings&) = delete;

    /// protocol: an answer to Open that can't be, or isn't what the first one said of the link.
    Result<> check(const Ethernet::Open::Reply& reply) const;
    /// Begins with empty rings in `link`, whose reply was checked. Frames that were received and not given back stay as they are, and so
    /// do buffers that were taken and not queued; what was queued and, by the reply, not sent is queued again, the rest is free. A later link is at the
    /// same address.
    void attach(std::span<u8> link, const Ethernet::Open::Reply& reply);
    /// The driver has gone: nothing is received, and there are no buffers, until `attach`.
    void detach();
    bool attached() const { return open_; }

    /// Takes the next frame; false: there is none. If this component dies before the next flush(), its successor gets the frame again.
    bool receive(EthernetFrame& frame);
    /// The frame's buffer is to be received into again.
    void give_back(u32 id);
    /// A buffer to send from. would_block: all are under way, or the driver has gone. The client's Signal gets its bits when some are free
    /// again, if flush() is called before it waits.
    Result<EthernetBuffer> buffer();
    /// So many buffers, kBuffers at most, are free. If not, the client's Signal gets its bits as it does for buffer().
    bool room(u32 count);
    /// Enters the first `length` bytes of a buffer to be sent. The driver doesn't see it before flush(). Dropped, as a frame can be: of another
    /// length than kHeaderSize to kHeaderSize + mtu(), or when the driver has gone.
    void queue(EthernetBuffer&& buffer, u32 length, EthernetChecksum checksum = {});
    /// Shows the driver what was queued and given back. True: it is to be notified.
    bool flush();
    /// Somebody found no buffer, and there has been none since.
    bool wants_buffers() const { return wants_sent_; }
    /// True, once, if the driver has broken the rules: it is to be opened again.
    bool take_broken() { return std::exchange(broken_, false); }

    bool link_up() const { return open_ && load(state_->link_up) == 1; }
    u32 mtu() const { return facts_.mtu; }
    u32 features() const { return facts_.features; }
    std::span<const u8, 6> address() const { return facts_.address; }
    /// Frames that the device said it could not receive or send, ever.
    u64 errors() const { return errors_; }

  private:
    friend class EthernetBuffer;
    enum class Owner : u8 { nobody, driver, user };
    /// A driver that has fewer buffers to receive into is notified of further ones; else it sees them when it looks next.
    static constexpr u32 kFewBuffers = 64;
    static constexpr u32 kLeastMtu = 68;
    static constexpr u32 kLargestMtu = kBufferSize - Ethernet::kHeaderSize;

    static u32 load(u32& word) { return std::atomic_ref(word).load(std::memory_order_acquire); }
    void enter(u32 id);
    bool submit(const Ethernet::Send& frame);
    void resubmit(u32 sent);
    void free(u16 number) {
        send_owner_[number] = Owner::nobody;
        free_[free_count_++] = number;
    }
    void take_sent();
    void violated();

    Ethernet::Open::Reply facts_{};
    bool known_ = false;  ///< facts_ is of some link
    bool open_ = false;
    bool broken_ = false;
    bool wants_sent_ = false;
    u32 wanted_ = 0;       ///< buffers that somebody waits for
    bool queued_ = false;  ///< something that flush() has not shown yet
    bool notify_ = false;  ///< ... and the driver is to be told
    u64 errors_ = 0;
    u8* window_ = nullptr;
    Ethernet::State* state_ = nullptr;
    QueueClient<Ethernet::Send, Ethernet::Sent> send_;
    QueueClient<Ethernet::Buffer, Ethernet::Received> receive_;
    Owner receive_owner_[kBuffers];
    Owner send_owner_[kBuffers];
    u16 free_[kBuffers];  ///< buffers to send from
    u32 free_count_ = 0;
    Ethernet::Send submitted_[kBuffers];  ///< the last frames to send, by their number
    u32 submissions_ = 0;                 ///< ever
    u32 first_ = 0;                       ///< of them, the first of this link
};

inline std::span<u8> EthernetBuffer::bytes() const {
    return {owner_->window_ + (EthernetRings::kBuffers + number_) * EthernetRings::kBufferSize,
            Ethernet::kHeaderSize + owner_->facts_.mtu};
}

inline void EthernetBuffer::reset() {
    if (EthernetRings* owner = std::exchange(owner_, nullptr)) owner->free(number_);
}

}  // namespace pith
