// SPDX-License-Identifier: MIT
#include "drivers/block/nvme/controller.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "drivers/block/nvme/registers.hpp"
#include "lib/os/heartbeat.hpp"
#include "lib/os/patience.hpp"

namespace pith::nvme {

namespace {

constexpr u64 kMemoryKey = 1;
constexpr u64 kAllRegisters = kDoorbells + 4 * sizeof(u32);  // with the doorbells of two pairs, side by side
constexpr u64 kMaxStride = 8;  // such controllers have a page of doorbells at most
constexpr abi::Time kMostPatience = 5 * kSecond;
constexpr abi::Time kAdminPatience = kSecond;
constexpr abi::Time kSpinning = kMillisecond;
constexpr u32 kMinBlock = 9, kMaxBlock = 12;
constexpr u64 kAnyTransfer = u64{1} << 20;

/// What is soon there is waited for without sleeping; while it takes longer, the event loop's heartbeat is answered.
template <typename Condition>
Result<> wait_for(abi::Time patience, const Condition& condition) {
    const HostDeadline deadline(patience);
    const abi::Time start = now();
    Owned<Signal> never;
    while (!condition()) {
        const abi::Time time = now();
        if (deadline.passed()) return Error::timed_out;
        if (time - start < kSpinning) {
            yield_cpu();
            continue;
        }
        answer_heartbeat();
        if (!never.valid()) never = PITH_TRY(own_pool().create_signal());
        static_cast<void>(never.wait(1, time + kMillisecond));
    }
    return {};
}

template <typename T>
T field(const u8* data, u64 offset) {
    T value;
    std::memcpy(&value, data + offset, sizeof(value));
    return value;
}

}  // namespace

Result<> Controller::attach(const PciDevice& device) {
    registers_ = PITH_TRY(device.map(0, 0, kAllRegisters));
    const auto high = read<CapabilitiesHigh>();
    const u64 stride = get_field<CapabilitiesHigh::DoorbellStride>(high);
    if (stride > kMaxStride || get_field<CapabilitiesHigh::NvmCommands>(high) == 0 ||
        get_field<CapabilitiesHigh::MinPageSize>(high) != 0)
        return Error::unsupported;
    stride_ = sizeof(u32) << stride;
    if (stride != 0) registers_ = PITH_TRY(device.map(0, 0, kDoorbells + 4 * stride_));
    memory_ = PITH_TRY(device.dma_memory(kMemoryKey, kMemorySize));
    return {};
}

void Controller::ring(u16 queue, u32 which, u16 value) const {
    Doorbell doorbell;
    doorbell.value = value;
    std::atomic_thread_fence(std::memory_order_release);
    registers_.registers(kDoorbells + (2u * queue + which) * stride_).write(doorbell);
}

bool Controller::failed() const {
    const auto status = read<Status>();
    return status.value == Status::kGone || get_field<Status::Fatal>(status) != 0;
}

abi::Time Controller::patience() const {
    const u64 units = get_field<CapabilitiesLow::Timeout>(read<CapabilitiesLow>());
    return std::min((units + 1) * (kSecond / 2), kMostPatience);
}

Result<> Controller::wait_until_ready(bool ready) const {
    return wait_for(patience(), [&] {
        const auto status = read<Status>();
        return status.value != Status::kGone && get_field<Status::Ready>(status) == (ready ? 1u : 0u);
    });
}

/// It forgets its queues, and what is in them (7.3.2).
Result<> Controller::reset() const {
    write(Configuration{});
    return wait_until_ready(false);
}

Result<> Controller::enable() {
    admin_.attach(memory_.mapping.as(kAdminSubmissions), memory_.mapping.as(kAdminCompletions), kAdminSize);
    AdminEntries entries;
    entries = with_field<AdminEntries::Submissions>(entries, kAdminSize - 1);
    write(with_field<AdminEntries::Completions>(entries, kAdminSize - 1));
    const auto write_address = [&](auto low, auto high, u64 address) {
        low.value = static_cast<u32>(address);
        high.value = static_cast<u32>(address >> 32);
        write(low);
        write(high);
    };
    write_address(AdminSubmissionsLow{}, AdminSubmissionsHigh{}, memory_.address + kAdminSubmissions);
    write_address(AdminCompletionsLow{}, AdminCompletionsHigh{}, memory_.address + kAdminCompletions);
    Configuration configuration;
    configuration = with_field<Configuration::SubmissionEntry>(configuration, 6);
    configuration = with_field<Configuration::CompletionEntry>(configuration, 4);
    write(with_field<Configuration::Enable>(configuration, 1));
    return wait_until_ready(true);
}

/// An administrative command; gives its result.
Result<u32> Controller::run(Command command) {
    if (!admin_.add(0, command)) return Error::io;
    ring(kAdminQueue, 0, admin_.submissions_tail());
    QueuePair::Done done{};
    PITH_CHECK(wait_for(kAdminPatience, [&] { return admin_.take(done) || admin_.broken(); }));
    if (admin_.broken() || done.status != 0) return Error::io;
    ring(kAdminQueue, 1, admin_.completions_head());
    return done.result;
}

Result<const u8*> Controller::identify(u32 what, u32 name_space) {
    Command command{};
    command.opcode = kIdentify;
    command.name_space = name_space;
    command.prp1 = memory_.address + kIdentified;
    command.words[0] = what;
    PITH_TRY(run(command));
    return memory_.mapping.as<const u8>(kIdentified);
}

Result<> Controller::make_queues() {
    Command command{};
    command.opcode = kSetFeatures;
    command.words[0] = kFeatureQueues;  // one of each: numbers less one
    PITH_TRY(run(command));
    const u32 most = get_field<CapabilitiesLow::MaxEntries>(read<CapabilitiesLow>()) + 1u;
    const u16 size = static_cast<u16>(std::min<u32>(most, QueuePair::kMaxSize));
    if (size < 2) return Error::unsupported;
    queues_.attach(memory_.mapping.as(kSubmissions), memory_.mapping.as(kCompletions), size);
    command = {};
    command.opcode = kCreateCompletions;
    command.prp1 = memory_.address + kCompletions;
    command.words[0] = static_cast<u32>(size - 1) << 16 | kIoQueue;
    command.words[1] = kContiguous | kInterrupts;  // message 0
    PITH_TRY(run(command));
    command.opcode = kCreateSubmissions;
    command.prp1 = memory_.address + kSubmissions;
    command.words[1] = static_cast<u32>(kIoQueue) << 16 | kContiguous;
    PITH_TRY(run(command));
    return {};
}

Result<Namespace> Controller::find_namespace() {
    Namespace found{};
    const u8* data = PITH_TRY(identify(kIdentifyController, 0));
    const u8 pages = field<u8>(data, kMaxTransfer);
    found.max_transfer = pages == 0 || pages > 8 ? kAnyTransfer : abi::kPageSize << pages;
    found.write_cache = (field<u8>(data, kWriteCache) & 1) != 0;
    found.number = field<u32>(PITH_TRY(identify(kIdentifyNamespaces, 0)), 0);
    if (found.number == 0) return Error::unsupported;
    data = PITH_TRY(identify(kIdentifyNamespace, found.number));
    found.blocks = field<u64>(data, kBlocks);
    const u32 format = field<u32>(data, kFormats + (field<u8>(data, kFormat) & 15) * sizeof(u32));
    found.block_size = format >> 16 & 0xff;
    found.read_only = (field<u8>(data, kAttributes) & 1) != 0;
    const bool metadata = (format & 0xffff) != 0;
    if (metadata || found.block_size < kMinBlock || found.block_size > kMaxBlock ||
        found.blocks > ~u64{0} >> kMaxBlock)
        return Error::unsupported;
    return found;
}

Result<Namespace> Controller::start() {
    PITH_CHECK(reset());
    PITH_CHECK(enable());
    const Namespace found = PITH_TRY(find_namespace());
    PITH_CHECK(make_queues());
    return found;
}

}  // namespace pith::nvme
