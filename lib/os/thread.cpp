// SPDX-License-Identifier: MIT
// Further threads.
#include "lib/os/thread.hpp"

#include <new>

#include "abi/trace.hpp"
#include "lib/os/panic.hpp"
#include "lib/os/start_info.hpp"
#include "protocol/ipc.hpp"

namespace pith {

namespace {

/// At the start of a thread's area; the message buffer is at kBufferAt.
struct Entry {
    NativeThread::Function function;
    void* argument;
    ThreadContext context;
    abi::MessageBuffer* buffer;
};
constexpr u64 kBufferAt = 2048;
constexpr u64 kStackAt = abi::kPageSize;
static_assert(sizeof(Entry) <= kBufferAt);

extern "C" [[gnu::used, noreturn]] void pith_thread_start(Entry* entry) {
    prepare_thread(*entry->buffer, entry->context);
    entry->function(entry->argument);
    panic("a thread's function returned");
}

extern "C" [[gnu::naked]] void pith_thread_entry() {
    asm volatile(
        "xorl %ebp, %ebp\n"
        "andq $-16, %rsp\n"
        "callq pith_thread_start\n"
        "ud2\n");
}

}  // namespace

Result<NativeThread> NativeThread::start(const Handle<Pool>& pool, Function function, void* argument,
                                         const ThreadOptions& options) {
    NativeThread result;
    result.area_ = PITH_TRY(MappedMemory::create(pool, kStackAt + options.stack_size));
    Entry* entry = ::new (result.area_.as<void>()) Entry{function, argument, {}, nullptr};
    entry->buffer = result.area_.as<abi::MessageBuffer>(kBufferAt);
    abi::ThreadCreate create{};
    create.space = own_space().index();
    create.captable = own_captable().index();
    // By default the parent is told of its faults as it is of the first thread's.
    const NamedHandle* parent = find_start_handle("supervisor");
    const bool own_handler = options.handler != abi::kNoHandle || parent == nullptr;
    create.handler = own_handler ? options.handler : parent->handle;
    create.buffer = result.area_.memory().index();
    create.buffer_offset = kBufferAt;
    create.badge = own_handler
                       ? options.badge
                       : Badge(0, static_cast<u16>(start_info().generation), start_info().component).bits();
    create.budget = options.budget == abi::kNoHandle ? own_budget().index() : options.budget;
    create.priority = options.priority;
    create.kind = abi::ThreadKind::native;
    create.cpu = options.cpu;
    create.buffer_address = reinterpret_cast<u64>(entry->buffer);
    result.thread_ = PITH_TRY(pool.create_thread(create));
    PITH_CHECK(result.thread_.set_name(start_info().name, start_info().component & (abi::kTraceForeign - 1),
                                       options.name));
    PITH_CHECK(result.thread_.start(reinterpret_cast<u64>(&pith_thread_entry),
                                    reinterpret_cast<u64>(result.area_.as<u8>(result.area_.size())),
                                    reinterpret_cast<u64>(entry)));
    return result;
}

}  // namespace pith
