// SPDX-License-Identifier: MIT
// A host as QEMU's 9P server is to its guest, with a small file system in memory. Messages wait until they are answered, so that a test can answer
// them in another order, wrongly, or not at all.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "servers/fs/virtio_9p/channel.hpp"

namespace pith::test {

struct Node {
    u64 number;
    u32 mode;
    u32 user = 1000, group = 1000;
    u32 links = 1;
    std::string content;  ///< or a link's target
    std::map<std::string, std::shared_ptr<Node>> entries;
    i64 modified = 0;
    u32 synced = 0;  ///< how often it was
    bool directory() const { return (mode & 0170000) == 0040000; }
};
using NodeP = std::shared_ptr<Node>;

class FakeHost : public virtio_9p::Transport {
  public:
    static constexpr u32 kSlots = virtio_9p::Channel::kSlots;
    struct Answer {
        u32 slot;
        u32 written;
    };

    FakeHost();
    NodeP root() const { return root_; }
    /// By its path from the root; null.
    NodeP at(const std::string& path) const;
    NodeP add(const std::string& path, u32 mode, const std::string& content = {});
    /// All there is, as text.
    std::string dump() const;

    void set_window(std::span<u8> window) { window_ = window; }
    /// The guest has reset the device.
    void reset();
    usize waiting() const { return waiting_.size(); }
    /// Carries out the message that waits longest (or another: `which`), and gives its answer.
    Answer answer(usize which = 0);
    u64 answered() const { return answered_; }
    usize fids() const { return fids_.size(); }
    bool links_refused = false;

    std::span<u8> request(u32 slot) override { return requests_[slot]; }
    std::span<const u8> reply(u32 slot) override { return replies_[slot]; }
    std::span<u8> reply_bytes(u32 slot) { return replies_[slot]; }
    bool send(u32 slot, u32 size, virtio_9p::Data out, virtio_9p::Data in) override;

  private:
    struct Fid {
        NodeP node;
        bool open = false;
    };
    struct Sent {
        u32 slot;
        u32 size;
        virtio_9p::Data out, in;
    };
    class Reply;
    u32 carry_out(const Sent& sent, Reply& reply);
    u32 walk(virtio_9p::Reader& in, Reply& reply);
    u32 make(virtio_9p::Reader& in, virtio_9p::Type type, Reply& reply);
    u32 set(virtio_9p::Reader& in);
    u32 rename(virtio_9p::Reader& in);
    u32 unlink(virtio_9p::Reader& in);
    u32 list(virtio_9p::Reader& in, Reply& reply);
    Node* node(u32 fid);
    static void dump(const Node& node, const std::string& path, std::string& text);

    NodeP root_;
    u64 numbers_ = 100;
    std::map<u32, Fid> fids_;
    std::deque<Sent> waiting_;
    std::vector<u8> requests_[kSlots], replies_[kSlots];
    std::span<u8> window_;
    u64 answered_ = 0;
};

}  // namespace pith::test
