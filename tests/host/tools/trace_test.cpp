// SPDX-License-Identifier: MIT
// From a machine's memory to a timeline: rings that have wrapped, several CPUs, what is cut off at either end; and the
// check that the timelines are held against.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "abi/message.hpp"
#include "abi/syscall.hpp"
#include "tools/base/host.hpp"
#include "tools/trace/report.hpp"
#include "tools/trace_check/check.hpp"

namespace pith::tools {
namespace {

using abi::TraceKind;

constexpr u64 kRing = 4096;
constexpr u64 kNames = 256;

/// RAM with rings in it, at a tick a nanosecond.
class FakeMemory {
  public:
    FakeMemory() : file_(::memfd_create("trace-test", MFD_CLOEXEC)) {
        if (::ftruncate(file_, 1 << 20) != 0) ADD_FAILURE() << "ftruncate";
    }
    ~FakeMemory() { ::close(file_); }
    FakeMemory(const FakeMemory&) = delete;
    FakeMemory& operator=(const FakeMemory&) = delete;
    int file() const { return file_; }

    void add_cpu(u32 cpu, u32 cpus) {
        abi::TraceHeader& header = headers_[cpu];
        header.magic = abi::kTraceMagic;
        header.cpu = cpu;
        header.cpus = cpus;
        header.mask = kRing - 1;
        header.names_mask = kNames - 1;
        header.multiplier = u64{1} << 32;
        put(cpu);
    }
    void add(u32 cpu, u64 time, TraceKind kind, u32 thread, u64 a = 0, u64 b = 0) {
        abi::TraceHeader& header = headers_[cpu];
        write({time, static_cast<u32>(kind), thread, a, b},
              place(cpu) + sizeof(header) + (header.at & header.mask));
        header.at += sizeof(abi::TraceRecord);
        put(cpu);
    }
    void name(u32 cpu, u64 time, u32 thread, u32 number, const char* process, const char* name) {
        abi::TraceHeader& header = headers_[cpu];
        const u64 ring = place(cpu) + sizeof(header) + kRing;
        for (const char* text : {process, name}) {
            const TraceKind kind = text == process ? TraceKind::process : TraceKind::name;
            abi::TraceRecord record{time, static_cast<u32>(kind) | number << 8, thread, 0, 0};
            std::memcpy(&record.a, text, std::strlen(text));
            write(record, ring + (header.names_at & header.names_mask));
            header.names_at += sizeof(record);
        }
        put(cpu);
    }

  private:
    static u64 place(u32 cpu) { return 0x10000 + u64{cpu} * 0x8000; }
    void write(const abi::TraceRecord& record, u64 at) {
        EXPECT_EQ(::pwrite(file_, &record, sizeof(record), static_cast<off_t>(at)), 32);
    }
    void put(u32 cpu) {
        EXPECT_EQ(::pwrite(file_, &headers_[cpu], sizeof(headers_[cpu]), static_cast<off_t>(place(cpu))),
                  4096);
    }
    int file_;
    abi::TraceHeader headers_[4] = {};
};

/// The timeline as a document, and what is wrong with it.
struct Result {
    Json document;
    std::string tables, complaints;
};

Result timeline(const FakeMemory& memory, const Wanted& wanted = {}) {
    char path[] = "/tmp/pith-trace-test-XXXXXX";
    const int file = ::mkstemp(path);
    ::close(file);
    Result result;
    result.tables = report_trace(memory.file(), Protocols(), path);
    const std::vector<u8> bytes = read_file(path);
    ::unlink(path);
    result.document = Json::parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    result.complaints = check_timeline(result.document, wanted);
    return result;
}

u32 count(const Json& document, std::string_view phase, std::string_view name) {
    u32 found = 0;
    for (const Json& event : document["traceEvents"].elements())
        found += event["ph"].string() == phase && event["name"].string() == name ? 1 : 0;
    return found;
}

/// A client (1) that calls a server (2) on CPU 0.
void add_call(FakeMemory& memory, u64 time) {
    memory.add(0, time, TraceKind::call, 1, 2, abi::Tag(5, 0).bits());
    memory.add(0, time + 100, TraceKind::reply, 2, 1);
}

TEST(Trace, CallHasItsAnswerAndArrows) {
    FakeMemory memory;
    memory.add_cpu(0, 1);
    memory.name(0, 1, 1, 7, "client", "main");
    memory.name(0, 1, 2, 8, "server", "main");
    memory.add(0, 900, TraceKind::switch_thread, 1);
    add_call(memory, 1000);
    memory.add(0, 2000, TraceKind::switch_thread, 0);
    const Result result = timeline(
        memory, {.processes = {"client", "server", "CPUs"}, .slices = {"call server #5", "client: #5"}});
    EXPECT_EQ(result.complaints, "");
    EXPECT_EQ(count(result.document, "s", "message"), 1u);
    EXPECT_EQ(count(result.document, "f", "answer"), 1u);
    EXPECT_EQ(count(result.document, "B", "client"), 2u);  // on the CPU's track
    EXPECT_NE(result.tables.find("4 records over 1.1 us, 1 CPU, 0.0% idle"), std::string::npos)
        << result.tables;
}

TEST(Trace, LinuxCallsAreNamedAndCounted) {
    FakeMemory memory;
    memory.add_cpu(0, 1);
    memory.name(0, 1, 2, 8, "linux", "main");
    memory.name(0, 1, 3, abi::kTraceForeign | 42, "cat", "cat");
    for (u64 time : {1000u, 2000u}) {
        memory.add(0, time, TraceKind::foreign, 3, 2, 1);
        memory.add(0, time + 300, TraceKind::reply, 2, 3);
    }
    // One that waits: queued, received, put aside, answered later by thread_resume.
    memory.add(0, 3000, TraceKind::foreign_call, 3, 0, 0);
    memory.add(0, 3010, TraceKind::queue, 3, 0, 2);
    memory.add(0, 3020, TraceKind::deliver_event, 3, 2, 2);
    memory.add(0, 3030, TraceKind::receive, 2);
    memory.add(0, 3500, TraceKind::wake, 0, 2);
    memory.add(0, 3600, TraceKind::resume, 2, 3, 1);
    memory.add(0, 3610, TraceKind::wake, 2, 3);
    const Result result = timeline(
        memory,
        {.processes = {"cat"}, .slices = {"write", "read", "waits for a receiver", "cat [42]: read"}});
    EXPECT_EQ(result.complaints, "");
    EXPECT_EQ(count(result.document, "s", "answer"), 3u);
    EXPECT_NE(result.tables.find("write                        2"), std::string::npos) << result.tables;
    EXPECT_NE(result.tables.find("read                         1          0.6"), std::string::npos)
        << result.tables;
}

TEST(Trace, SystemCallsLastAsLongAsTheKernelWorks) {
    FakeMemory memory;
    memory.add_cpu(0, 1);
    memory.name(0, 1, 1, 7, "maker", "main");
    const auto number = [](abi::Syscall call) { return static_cast<u64>(call) | u64{3} << 32; };
    memory.add(0, 1000, TraceKind::switch_thread, 1);
    memory.add(0, 2000, TraceKind::system_call, 1, number(abi::Syscall::memory_create), 2600);
    memory.add(0, 2500, TraceKind::refill, 1);  // within
    memory.add(0, 3000, TraceKind::system_call, 1, number(abi::Syscall::send), 3100);
    memory.add(0, 4000, TraceKind::system_call, 1, number(abi::Syscall::object_destroy), 0);  // goes on
    const Result result = timeline(
        memory, {.slices = {"memory_create"}, .instants = {"send", "object_destroy", "budget refilled"}});
    EXPECT_EQ(result.complaints, "");
    EXPECT_EQ(count(result.document, "B", "send"), 0u);
    // 600 ns and 100 ns of the 3 us that it ran.
    EXPECT_NE(result.tables.find("3.0 100.0         0.7        1"), std::string::npos) << result.tables;
}

TEST(Trace, WrappedRingKeepsTheNewestAndNames) {
    FakeMemory memory;
    memory.add_cpu(0, 1);
    memory.name(0, 1, 1, 7, "client", "main");
    memory.name(0, 1, 2, 8, "server", "main");
    constexpr u64 kCalls = 200;  // 400 records; a ring has 128
    for (u64 i = 0; i < kCalls; i++) add_call(memory, 1000 + 1000 * i);
    const Capture capture = read_capture(memory.file());
    EXPECT_EQ(capture.written, 2 * kCalls);
    EXPECT_EQ(capture.lost, 2 * kCalls - kRing / 32);
    EXPECT_EQ(capture.lost_names, 0u);
    EXPECT_EQ(capture.records.back().time, 1000 * kCalls + 100);
    const Result result = timeline(memory, {.processes = {"client", "server"}});
    EXPECT_EQ(result.complaints, "");
    EXPECT_EQ(count(result.document, "B", "call server #5"), 64u);
    EXPECT_NE(result.tables.find("272 older records were overwritten"), std::string::npos) << result.tables;
}

TEST(Trace, RecordsOfSeveralCpusAreOneStory) {
    FakeMemory memory;
    memory.add_cpu(0, 2);
    memory.add_cpu(1, 2);
    // The call begins on CPU 0 and is answered on CPU 1, whose records come later in memory.
    memory.add(0, 1000, TraceKind::deliver_call, 1, 2);
    memory.add(0, 1010, TraceKind::wake, 1, 2);
    memory.add(0, 1020, TraceKind::switch_thread, 0, 1);
    memory.add(1, 1030, TraceKind::switch_thread, 2, 0);
    memory.add(1, 1100, TraceKind::deliver_reply, 2, 1);
    memory.add(1, 1110, TraceKind::wake, 2, 1);
    memory.add(1, 1120, TraceKind::receive, 2);
    memory.add(0, 1130, TraceKind::switch_thread, 1, 0);
    const Result result = timeline(memory);
    EXPECT_EQ(result.complaints, "");
    EXPECT_EQ(count(result.document, "f", "answer"), 1u);
    EXPECT_EQ(count(result.document, "M", "process_name"), 2u);  // CPUs, and those without a name
}

TEST(Trace, WhatIsCutOffIsClosedAndNotInvented) {
    FakeMemory memory;
    memory.add_cpu(0, 1);
    memory.add(0, 1000, TraceKind::reply, 2, 1);  // to a call from before
    memory.add(0, 1100, TraceKind::call, 1, 2);
    memory.add(0, 1200, TraceKind::end, 1);
    memory.add(0, 1300, TraceKind::call, 3, 2);
    EXPECT_EQ(timeline(memory, {.open_calls = 1}).complaints, "");
    EXPECT_EQ(timeline(memory).complaints, "1 calls are open at the end\n");
}

TEST(Trace, MemoryWithoutRingsIsAnError) {
    const FakeMemory memory;
    EXPECT_EQ(read_capture(memory.file()).cpus, 0u);
    EXPECT_THROW(report_trace(memory.file(), Protocols(), "/dev/null/x"), Failure);
}

TEST(TraceCheck, SeesWhatIsWrong) {
    const auto complaints = [](std::string_view events) {
        return check_timeline(Json::parse(std::format("{{\"traceEvents\":[{}]}}", events)), {});
    };
    const char* const begin = R"({"ph":"B","pid":1,"tid":1,"ts":5,"name":"x"})";
    EXPECT_EQ(complaints(""), "there are no events\n");
    EXPECT_EQ(complaints(begin), "x at 5 does not end\n");
    EXPECT_EQ(complaints(R"({"ph":"E","pid":1,"tid":1,"ts":5})"), "an end without a beginning at 5\n");
    EXPECT_EQ(complaints(R"({"ph":"i","pid":1,"tid":1,"name":"x"})"), "an event of phase i without ts\n");
    const std::string end = R"({"ph":"E","pid":1,"tid":1,"ts":6})";
    const std::string arrow = R"({"ph":"s","pid":1,"tid":1,"ts":5,"id":1})";
    EXPECT_EQ(complaints(std::format("{},{},{}", begin, arrow, end)),
              "arrow 1 begins 1 times and ends 0 times\n");
    EXPECT_EQ(complaints(std::format("{},{}", begin, end)), "");
}

TEST(TraceCheck, JsonIsStrict) {
    for (const char* bad :
         {"", "{", "[1,]", "{\"a\":}", "{\"a\" 1}", "\"x", "01", "1.", "nul", "[1] 2", "\"\\x\"", "\"\n\""})
        EXPECT_THROW(Json::parse(bad), Failure) << bad;
    const Json good = Json::parse(R"( {"a":[1,-2.5e1,"x\"\u0041",true,null],"b":{}} )");
    EXPECT_EQ(good["a"].elements().size(), 5u);
    EXPECT_EQ(good["a"].elements()[1].number(), -25.0);
    EXPECT_EQ(good["a"].elements()[2].string(), "x\"?");
    EXPECT_FALSE(good.has("c"));
}

}  // namespace
}  // namespace pith::tools
