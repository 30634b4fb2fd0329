// SPDX-License-Identifier: MIT
#include "servers/net/service.hpp"

#include <new>

#include "lib/os/heap.hpp"
#include "lib/os/panic.hpp"

namespace pith::net_server {
namespace {

constexpr abi::HandleIndex kLinkSlot = 1;
constexpr abi::Time kOpenTime = 200'000'000;

alignas(stack::Stack) u8 stack_memory[sizeof(stack::Stack)];

}  // namespace

Service::Service(EventLoop& loop, const Client<Ethernet>& driver, Handle<Pool> keep, Handle<CapTable> kept,
                 std::span<u8> records)
    : loop_(loop),
      client_bit_(loop.allocate_signal_bit()),
      driver_bit_(loop.allocate_signal_bit()),
      ethernet_(driver, 0),
      has_driver_(driver.valid()),
      keep_(std::move(keep)),
      kept_(std::move(kept)),
      records_(records) {
    if (auto known = kept_.take<Memory>(kLinkSlot); known.ok()) {
        auto info = known->memory_info();
        if (info.ok() && info->size >= Net::kLinkSize) link_ = std::move(*known);
        else static_cast<void>(kept_.remove(kLinkSlot));
    }
    if (link_.valid()) start_stack();
    loop.on_signal(client_bit_ | driver_bit_, [this](u64) { work(); });
    if (!has_driver_) return;
    ethernet_.changed = [this] { attach(); };
    loop.on_signal(kSignalReborn, [this](u64) { ethernet_.reborn(); });
    static_cast<void>(
        ethernet_.open(loop.signal(), driver_bit_, pith::now() + kOpenTime));  // or later: `changed`
    attach();
}

/// The link is made when it is first needed: a system without programs that use the network does without its memory.
Result<> Service::make_link() {
    Owned<Memory> made = PITH_TRY(keep_.create_memory(Net::kLinkSize));
    PITH_CHECK(made.copy_to(kept_, kLinkSlot));
    link_ = made.keep();
    return {};
}

void Service::start_stack() {
    if (!link_area_.valid() &&
        (!link_area_.create(link_, Net::kLinkSize).ok() || !link_area_.need(0, offsetof(Net::Link, blocks))))
        return;
    stack_ = ::new (static_cast<void*>(stack_memory)) stack::Stack(*this, link_area_.bytes(), records_);
}

/// All of it is taken from the quota at once, and little of it touched.
u8* Service::reserve(usize bytes) {
    auto memory = own_pool().create_memory(bytes);
    if (!memory.ok() || !reserve_area_.create(*memory, bytes).ok())
        panic("too little memory for its sockets");
    reserve_ = std::move(*memory);
    return reserve_area_.data();
}

bool Service::need(const u8* at, usize length) {
    LazyMapping& area = at >= reserve_area_.data() && at < reserve_area_.data() + reserve_area_.size()
                            ? reserve_area_
                            : link_area_;
    return at >= area.data() && area.need(static_cast<u64>(at - area.data()), length);
}

void Service::attach() {
    trace_.add({Event::interface, ethernet_.attached() ? 1u : 0u});
    if (stack_ == nullptr) return;
    if (!ethernet_.attached()) {
        stack_->set_link(false);
        link_was_up_ = false;
        return work();
    }
    stack::InterfaceSetup setup{};
    std::memcpy(setup.address, ethernet_.address().data(), sizeof setup.address);
    setup.mtu = ethernet_.mtu();
    setup.link_up = link_was_up_ = ethernet_.link_up();
    setup.send_checksum = (ethernet_.features() & Ethernet::kSendChecksum) != 0;
    stack_->attach(setup);
    work();
}

u64 Service::now() const { return pith::now(); }

u8* Service::frame(u32 length) {
    buffer_.reset();
    auto buffer = ethernet_.buffer();
    if (!buffer.ok() || buffer->bytes().size() < length) return nullptr;
    buffer_ = std::move(*buffer);
    return buffer_.bytes().data();
}

void Service::queue(u32 length, u16 checksum_start, u16 checksum_offset) {
    ethernet_.queue(std::move(buffer_), length, {checksum_start, checksum_offset});
}

/// All that there is: frames, what the client has changed, timers; then it sleeps.
void Service::work() {
    if (stack_ == nullptr) {
        EthernetFrame frame;
        while (ethernet_.receive(frame)) ethernet_.give_back(frame.id);
        return ethernet_.publish();
    }
    if (working_) return;
    working_ = true;
    do {
        if (const bool up = ethernet_.link_up(); up != link_was_up_) {
            link_was_up_ = up;
            stack_->set_link(up);
        }
        EthernetFrame frame;
        u32 frames = 0;
        for (; frames < kTurn && ethernet_.receive(frame); frames++)
            stack_->receive(frame.id, {const_cast<u8*>(frame.bytes.data()), frame.bytes.size()},
                            frame.checksum_good);
        stack_->round();
        trace_.add({Event::round, frames});
        if (frames == kTurn) static_cast<void>(loop_.signal().notify(driver_bit_));
    } while (!stack_->sleep());
    working_ = false;
    wake_.arm(stack_->deadline());
}

void Service::handle(const Net::Open& request, Request<Net::Open> call) {
    auto signal = call.handles().take<Signal>(0);
    if (!signal.ok()) return call.fail(signal.error());
    if (request.session == 0) return call.fail(Error::invalid);
    const u32 client = call.badge().client();
    if (client != client_ && client_signal_.valid() && client_signal_.info().ok())
        return call.fail(Error::occupied);
    if (!link_.valid()) {
        if (const auto made = make_link(); !made.ok()) return call.fail(made.error());
    }
    if (stack_ == nullptr) {
        start_stack();
        if (stack_ == nullptr) return call.fail(Error::no_memory);
        attach();
    }
    client_ = client;
    client_signal_ = std::move(*signal);
    client_bits_ = request.bits;
    trace_.add({Event::opened, request.session});
    stack_->open(request.session);
    work();
    call.reply({start_info().generation + 1, client_bit_},
               HandleList()
                   .add(link_, rights(abi::MemoryRight::read, abi::MemoryRight::write) | kCopyRight)
                   .add(loop_.signal(), rights(abi::SignalRight::notify) | kCopyRight));
}

Result<Net::Statistics::Reply> Service::handle(const Net::Statistics&, Badge) {
    Net::Statistics::Reply reply{};
    if (stack_ != nullptr) reply = stack_->statistics();
    reply.heap_used = heap_use().allocated;
    return reply;
}

}  // namespace pith::net_server
