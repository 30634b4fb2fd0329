// SPDX-License-Identifier: MIT
// Writing the report of a death: cause, registers, code, backtrace, memory, last requests.
#include "servers/supervisor/crash.hpp"

#include <algorithm>
#include <cstring>

#include "lib/os/elf_loader.hpp"
#include "servers/supervisor/system.hpp"
#include "servers/supervisor/trace_tail.hpp"

namespace pith::supervisor {

namespace {

constexpr u64 kStackOffset = 2 * abi::kPageSize;  // lib/os/launch.cpp
constexpr usize kStackWords = 2048;               // looked at
constexpr usize kMessagesShown = 8;

std::string_view state_name(u32 state) {
    static constexpr std::string_view kNames[] = {"not started", "ready",   "running", "calling", "sending",
                                                  "receiving",   "waiting", "stopped", "dead"};
    return state < std::size(kNames) ? kNames[state] : "unknown";
}

void print_registers(TextWriter& out, const abi::ThreadInfo& info) {
    static constexpr std::string_view kNames[] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp",
                                                  "r8 ", "r9 ", "r10", "r11", "r12", "r13", "r14", "r15"};
    for (usize i = 0; i < std::size(kNames); i++)
        format_append(out, "{}{} {016x}{}", i % 4 == 0 ? "  " : " ", kNames[i], info.registers[i],
                      i % 4 == 3 ? "\n" : "");
}

/// The executable segment of an image.
void find_code(Code& code, std::span<const u8> content) {
    auto image = ComponentImage::parse(content);
    if (!image.ok()) return;
    for (usize i = 0; i < image->segment_count; i++) {
        const auto& segment = image->segments[i];
        if ((segment.flags & abi::kMapExecute) == 0) continue;
        code.start = segment.address;
        code.bytes = content.subspan(segment.offset, segment.file_size);
        return;
    }
}

}  // namespace

void CrashBook::open(CrashRing& ring) {
    ring_ = &ring;
    if (ring.magic == kCrashMagic) return;
    if (ring.magic != 0) std::memset(static_cast<void*>(&ring), 0, sizeof(ring));
    ring.magic = kCrashMagic;
}

std::span<char> CrashBook::begin() {
    CrashReport& report = place(ring_->last + 1);
    report.sequence = 0;
    return report.text;
}

void CrashBook::finish(u32 component, usize length) {
    CrashReport& report = place(ring_->last + 1);
    report.component = component;
    report.length = static_cast<u32>(std::min(length, sizeof(report.text)));
    report.sequence = ring_->last + 1;
    ring_->last++;
}

const CrashReport* CrashBook::find(u64 sequence) const {
    const u64 oldest = ring_->last < kCrashReports ? 1 : ring_->last - kCrashReports + 1;
    for (u64 n = std::max(sequence, oldest); n <= ring_->last && n != 0; n++) {
        const CrashReport& report = place(n);
        if (report.sequence == n && report.length <= sizeof(report.text)) return &report;
    }
    return nullptr;
}

std::string_view System::protocol_name(u16 number) const {
    for (u32 i = 0; i < count(); i++)
        for (const CompositionString& provided : composition_.provides(component(i)))
            if (protocol_number(composition_.string(provided)) == number)
                return composition_.string(provided);
    return "?";
}

void System::print_messages(TextWriter& out, const LifeRecord* life) const {
    const u64 received = life == nullptr ? 0 : life->count;
    format_append(out, "requests received: {}{}\n", received,
                  received != 0 ? "; the last ones, newest last:" : "");
    const u64 shown = std::min<u64>(received, kMessagesShown);
    for (u64 n = received - shown; n != received; n++) {
        const LifeMessage message = life->messages[n % kLifeMessages];
        const Badge badge(message.badge);
        format_append(out, "  {}.{} from {}: {x} {x}\n", protocol_name(badge.protocol()),
                      abi::Tag(message.tag).operation(), name_of(badge.client()), message.words[0],
                      message.words[1]);
    }
}

void System::print_state(TextWriter& out, u32 number, const Code& code, const Fault* fault) const {
    const ComponentRecord& r = record(number);
    if (auto pool = Borrowed<Pool>(r.run).pool_info(); pool.ok())
        format_append(out, "memory: {} of {} pages, at most {}; {} kernel objects\n", pool->used, pool->limit,
                      pool->peak, pool->objects);
    auto info = Borrowed<Thread>(r.thread).thread_info();
    if (!info.ok()) return out.put("its first thread is gone\n");
    format_append(out, "thread: {}, ran {} us, CPU {}\n", state_name(info->state),
                  info->cpu_time / kMicrosecond, u64{info->cpu});
    const u64 rip = fault != nullptr ? fault->rip : info->rip;
    const u64 rsp = info->rsp;
    if (fault != nullptr && fault->rip != info->rip)
        out.put("it was another thread that failed; of the first one:\n");
    format_append(out, "registers: rip {x}\n", info->rip);
    print_registers(out, *info);
    out.put("code: ");
    code.print_bytes(out, rip);
    out.put("\nbacktrace (*: indirect call, ?: perhaps left by an earlier call):\n");
    const u64 stack_size = u64{component(number).stack_pages} * abi::kPageSize;
    if (rsp % sizeof(u64) != 0 || rsp > kStackTop || kStackTop - rsp > stack_size) {
        print_backtrace(out, code, rip, {});
        return out.put("  (rsp is not on its stack)\n");
    }
    // From its Memory, and not where it is mapped: it may have unmapped it.
    const u64 offset = kStackOffset + stack_size - (kStackTop - rsp);
    const u64 first_page = offset & ~(abi::kPageSize - 1);
    const u64 length = kStackOffset + stack_size - first_page;
    auto stack = length == 0 ? Result<Mapping>(Error::invalid)
                             : Mapping::create(Borrowed<Memory>(r.memory), first_page, length, abi::kMapRead);
    std::span<const u64> words;
    if (stack.ok())
        words = {stack->as<const u64>(offset - first_page),
                 std::min<usize>((first_page + length - offset) / sizeof(u64), kStackWords)};
    print_backtrace(out, code, rip, words);
}

/// Called while everything of the component is still there.
void System::report_crash(u32 number, std::string_view cause, const Fault* fault) {
    const ComponentRecord& r = record(number);
    // On another CPU it may still run.
    static_cast<void>(Borrowed<Thread>(r.thread).stop());
    TextWriter out(crashes_.begin());
    const abi::Time time = now();
    const abi::Time lived = time - r.started;
    const Mapping page = life_page(number);
    const auto* life = page.valid() ? page.as<const LifeRecord>(kLifeRecordOffset) : nullptr;
    format_append(out, "crash {}: {}, at {}.{06} s: {}\n", crashes_.next_sequence(), name_of(number),
                  time / kSecond, time / kMicrosecond % 1'000'000, cause);
    format_append(out, "life {} of it, for {}.{06} s; {}\n", r.generation, lived / kSecond,
                  lived / kMicrosecond % 1'000'000,
                  life != nullptr && life->serving != 0 ? "it served" : "it did not serve yet");
    Code code;
    code.component = name_of(number);
    Image image;
    if (auto found = image_of(number); found.ok()) image = std::move(*found);
    find_code(code, image.file.content);
    char name[64];
    if (image.memory == bundle_memory_.index())
        if (auto symbols = bundle_.find(format_to(name, "{}{}", kSymbolsPrefix, code.component));
            symbols.ok())
            code.symbols = Symbols(symbols->content);
    print_state(out, number, code, fault);
    print_messages(out, life);
    print_trace(out, machine_, number, time);
    crashes_.finish(number, out.text().size());
}

}  // namespace pith::supervisor
