// SPDX-License-Identifier: MIT
#include "tests/network/ethernet_test/raw.hpp"

namespace pith::test {

Error Raw::open(u64 index) {
    if (!own_.valid()) own_ = std::move(*own_pool().create_signal());
    ReceivedHandles handles;
    const auto reply = driver_.call(Ethernet::Open{index, 1}, HandleList().add(own_), handles);
    if (!reply.ok()) return reply.error();
    facts_ = reply.value();
    auto link = handles.take<Memory>(0);
    auto peer = handles.take<Signal>(1);
    if (!link.ok() || !peer.ok()) return Error::protocol;
    auto mapping = Mapping::create(*link, 0, facts_.window_offset + facts_.window_size);
    if (!mapping.ok()) return mapping.error();
    link_ = std::move(*link);
    mapping_ = std::move(*mapping);
    peer_ = std::move(*peer);
    static_cast<void>(
        send_.attach(mapping_.as(), facts_.receive_offset, Ethernet::kEntries, Handle<Signal>(), 0));
    static_cast<void>(receive_.attach(mapping_.as(facts_.receive_offset), facts_.state_offset,
                                      Ethernet::kEntries, Handle<Signal>(), 0));
    send_.reset();
    receive_.reset();
    state().wants_sent = 1;
    return Error::ok;
}

template <typename Queue, typename Entry, typename Answer>
Error Raw::run(Queue& queue, const Entry& entry, Answer& answer, abi::Time patience) {
    if (auto entered = queue.submit(entry); !entered.ok()) return entered.error();
    notify();
    for (const abi::Time deadline = now() + patience; !queue.poll(answer);)
        if (!own_.wait(1, deadline).ok()) return Error::timed_out;
    return answer.id == entry.id ? static_cast<Error>(answer.error) : Error::protocol;
}

Error Raw::send(const Ethernet::Send& entry) {
    Ethernet::Sent answer;
    return run(send_, entry, answer, kPatience);
}

Error Raw::receive(const Ethernet::Buffer& entry, abi::Time patience) {
    Ethernet::Received answer;
    return run(receive_, entry, answer, patience);
}

}  // namespace pith::test
