// SPDX-License-Identifier: MIT
// Devices by name.
#include "lib/driver/device.hpp"

#include "lib/base/format.hpp"
#include "lib/os/start_info.hpp"

namespace pith {

namespace {

struct DeviceName {
    char text[32];
    std::string_view view;
    DeviceName(std::string_view kind, std::string_view name) { view = format_to(text, "{}.{}", kind, name); }
};

}  // namespace

Result<IoBlock> device_ports(std::string_view name) {
    const DeviceName full("ports", name);
    const NamedHandle* entry = find_start_handle(full.view);
    if (entry == nullptr) return Error::not_found;
    return IoBlock(static_cast<u16>(entry->value));
}

Result<Mapping> device_memory(std::string_view name) {
    const DeviceName full("memory", name);
    const NamedHandle* entry = find_start_handle(full.view);
    if (entry == nullptr) return Error::not_found;
    const Handle<Memory> memory = take_start_handle<Memory>(full.view);
    if (!memory.valid()) return Error::busy;
    auto info = PITH_TRY(memory.memory_info());
    return Mapping::create(memory, 0, info.size);
}

Result<> InterruptLine::attach(EventLoop& loop, std::string_view name, Callback<void()> handler) {
    const DeviceName full("irq", name);
    auto interrupt = take_start_handle<Interrupt>(full.view);
    if (!interrupt.valid()) return Error::not_found;
    return attach(loop, std::move(interrupt), handler);
}

Result<> InterruptLine::attach(EventLoop& loop, Handle<Interrupt> interrupt, Callback<void()> handler) {
    interrupt_ = std::move(interrupt);
    handler_ = handler;
    const u64 bit = loop.allocate_signal_bit();
    if (bit == 0) return Error::no_slot;
    loop.on_signal(bit, [this](u64) {
        handler_();
        static_cast<void>(interrupt_.acknowledge());
    });
    PITH_CHECK(interrupt_.bind(loop.signal(), bit));
    return interrupt_.acknowledge();
}

}  // namespace pith
