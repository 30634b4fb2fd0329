// SPDX-License-Identifier: MIT
// The memory file server: its store, taken up or made, and protocol/fs.hpp (as "memory_fs") towards its client.
#include <algorithm>

#include "lib/os/clock.hpp"
#include "protocol/log.hpp"
#include "protocol/memory_fs.hpp"
#include "servers/fs/memory/service.hpp"

namespace pith::memory_fs {
namespace {

Result<Handle<Memory>> find_link(const Handle<Pool>& keep, const Handle<CapTable>& kept) {
    constexpr abi::HandleIndex kSlot = 1;
    if (auto known = kept.take<Memory>(kSlot); known.ok()) {
        auto info = known->memory_info();
        if (info.ok() && info->size == Service::kLinkSize) return std::move(*known);
        static_cast<void>(kept.remove(kSlot));
    }
    Owned<Memory> made = PITH_TRY(keep.create_memory(Service::kLinkSize));
    PITH_CHECK(made.copy_to(kept, kSlot));
    return made.keep();
}

void tell(std::string_view text) {
    const auto log = Client<Log>::from_start();
    if (!log.valid()) return;
    Log::Write line{static_cast<u32>(Severity::error), 0, {}};
    line.length = static_cast<u32>(std::min(text.size(), Log::kMaxText));
    std::memcpy(line.text, text.data(), line.length);
    static_cast<void>(log.call(line, now() + 100 * kMillisecond));
}

}  // namespace
}  // namespace pith::memory_fs

int main() {
    using namespace pith;
    Handle<Memory> preserved = take_start_handle<Memory>("preserved");
    auto info = preserved.valid() ? preserved.memory_info() : Result<abi::MemoryInfo>(Error::not_found);
    if (!info.ok()) panic("no preserved memory");
    const u64 size = start_number("size") * 1024 / memory_fs::kPage * memory_fs::kPage;
    if (size < memory_fs::kMinPages * memory_fs::kPage || size > info->size) panic("the size does not fit");
    static auto memory = Mapping::create(preserved, 0, size);
    auto link = memory_fs::find_link(take_start_handle<Pool>("keep"), take_start_handle<CapTable>("kept"));
    if (!memory.ok() || !link.ok()) panic("no memory");
    static auto mapping = Mapping::create(*link, 0, memory_fs::Service::kLinkSize);
    if (!mapping.ok()) panic("the link cannot be mapped");
    static memory_fs::Store store(memory->bytes());
    if (!store.open().ok()) memory_fs::tell("what is in memory is broken: its files cannot be used");
    static EventLoop loop;
    static memory_fs::Service service(loop, store, std::move(*link), mapping->bytes());
    static Server<MemoryFs, memory_fs::Service> server(loop, service);
    loop.run();
}
