// SPDX-License-Identifier: MIT
#include "servers/linux/net/inet/ports.hpp"

#include "servers/linux/random.hpp"

namespace pith::lx {

namespace {

/// What an address that something is bound to means for one family: nothing, one address, or all.
enum class Reach : u8 { none, one, all };

Reach reach(const InetAddress& local, bool v6_only, u8 family) {
    if (local.family == family) return is_any(local) ? Reach::all : Reach::one;
    return family == 4 && local.family == 6 && is_any(local) && !v6_only ? Reach::all : Reach::none;
}

bool overlap(const InetAddress& a, bool a_v6_only, const InetAddress& b, bool b_v6_only) {
    for (const u8 family : {u8{4}, u8{6}}) {
        const Reach first = reach(a, a_v6_only, family), second = reach(b, b_v6_only, family);
        if (first == Reach::none || second == Reach::none) continue;
        if (first == Reach::all || second == Reach::all || same_ip(a, b)) return true;
    }
    return false;
}

}  // namespace

void Binding::leave() {
    if (bound()) List<Binding, &Binding::link_>::remove(*this);
}

bool Binding::covers(const InetAddress& to) const {
    const Reach here = reach(local, v6_only, to.family);
    return here == Reach::all || (here == Reach::one && same_ip(local, to));
}

u32 Binding::score(const InetAddress& to, const InetAddress& from) const {
    if (local.port != to.port || time_wait || !covers(to)) return 0;
    u32 points = local.family == to.family ? 2 : 1;
    if (!is_any(local)) points += 4;
    if (remote.family != 0 && !listening) {
        if (remote.port != from.port || !same_ip(remote, from)) return 0;
        points += 8;
    }
    return points;
}

bool PortTable::conflict(const Binding& binding, const InetAddress& local, bool shared) const {
    bool found = false;
    for_port(local.port, [&](const Binding& other) {
        if (found || &other == &binding || !overlap(local, binding.v6_only, other.local, other.v6_only))
            return;
        const bool share_port = shared && binding.reuse_port && other.reuse_port &&
                                (other.uid == binding.uid || other.time_wait);
        if (protocol_ == Protocol::datagram) {
            found = !(binding.reuse_address && other.reuse_address) && !share_port;
        } else if (binding.reuse_address && other.reuse_address && !other.listening) {
            found = !shared;
        } else {
            found = !share_port;
        }
    });
    return found;
}

template <typename Try>
bool PortTable::choose_port(RandomSource& random, Try try_port) const {
    const u32 count = u32{last_ephemeral} - first_ephemeral + 1;
    u32 start;
    random.fill(&start, sizeof start);
    for (u32 i = 0; i < count; ++i)
        if (try_port(static_cast<u16>(first_ephemeral + (start + i) % count))) return true;
    return false;
}

SysResult<> PortTable::bind(Binding& binding, const InetAddress& local, RandomSource& random) {
    InetAddress wanted = local;
    if (wanted.port == 0) {
        const bool found = choose_port(random, [&](u16 port) {
            wanted.port = port;
            return !conflict(binding, wanted, false);
        });
        if (!found) return Errno::EADDRINUSE;
    } else if (conflict(binding, wanted, true)) {
        return Errno::EADDRINUSE;
    }
    enter(binding, wanted);
    return {};
}

SysResult<> PortTable::bind_to_connect(Binding& binding, const InetAddress& local, const InetAddress& remote,
                                       RandomSource& random) {
    InetAddress wanted = local;
    const bool found = choose_port(random, [&](u16 port) {
        wanted.port = port;
        bool taken = false;
        for_port(port, [&](const Binding& other) {
            if (!other.by_connect || (other.remote.port == remote.port && same_ip(other.remote, remote)))
                taken = true;
        });
        return !taken;
    });
    if (!found) return Errno::EADDRNOTAVAIL;
    binding.by_connect = true;
    enter(binding, wanted);
    return {};
}

void PortTable::enter(Binding& binding, const InetAddress& local) {
    binding.leave();
    binding.local = local;
    // The newest first: of several that fit equally well it is the one that is found.
    buckets_[local.port % kBuckets].chains[binding.listening ? 1 : 0].push_front(binding);
}

SysResult<> PortTable::set_listening(Binding& binding, bool listening) {
    if (binding.listening == listening) return {};
    if (listening && conflict(binding, binding.local, true)) return Errno::EADDRINUSE;
    binding.listening = listening;
    enter(binding, binding.local);
    return {};
}

Binding* PortTable::find_pair(const InetAddress& local, const InetAddress& remote, const Binding* but) const {
    Binding* found = nullptr;
    for_port(local.port, [&](Binding& other) {
        if (&other != but && other.remote.family != 0 && other.remote.port == remote.port &&
            same_ip(other.remote, remote) && same_ip(other.local, local))
            found = &other;
    });
    return found;
}

Binding* PortTable::find(const InetAddress& to, const InetAddress& from, bool listening, u32 hash) const {
    Chain& members = buckets_[to.port % kBuckets].chains[listening ? 1 : 0];
    Binding* best = nullptr;
    u32 best_score = 0, equal = 0;
    for (Binding* at = members.front(); at != nullptr; at = members.next(*at)) {
        const u32 score = at->score(to, from);
        if (score == 0 || score < best_score) continue;
        if (score > best_score) {
            best = at;
            best_score = score;
            equal = 1;
        } else if (at->reuse_port && best->reuse_port) {
            ++equal;
        }
    }
    if (equal < 2) return best;
    u32 chosen = hash % equal;
    for (Binding* at = members.front(); at != nullptr; at = members.next(*at))
        if (at->reuse_port && at->score(to, from) == best_score && chosen-- == 0) return at;
    return best;
}

}  // namespace pith::lx
