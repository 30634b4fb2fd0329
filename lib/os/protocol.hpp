// SPDX-License-Identifier: MIT
// Typed IPC over the protocols of protocol/: Client<P> calls, Server<P> dispatches. A call whose server dies
// is sent again on the same Endpoint (its successor receives there); so methods are idempotent, or carry an
// id by which the server knows them again. What a peer sends is checked here: too short a message, a wrong
// opcode or unexpected capabilities never reach a handler.
#pragma once

#include <cstring>

#include "lib/os/event_loop.hpp"

namespace pith {

/// Capabilities to send with a message.
class HandleList {
  public:
    HandleList() = default;
    template <typename T>
    HandleList& add(const HandleBase<T>& handle, abi::RightsBits mask = abi::kAllRights) {
        if (count_ == abi::kMessageHandles) panic("too many capabilities in a message");
        entries_[count_++] = {handle.index(), mask, 0, 0};
        return *this;
    }
    u32 count() const { return count_; }
    /// Puts them where the kernel looks.
    void store() const {
        for (u32 i = 0; i < count_; i++) this_buffer().handles[i] = entries_[i];
    }

  private:
    abi::MessageHandle entries_[abi::kMessageHandles];
    u32 count_ = 0;
};

/// Capabilities that came with a message; those that are not taken are deleted.
class ReceivedHandles {
  public:
    ReceivedHandles() = default;
    explicit ReceivedHandles(const Message& message) : count_(message.tag.handles()) {
        if (count_ > abi::kMessageHandles) count_ = abi::kMessageHandles;
        for (u32 i = 0; i < count_; i++) slots_[i] = this_buffer().handles[i].handle;
    }
    ReceivedHandles(ReceivedHandles&& other) noexcept : count_(std::exchange(other.count_, 0)) {
        for (u32 i = 0; i < count_; i++) slots_[i] = other.slots_[i];
    }
    ReceivedHandles& operator=(ReceivedHandles&& other) noexcept {
        if (this != &other) {
            clear();
            count_ = std::exchange(other.count_, 0);
            for (u32 i = 0; i < count_; i++) slots_[i] = other.slots_[i];
        }
        return *this;
    }
    ~ReceivedHandles() { clear(); }
    u32 count() const { return count_; }
    /// The one at `position`, if it is for a T. protocol: it is missing or of another type.
    template <typename T>
    Result<Handle<T>> take(u32 position) {
        if (position >= count_ || slots_[position] == abi::kNoHandle) return Error::protocol;
        Handle<T> handle(std::exchange(slots_[position], abi::kNoHandle));
        auto info = handle.info();
        if (!info.ok() || info->type != detail_type<T>()) return Error::protocol;
        return handle;
    }
    void clear() {
        for (u32 i = 0; i < count_; i++) HandleBase<Memory>(slots_[i]).reset();
        count_ = 0;
    }

  private:
    template <typename T>
    static constexpr abi::ObjectType detail_type();
    abi::HandleIndex slots_[abi::kMessageHandles] = {};
    u32 count_ = 0;
};

namespace detail {

template <typename T>
usize payload_bytes(const T& payload) {
    if constexpr (std::is_empty_v<T>) {
        return 0;
    } else if constexpr (requires { payload.payload_size(); }) {
        const usize size = payload.payload_size();
        return size < sizeof(T) ? size : sizeof(T);
    } else {
        return sizeof(T);
    }
}

/// Puts a payload in the registers of `message` and the rest in the buffer.
template <Payload T>
void encode(Message& message, u16 operation, const T& payload, const HandleList& handles,
            Error status = Error::ok) {
    const usize size = payload_bytes(payload);
    const usize in_registers = size < sizeof(message.words) ? size : sizeof(message.words);
    std::memcpy(message.words, &payload, in_registers);
    u32 buffer_words = 0;
    if (size > in_registers) {
        this_buffer().words[(size - in_registers - 1) / sizeof(u64)] = 0;
        std::memcpy(this_buffer().words, reinterpret_cast<const u8*>(&payload) + in_registers,
                    size - in_registers);
        buffer_words = static_cast<u32>((size - in_registers + sizeof(u64) - 1) / sizeof(u64));
    }
    handles.store();
    message.tag = abi::Tag(operation, buffer_words, handles.count(), status);
}

/// Reads a payload; false: the message is too short for it.
template <Payload T>
bool decode(const Message& message, T& payload) {
    if constexpr (std::is_empty_v<T>) {
        return true;
    } else {
        const usize available = sizeof(message.words) + message.tag.buffer_words() * sizeof(u64);
        const usize size = available < sizeof(T) ? available : sizeof(T);
        const usize in_registers = size < sizeof(message.words) ? size : sizeof(message.words);
        std::memset(static_cast<void*>(&payload), 0, sizeof(T));
        std::memcpy(static_cast<void*>(&payload), message.words, in_registers);
        if (size > in_registers)
            std::memcpy(reinterpret_cast<u8*>(&payload) + in_registers, this_buffer().words,
                        size - in_registers);
        return payload_bytes(payload) <= available;
    }
}

}  // namespace detail

/// The caller's side of a protocol.
template <typename P>
class Client {
  public:
    Client() = default;
    explicit Client(Handle<Endpoint> endpoint) : endpoint_(std::move(endpoint)) {}
    /// The one that this component was given under the protocol's name, or under another.
    static Client from_start(std::string_view name = P::kName);
    bool valid() const { return endpoint_.valid(); }
    const Handle<Endpoint>& endpoint() const { return endpoint_; }

    /// Calls, and calls again when the server dies under it. `deadline` is absolute. Errors: timed_out,
    /// protocol (a bad reply), held_down, and what the method says.
    template <Method M>
    Result<typename M::Reply> call(const M& method, abi::Time deadline = abi::kNoDeadline) const {
        ReceivedHandles unwanted;
        return call(method, HandleList(), unwanted, deadline);
    }
    /// The same with capabilities sent and received.
    template <Method M>
    Result<typename M::Reply> call(const M& method, const HandleList& send, ReceivedHandles& received,
                                   abi::Time deadline = abi::kNoDeadline) const {
        for (;;) {
            auto result = call_once(method, send, received, deadline);
            if (result.ok() || result.error() != Error::peer_died) return result;
        }
    }
    /// One attempt; peer_died: the effect is unknown.
    template <Method M>
    Result<typename M::Reply> call_once(const M& method, const HandleList& send, ReceivedHandles& received,
                                        abi::Time deadline = abi::kNoDeadline) const {
        Message message;
        detail::encode(message, M::kOpcode, method, send);
        const Error error = ipc_call(endpoint_.index(), message, deadline);
        if (error != Error::ok) return error;
        received = ReceivedHandles(message);
        if (message.tag.status() != Error::ok)
            return message.tag.status() < Error::count ? message.tag.status() : Error::protocol;
        typename M::Reply reply{};
        if (!detail::decode(message, reply)) return Error::protocol;
        return reply;
    }
    /// One way: no answer.
    template <Method M>
    Result<> send(const M& method, abi::Time deadline = abi::kNoDeadline) const {
        Message message;
        detail::encode(message, M::kOpcode, method, HandleList());
        return as_result(ipc_send(endpoint_.index(), message, deadline));
    }

  private:
    Handle<Endpoint> endpoint_;
};

/// A request of method M at its server: answered now, or moved away and answered later.
template <Method M>
class Request {
  public:
    Request(PendingReply&& pending, ReceivedHandles&& handles)
        : pending_(std::move(pending)), handles_(std::move(handles)) {}
    Badge badge() const { return pending_.badge(); }
    bool pending() const { return pending_.pending(); }
    ReceivedHandles& handles() { return handles_; }
    void reply(const typename M::Reply& reply, const HandleList& handles = HandleList()) {
        Message message;
        detail::encode(message, M::kOpcode, reply, handles);
        pending_.send(message);
    }
    void fail(Error error) { pending_.fail(error); }
    /// Answers with the value or the error.
    void finish(const Result<typename M::Reply>& result) {
        if (result.ok()) reply(result.value());
        else fail(result.error());
    }

  private:
    PendingReply pending_;
    ReceivedHandles handles_;
};

/// Dispatches protocol P to `Implementation`, which has for each method M either
///   Result<M::Reply> handle(const M&, Badge)           answered on return, or
///   void handle(const M&, Request<M>)                  answered when the request is
template <typename P, typename Implementation>
class Server {
  public:
    Server(EventLoop& loop, Implementation& implementation) : implementation_(implementation) {
        loop.on_protocol(protocol_number(P::kName),
                         [this](Message& message, PendingReply& pending) { dispatch(message, pending); });
    }
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

  private:
    void dispatch(Message& message, PendingReply& pending) {
        try_methods(message, pending, typename P::Methods{});
    }
    template <typename... M>
    void try_methods(Message& message, PendingReply& pending, MethodList<M...>) {
        const bool known = ((message.tag.operation() == M::kOpcode && (run<M>(message, pending), true)) ||
                            ...);
        if (known) return;
        const ReceivedHandles unwanted(message);
        pending.fail(Error::unsupported);
    }
    template <Method M>
    void run(Message& message, PendingReply& pending) {
        ReceivedHandles handles(message);
        M method{};
        if (!detail::decode(message, method)) return pending.fail(Error::protocol);
        if constexpr (requires { implementation_.handle(method, Badge()); }) {
            Request<M> request(std::move(pending), std::move(handles));
            request.finish(implementation_.handle(method, request.badge()));
        } else {
            implementation_.handle(method, Request<M>(std::move(pending), std::move(handles)));
        }
    }
    Implementation& implementation_;
};

}  // namespace pith

#include "lib/os/start_info.hpp"

namespace pith {

template <typename P>
Client<P> Client<P>::from_start(std::string_view name) {
    return Client(take_start_handle<Endpoint>(name));
}
template <typename T>
constexpr abi::ObjectType ReceivedHandles::detail_type() {
    return detail::kTypeOf<T>;
}

}  // namespace pith
