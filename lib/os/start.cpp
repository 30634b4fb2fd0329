// SPDX-License-Identifier: MIT
// From the first instruction to main(): the stack, the thread's buffer, static constructors; and back. Also
// what the compiler and libc++ expect to find in a program.
#include <cstring>

#include "lib/os/panic.hpp"
#include "lib/os/start_info.hpp"
#include "lib/os/thread_context.hpp"
#include "protocol/process.hpp"

int main();

extern "C" {
using Constructor = void (*)();
extern const Constructor __init_array_start[];
extern const Constructor __init_array_end[];
void* __dso_handle = nullptr;

/// root makes its StartInfo itself; the others find theirs in its page.
[[gnu::weak]] const pith::StartInfo* pith_root_start_info();
/// How root ends.
[[gnu::weak]] void pith_root_end(const char* text, pith::usize length, int status);

/// Static objects are never destroyed: a component's end gives everything back.
int __cxa_atexit(void (*)(void*), void*, void*) { return 0; }
void __cxa_pure_virtual() { pith::panic("pure virtual call"); }
[[noreturn]] void abort() { pith::panic("abort"); }
}

namespace std::inline __1 {
void __libcpp_verbose_abort(const char* text, ...) { pith::panic(text); }
}  // namespace std::inline __1

namespace pith {

namespace {

struct OwnHandles {
    Handle<Pool> pool;
    Handle<Space> space;
    Handle<CapTable> captable;
    Handle<Thread> thread;
    Handle<Budget> budget;
};

ThreadContext main_context;
const StartInfo* info_page_start = nullptr;
u64 taken = 0;
alignas(OwnHandles) u8 own_storage[sizeof(OwnHandles)];

OwnHandles& own() { return *reinterpret_cast<OwnHandles*>(own_storage); }

[[noreturn]] void stop_here() {
    for (;;) asm volatile("ud2");
}

abi::HandleIndex parent() {
    const NamedHandle* entry = info_page_start == nullptr ? nullptr : find_start_handle("supervisor");
    return entry == nullptr ? abi::kNoHandle : entry->handle;
}

}  // namespace

extern "C" [[gnu::used]] void pith_start() {
    prepare_thread(*reinterpret_cast<abi::MessageBuffer*>(kFirstBuffer), main_context);
    const u64 magic = *reinterpret_cast<const u64*>(kStartInfo);
    if (magic == abi::kBootMagic && &pith_root_start_info != nullptr)
        info_page_start = pith_root_start_info();
    else if (magic == kStartMagic) info_page_start = reinterpret_cast<const StartInfo*>(kStartInfo);
    else stop_here();
    ::new (static_cast<void*>(own_storage))
        OwnHandles{take_start_handle<Pool>("pool"), take_start_handle<Space>("space"),
                   take_start_handle<CapTable>("captable"), take_start_handle<Thread>("thread"),
                   take_start_handle<Budget>("budget")};
    for (const Constructor* c = __init_array_start; c != __init_array_end; c++) (*c)();
    exit_component(main());
}

extern "C" [[gnu::naked, gnu::section(".text.start")]] void _start() {
    asm volatile(
        "xorl %ebp, %ebp\n"
        "andq $-16, %rsp\n"
        "callq pith_start\n"
        "ud2\n");
}

void prepare_thread(abi::MessageBuffer& buffer, ThreadContext& context) {
    auto* base = reinterpret_cast<u8*>(&buffer);
    *reinterpret_cast<u64*>(base + kBufferSelf) = reinterpret_cast<u64>(&buffer);
    *reinterpret_cast<u64*>(base + kBufferContext) = reinterpret_cast<u64>(&context);
}

const StartInfo& start_info() { return *info_page_start; }

const NamedHandle* find_start_handle(std::string_view name) {
    const StartInfo& info = start_info();
    for (u32 i = 0; i < info.handle_count && i < kMaxStartHandles; i++) {
        const NamedHandle& entry = info.handles[i];
        if (name.size() < sizeof(entry.name) && std::memcmp(entry.name, name.data(), name.size()) == 0 &&
            entry.name[name.size()] == 0)
            return &entry;
    }
    return nullptr;
}

abi::HandleIndex detail::take_start_slot(std::string_view name, abi::ObjectType type) {
    const NamedHandle* entry = find_start_handle(name);
    if (entry == nullptr || entry->type != static_cast<u32>(type)) return abi::kNoHandle;
    const u64 bit = u64{1} << (entry - start_info().handles);
    if ((taken & bit) != 0) {
        const SyscallResult copied = invoke(abi::Syscall::cap_copy, entry->handle, abi::kNoHandle, 0,
                                            abi::kAllRights, 0);
        return copied.error == Error::ok ? static_cast<abi::HandleIndex>(copied.r0) : abi::kNoHandle;
    }
    taken |= bit;
    return entry->handle;
}

std::string_view start_parameter(std::string_view key) {
    const StartInfo& info = start_info();
    const std::string_view all(info.parameters, info.parameters_size);
    for (usize at = 0; at < all.size();) {
        const std::string_view entry = all.substr(at, all.find('\0', at) - at);
        if (entry.size() > key.size() && entry.starts_with(key) && entry[key.size()] == '=')
            return entry.substr(key.size() + 1);
        at += entry.size() + 1;
    }
    return {};
}

u64 start_number(std::string_view key) {
    u64 value = 0;
    for (const char c : start_parameter(key)) {
        if (c < '0' || c > '9') panic("a parameter is not a number");
        value = value * 10 + static_cast<u64>(c - '0');
    }
    return value;
}

const Handle<Pool>& own_pool() { return own().pool; }
const Handle<Space>& own_space() { return own().space; }
const Handle<CapTable>& own_captable() { return own().captable; }
const Handle<Thread>& own_thread() { return own().thread; }
const Handle<Budget>& own_budget() { return own().budget; }

void panic(std::string_view message) {
    if (&pith_root_end != nullptr) pith_root_end(message.data(), message.size(), 1);
    if (const abi::HandleIndex endpoint = parent(); endpoint != abi::kNoHandle) {
        Lifecycle::Crash crash{};
        crash.length = message.size() < sizeof(crash.text) ? message.size() : sizeof(crash.text);
        std::memcpy(crash.text, message.data(), crash.length);
        Message out;
        std::memcpy(out.words, &crash, sizeof(out.words));
        const usize rest = crash.payload_size() > 64 ? crash.payload_size() - 64 : 0;
        std::memcpy(this_buffer().words, reinterpret_cast<u8*>(&crash) + 64, rest);
        out.tag = abi::Tag(Lifecycle::Crash::kOpcode, static_cast<u32>((rest + 7) / 8));
        static_cast<void>(ipc_call(endpoint, out));
    }
    stop_here();
}

void exit_component(int status) {
    if (&pith_root_end != nullptr) pith_root_end(nullptr, 0, status);
    if (const abi::HandleIndex endpoint = parent(); endpoint != abi::kNoHandle) {
        Message out;
        out.tag = abi::Tag(Lifecycle::Exit::kOpcode, 0);
        out.words[0] = static_cast<u64>(i64{status});
        static_cast<void>(ipc_call(endpoint, out));
    }
    stop_here();
}

void Handle<Machine>::log(const char* text, usize length) const {
    while (length > 0) {
        const usize part = length < sizeof(abi::MessageBuffer::words) ? length
                                                                      : sizeof(abi::MessageBuffer::words);
        std::memcpy(this_buffer().words, text, part);
        invoke(abi::Syscall::machine_log, index(), part);
        text += part;
        length -= part;
    }
}

}  // namespace pith
