// SPDX-License-Identifier: MIT
// What all protocols share: how a method is declared, and the layout of badges.
//
// A protocol is a struct with `static constexpr const char* kName` and `using Methods = MethodList<...>`. A
// method is a struct without padding, with `static constexpr u16 kOpcode` (1 to 0x7fff, unique in its
// protocol) and a nested struct `Reply`; the request is sent as it is: 64 bytes in registers, up to 512 more
// in the message buffer. A method or Reply with `usize payload_size() const` sends only so many of its bytes;
// the receiver sees the rest as zeros. Capabilities travel beside it; each method says which.
#pragma once

#include <string_view>
#include <type_traits>

#include "abi/message.hpp"

namespace pith {

inline constexpr usize kMaxPayload = (abi::kRegisterWords + abi::kBufferWords) * sizeof(u64);

/// Something that can be sent: bytes with a meaning, none of them padding.
template <typename T>
concept Payload = std::is_trivially_copyable_v<T> &&
                  (std::is_empty_v<T> ||
                   (std::has_unique_object_representations_v<T> && sizeof(T) <= kMaxPayload));

/// A method of a protocol.
template <typename M>
concept Method = Payload<M> && Payload<typename M::Reply> && requires {
    { M::kOpcode } -> std::convertible_to<u16>;
    requires M::kOpcode > 0 && M::kOpcode < 0x8000;
};

template <Method... M>
struct MethodList {};

/// A number for a protocol's name, 16 bits, never 0: carried in badges. The system compiler refuses two
/// protocols with one number.
constexpr u16 protocol_number(std::string_view name) {
    u32 hash = 2166136261u;
    for (const char c : name) hash = (hash ^ static_cast<u8>(c)) * 16777619u;
    const u16 folded = static_cast<u16>(hash ^ hash >> 16);
    return folded == 0 ? u16{1} : folded;
}

/// The badge of a capability to a service Endpoint, as the supervisor mints it for each client and protocol:
/// which protocol is spoken through it, and who speaks. Protocol 0 is the supervisor.
///   bits 48..63 protocol_number; 32..47 label of the route; 0..31 component number of the client
class Badge {
  public:
    constexpr Badge() = default;
    constexpr explicit Badge(u64 bits) : bits_(bits) {}
    constexpr Badge(u16 protocol, u16 label, u32 client)
        : bits_(u64{protocol} << 48 | u64{label} << 32 | u64{client}) {}
    constexpr u16 protocol() const { return static_cast<u16>(bits_ >> 48); }
    constexpr u16 label() const { return static_cast<u16>(bits_ >> 32); }
    constexpr u32 client() const { return static_cast<u32>(bits_); }
    constexpr u64 bits() const { return bits_; }

  private:
    u64 bits_ = 0;
};

/// Bits of a component's bound Signal that the system keeps for itself.
inline constexpr u64 kSignalPing = u64{1} << 63;  ///< heartbeat: answered by notifying `pong`, any bit
inline constexpr u64 kSignalStop = u64{1} << 62;  ///< please end: an orderly exit is expected soon
/// A component that supplies a protocol to this one was started again. The supervisor notifies this to each
/// client (by the routes) after the start: who left something at the server that it does not keep (a Signal,
/// a Queue's Memory) hands it over anew.
inline constexpr u64 kSignalReborn = u64{1} << 61;
inline constexpr u64 kSystemSignals = kSignalPing | kSignalStop | kSignalReborn;

}  // namespace pith
