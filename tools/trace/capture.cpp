// SPDX-License-Identifier: MIT
#include "tools/trace/capture.hpp"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <span>

#include "tools/base/host.hpp"

namespace pith::tools {

namespace {

constexpr u64 kRecord = sizeof(abi::TraceRecord);

/// The file in our memory.
class MappedFile {
  public:
    explicit MappedFile(int file) {
        struct stat status{};
        if (::fstat(file, &status) != 0) fail(1, "{}", error_text("the machine's memory"));
        size_ = static_cast<usize>(status.st_size);
        void* const address = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file, 0);
        if (address == MAP_FAILED) fail(1, "{}", error_text("the machine's memory"));
        bytes_ = static_cast<const char*>(address);
    }
    ~MappedFile() { ::munmap(const_cast<char*>(bytes_), size_); }
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;
    std::span<const char> bytes() const { return {bytes_, size_}; }

  private:
    const char* bytes_ = nullptr;
    usize size_ = 0;
};

bool valid_mask(u64 mask) {
    return std::has_single_bit(mask + 1) && mask + 1 >= kRecord && mask < u64{1} << 40;
}

/// The header of a run that begins at this page and lies in the memory.
std::optional<abi::TraceHeader> header_at(std::span<const char> memory, u64 at) {
    abi::TraceHeader header;
    if (memory.size() - at < sizeof(header)) return std::nullopt;
    u64 magic;
    std::memcpy(&magic, memory.data() + at, sizeof(magic));
    if (magic != abi::kTraceMagic) return std::nullopt;
    std::memcpy(&header, memory.data() + at, sizeof(header));
    const bool fine = header.cpu < header.cpus && header.cpus <= abi::kMaxCpus && valid_mask(header.mask) &&
                      valid_mask(header.names_mask) &&
                      memory.size() - at - sizeof(header) >= header.mask + header.names_mask + 2;
    return fine ? std::optional(header) : std::nullopt;
}

class Reader {
  public:
    explicit Reader(std::span<const char> memory) : memory_(memory) {}
    void take_run(const abi::TraceHeader& header, u64 at);
    u64 end_of_ring(u64 ring, u64 mask, u64 at) const;
    Capture finish();

  private:
    u64 take_ring(u32 cpu, u64 ring, u64 mask, u64 position);
    u64 nanoseconds(u64 ticks) const;
    std::span<const char> memory_;
    Capture capture_;
    abi::TraceHeader clock_{};
};

/// Takes what is in the ring; how many records were overwritten.
u64 Reader::take_ring(u32 cpu, u64 ring, u64 mask, u64 position) {
    const u64 kept = std::min(position, mask + 1);
    for (u64 at = position - kept; at < position; at += kRecord) {
        abi::TraceRecord record;
        std::memcpy(&record, memory_.data() + ring + (at & mask), sizeof(record));
        capture_.records.push_back({record.time, cpu, static_cast<abi::TraceKind>(record.kind & 0xff),
                                    record.kind >> 8, record.thread, record.a, record.b});
    }
    return (position - kept) / kRecord;
}

/// Fast paths add records without telling: those are newer than the last one that is told of.
u64 Reader::end_of_ring(u64 ring, u64 mask, u64 at) const {
    const auto time_of = [&](u64 position) {
        u64 time;
        std::memcpy(&time, memory_.data() + ring + (position & mask), sizeof(time));
        return time;
    };
    u64 last = at != 0 ? time_of(at - kRecord) : 0;
    for (u64 more = 0; more < mask && time_of(at) > last; more += kRecord, at += kRecord) last = time_of(at);
    return at;
}

void Reader::take_run(const abi::TraceHeader& header, u64 at) {
    if (header.cpu == 0) clock_ = header;
    capture_.cpus = header.cpus;
    const u64 ring = at + sizeof(header);
    const u64 end = end_of_ring(ring, header.mask, header.at);
    capture_.written += end / kRecord;
    capture_.lost += take_ring(header.cpu, ring, header.mask, end);
    capture_.lost_names += take_ring(header.cpu, ring + header.mask + 1, header.names_mask, header.names_at);
}

u64 Reader::nanoseconds(u64 ticks) const {
    const bool later = ticks >= clock_.tsc_base;
    const u64 distance = later ? ticks - clock_.tsc_base : clock_.tsc_base - ticks;
    const auto passed = static_cast<u64>(static_cast<unsigned __int128>(distance) * clock_.multiplier >> 32);
    if (later) return clock_.clock_base + passed;
    return clock_.clock_base > passed ? clock_.clock_base - passed : 0;
}

Capture Reader::finish() {
    std::ranges::stable_sort(capture_.records, {}, &CapturedRecord::time);
    for (CapturedRecord& record : capture_.records) {
        record.time = nanoseconds(record.time);
        if (record.kind == abi::TraceKind::system_call && record.b != 0) record.b = nanoseconds(record.b);
    }
    return std::move(capture_);
}

}  // namespace

Capture read_capture(int memory) {
    const MappedFile file(memory);
    Reader reader(file.bytes());
    // Pages that the machine has never touched are holes of the file: looking at them would make them real.
    const auto size = static_cast<off_t>(file.bytes().size());
    for (off_t at = ::lseek(memory, 0, SEEK_DATA); at >= 0 && at < size;
         at = ::lseek(memory, at, SEEK_DATA)) {
        const off_t end = ::lseek(memory, at, SEEK_HOLE);
        for (; at < end; at += abi::kPageSize) {
            const auto place = static_cast<u64>(at);
            if (const auto header = header_at(file.bytes(), place)) reader.take_run(*header, place);
        }
    }
    return reader.finish();
}

}  // namespace pith::tools
