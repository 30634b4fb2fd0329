// SPDX-License-Identifier: MIT
// UnixDomain: what the AF_UNIX sockets of a zone have in common: their names, and the descriptors that are in flight between them
// (sent with SCM_RIGHTS, not yet received). A socket that only descriptors in flight refer to, in a circle that nobody can reach, is found and
// closed (collect), as Linux does.
// Invariant: a socket is in `in_flight_` exactly while a message holds it.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "servers/linux/net/socket.hpp"

namespace pith::lx {

class UnixSocket;

/// The bytes of sun_path: a path with its NUL, or a NUL and what follows it (abstract).
class UnixName : public RefCounted {
  public:
    explicit UnixName(std::string name) : bytes(std::move(name)) {}
    bool abstract() const { return bytes[0] == 0; }
    SocketAddress address() const;
    const std::string bytes;
};

class UnixDomain {
  public:
    // Names
    /// The socket of that type with an abstract name; null: there is none.
    UnixSocket* find(SocketType type, const std::string& name) const;
    /// The socket that is bound to a file; null: there is none.
    UnixSocket* find(const Inode& inode) const;
    /// EADDRINUSE.
    SysResult<> add_abstract(UnixSocket& socket, const std::string& name);
    /// An abstract name that nobody has. ENOSPC.
    SysResult<std::string> free_name(SocketType type);
    void add_file(UnixSocket& socket, const Inode& inode) { files_[&inode] = &socket; }
    void add(UnixSocket& socket) { sockets_.insert(&socket); }
    /// The socket is gone, with its name.
    void remove(UnixSocket& socket, const UnixName* name, const Inode* inode);
    /// All, for /proc/net/unix.
    const std::set<UnixSocket*>& sockets() const { return sockets_; }

    // Descriptors in flight
    /// Counts `files` of user `uid`.
    void count(const std::vector<Ref<File>>& files, u32 uid);
    void uncount(const std::vector<Ref<File>>& files, u32 uid);
    usize in_flight(u32 uid) const;
    /// Closes them, and what that closes in turn, one after the other.
    void close(std::vector<Ref<File>>&& files);
    /// A socket was closed: what only it could reach is looked for.
    void closed();

  private:
    void collect();
    void work();
    std::set<UnixSocket*> sockets_;
    std::map<std::pair<SocketType, std::string>, UnixSocket*> abstract_;
    std::map<const Inode*, UnixSocket*> files_;
    u32 next_name_ = 0;
    std::set<UnixSocket*> in_flight_;
    std::map<u32, usize> by_user_;
    std::vector<Ref<File>> closing_;
    bool collect_ = false, working_ = false;
};

UnixDomain& unix_domain(Zone& zone);

/// The descriptors of one message, on their way.
class InFlight {
  public:
    InFlight() = default;
    /// ETOOMANYREFS: the sender has too many.
    static SysResult<InFlight> create(Thread& sender, std::vector<Ref<File>>&& files);
    InFlight(InFlight&& other) noexcept
        : domain_(other.domain_), uid_(other.uid_), files_(std::exchange(other.files_, {})) {}
    InFlight& operator=(InFlight&& other) noexcept {
        std::swap(domain_, other.domain_);
        std::swap(uid_, other.uid_);
        files_.swap(other.files_);
        return *this;
    }
    ~InFlight();
    bool empty() const { return files_.empty(); }
    const std::vector<Ref<File>>& files() const { return files_; }
    /// For the receiver: no longer in flight.
    std::vector<Ref<File>> take();

  private:
    UnixDomain* domain_ = nullptr;
    u32 uid_ = 0;
    std::vector<Ref<File>> files_;
};

}  // namespace pith::lx
