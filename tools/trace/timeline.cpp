// SPDX-License-Identifier: MIT
#include "tools/trace/timeline.hpp"

#include <algorithm>
#include <cstring>

#include "tools/trace/names.hpp"

namespace pith::tools {

namespace {

using abi::TraceKind;

constexpr u64 kCpusProcess = 1;
constexpr u64 kNamelessProcess = 2;
constexpr u64 kComponents = 1000;            ///< plus the component's number: its process on the timeline
constexpr u64 kLinuxProcesses = 10'000'000;  ///< plus the pid

enum class SliceKind : u8 { serve, call, event, queue };

struct Slice {
    SliceKind kind;
    u64 begun;
    u64 detail;  ///< serve: who is served. event: the Linux call's number, or kNoCall
    u64 flow;    ///< number of the arrow that began it, and of the one that ends it plus 1; 0: none yet
};
constexpr u64 kNoCall = ~u64{0};

/// What is known of a thread while it is followed.
struct Followed {
    std::vector<Slice> open;
    bool receiving = false;  ///< waits for messages
    u64 call_end = 0;        ///< end of the native system call whose slice is open; 0: none is
};

class Timeline {
  public:
    Timeline(const Capture& capture, const Protocols& protocols, ChromeJson& out)
        : capture_(capture), protocols_(protocols), out_(out), cpus_(capture.cpus) {
        totals_.busy.resize(capture.cpus);
    }
    Totals follow();

  private:
    struct Cpu {
        u32 thread = 0;  ///< 0: nobody
        u64 since = 0;
    };

    void take(const CapturedRecord& record);
    void take_message(const CapturedRecord& record);
    void take_event(const CapturedRecord& record);
    void take_instant(const CapturedRecord& record);
    void take_name(const CapturedRecord& record);

    TracedThread& thread(u32 number);
    Track track(u32 number) { return {thread(number).track_process, number}; }
    Track track_at(u32 number, u64 time);
    void end_call(u32 number, u64 time);
    void take_system_call(const CapturedRecord& record);
    std::string full_name(u32 number);
    std::string method(u32 server, u64 tag);
    void run(u32 cpu, u32 number, u64 time);
    void open(u32 number, Slice slice, std::string_view category, const std::string& name);
    void close_top(u32 number, u64 time, const char* how);
    void close_waits(u32 number, u64 time, const char* how);
    void end_service(u32 number, u64 time);
    bool in_wait(u32 number, SliceKind kind);
    void deliver(u32 from, u32 to, u64 time, const std::string& what);
    void answer(u32 from, u32 to, u64 time);
    void close_all();
    void name_tracks();

    const Capture& capture_;
    const Protocols& protocols_;
    ChromeJson& out_;
    Totals totals_;
    std::vector<Cpu> cpus_;
    std::unordered_map<u32, Followed> followed_;
    std::map<u64, std::string> process_names_;
    u64 next_flow_ = 1;
};

TracedThread& Timeline::thread(u32 number) {
    TracedThread& found = totals_.threads[number];
    if (found.track_process == 0) { found.track_process = kNamelessProcess; }
    return found;
}

std::string Timeline::full_name(u32 number) {
    const TracedThread& which = thread(number);
    if (which.foreign || which.name == "main" || which.name == which.process) return which.process;
    return which.process + "/" + which.name;
}

/// What a message to that thread asks for.
std::string Timeline::method(u32 server, u64 tag) {
    const u64 process = thread(server).track_process;
    const u64 component = process >= kComponents ? process - kComponents : kLinuxProcesses;
    return protocols_.method(component, abi::Tag(tag).operation());
}

/// The CPU runs another thread from now on.
void Timeline::run(u32 cpu, u32 number, u64 time) {
    Cpu& here = cpus_[cpu];
    if (here.thread == number) return;
    const Track on{kCpusProcess, cpu + 1};
    if (here.thread != 0) {
        out_.end(on, time);
        thread(here.thread).totals.cpu_time += time - here.since;
        totals_.busy[cpu] += time - here.since;
    }
    here = {number, time};
    if (number == 0) return;
    thread(number).totals.switches++;
    out_.begin(on, time, "cpu", full_name(number), std::format("\"thread\":{}", number));
}

/// The slice of a native system call ends, at the latest now.
void Timeline::end_call(u32 number, u64 time) {
    u64& end = followed_[number].call_end;
    if (end != 0) out_.end(track(number), std::min(end, time));
    end = 0;
}

/// The thread's track, at that time.
Track Timeline::track_at(u32 number, u64 time) {
    if (followed_[number].call_end <= time) end_call(number, time);
    return track(number);
}

void Timeline::open(u32 number, Slice slice, std::string_view category, const std::string& name) {
    end_call(number, slice.begun);
    out_.begin(track(number), slice.begun, category, name);
    followed_[number].open.push_back(slice);
}

void Timeline::close_top(u32 number, u64 time, const char* how) {
    end_call(number, time);
    std::vector<Slice>& slices = followed_[number].open;
    const Slice slice = slices.back();
    slices.pop_back();
    out_.end(track(number), time, how == nullptr ? "" : std::format("\"end\":\"{}\"", how));
    if (slice.kind != SliceKind::event || slice.detail == kNoCall) return;
    LinuxCallTotals& totals = totals_.linux_calls[slice.detail];
    totals.count++;
    totals.time += time - slice.begun;
    totals.longest = std::max(totals.longest, time - slice.begun);
}

/// The thread goes on: whatever it waited for has ended.
void Timeline::close_waits(u32 number, u64 time, const char* how) {
    std::vector<Slice>& slices = followed_[number].open;
    while (!slices.empty() && slices.back().kind != SliceKind::serve) close_top(number, time, how);
}

void Timeline::end_service(u32 number, u64 time) {
    end_call(number, time);
    std::vector<Slice>& slices = followed_[number].open;
    while (!slices.empty()) close_top(number, time, nullptr);
}

bool Timeline::in_wait(u32 number, SliceKind kind) {
    const std::vector<Slice>& slices = followed_[number].open;
    return !slices.empty() && slices.back().kind == kind;
}

/// A message of `from`, whose slice is open, has reached `to`.
void Timeline::deliver(u32 from, u32 to, u64 time, const std::string& what) {
    end_service(to, time);
    followed_[to].receiving = false;
    open(to, {SliceKind::serve, time, from, 0}, "serve", std::format("{}: {}", full_name(from), what));
    thread(to).totals.served++;
    std::vector<Slice>& slices = followed_[from].open;
    if (slices.empty()) return;
    slices.back().flow = next_flow_;
    next_flow_ += 2;
    out_.flow_start(track_at(from, time), time, "message", slices.back().flow);
    out_.flow_end(track_at(to, time), time, "message", slices.back().flow);
}

/// `from` lets `to` go on: with an arrow if it is at work on something.
void Timeline::answer(u32 from, u32 to, u64 time) {
    std::vector<Slice>& waiting = followed_[to].open;
    if (waiting.empty() || waiting.back().kind == SliceKind::serve) return;
    if (from != 0 && !followed_[from].open.empty() && waiting.back().flow != 0) {
        out_.flow_start(track_at(from, time), time, "answer", waiting.back().flow + 1);
        out_.flow_end(track_at(to, time), time, "answer", waiting.back().flow + 1);
    }
    close_waits(to, time, "answered");
}

void Timeline::take_message(const CapturedRecord& record) {
    const auto other = static_cast<u32>(record.a);
    switch (record.kind) {
        case TraceKind::call:
        case TraceKind::deliver_call:
            if (in_wait(record.thread, SliceKind::queue)) close_top(record.thread, record.time, nullptr);
            thread(record.thread).totals.calls++;
            open(record.thread, {SliceKind::call, record.time, other, 0}, "call",
                 std::format("call {} {}", full_name(other), method(other, record.b)));
            deliver(record.thread, other, record.time, method(other, record.b));
            break;
        case TraceKind::deliver_send:
            if (in_wait(record.thread, SliceKind::queue)) close_top(record.thread, record.time, nullptr);
            deliver(record.thread, other, record.time, std::format("sends {}", method(other, record.b)));
            break;
        case TraceKind::reply:
            answer(record.thread, other, record.time);
            end_service(record.thread, record.time);
            followed_[record.thread].receiving = true;
            break;
        case TraceKind::deliver_reply:
        case TraceKind::resume: answer(record.thread, other, record.time); break;
        case TraceKind::queue:
            open(record.thread, {SliceKind::queue, record.time, 0, 0}, "queue", "waits for a receiver");
            break;
        case TraceKind::receive:
            end_service(record.thread, record.time);
            followed_[record.thread].receiving = true;
            break;
        default: break;
    }
    if (record.kind == TraceKind::call || record.kind == TraceKind::reply)
        run(record.cpu, other, record.time);
}

/// What foreign threads do, and faults.
void Timeline::take_event(const CapturedRecord& record) {
    const auto other = static_cast<u32>(record.a);
    const Slice event{SliceKind::event, record.time, kNoCall, 0};
    switch (record.kind) {
        case TraceKind::foreign:
        case TraceKind::foreign_call: {
            Slice call = event;
            call.detail = record.b;
            thread(record.thread).totals.calls++;
            open(record.thread, call, "linux", linux_call_name(record.b));
            if (record.kind == TraceKind::foreign_call) break;
            deliver(record.thread, other, record.time, linux_call_name(record.b));
            run(record.cpu, other, record.time);
            break;
        }
        case TraceKind::page_fault:
            thread(record.thread).totals.calls++;
            open(record.thread, event, "fault", std::format("page fault at {:#x}", record.a));
            break;
        case TraceKind::exception:
            thread(record.thread).totals.calls++;
            open(record.thread, event, "fault", exception_name(record.a));
            break;
        case TraceKind::deliver_event: {
            if (in_wait(record.thread, SliceKind::queue)) close_top(record.thread, record.time, nullptr);
            std::string what = event_name(record.b & 0xffff);
            if (!in_wait(record.thread, SliceKind::event)) {
                open(record.thread, event, "fault", what);
            } else if (const u64 number = followed_[record.thread].open.back().detail; number != kNoCall) {
                what = linux_call_name(number);
            }
            deliver(record.thread, other, record.time, what);
            break;
        }
        case TraceKind::wake: {
            answer(record.thread, other, record.time);
            Followed& woken = followed_[other];
            if (woken.receiving)
                open(other, {SliceKind::serve, record.time, 0, 0}, "serve", "signal or deadline");
            woken.receiving = false;
            break;
        }
        case TraceKind::end:
            close_waits(record.thread, record.time, "thread ends");
            end_service(record.thread, record.time);
            break;
        default: break;
    }
}

/// A slice for the time in the kernel. Messages have slices for what becomes of them, and those may be longer.
void Timeline::take_system_call(const CapturedRecord& record) {
    const u64 number = record.a & 0xff;
    if (number == static_cast<u64>(abi::Syscall::trace_mark)) return;  // the mark follows
    end_call(record.thread, record.time);
    const std::string name = system_call_name(number);
    const std::string arguments = std::format("\"handle\":{}", record.a >> 32);
    const bool ended = record.b > record.time;
    if (ended) thread(record.thread).totals.call_time += record.b - record.time;
    if (ended && number > static_cast<u64>(abi::Syscall::adopt)) {
        out_.begin(track(record.thread), record.time, "kernel", name, arguments);
        followed_[record.thread].call_end = record.b;
    } else {
        out_.instant(track(record.thread), record.time, "kernel", name, arguments);
    }
}

void Timeline::take_instant(const CapturedRecord& record) {
    const Track on_cpu{kCpusProcess, record.cpu + 1};
    const auto on_thread = [&](std::string_view category, const std::string& name,
                               const std::string& arguments) {
        const Track where = record.thread != 0 ? track_at(record.thread, record.time) : on_cpu;
        out_.instant(where, record.time, category, name, arguments);
    };
    switch (record.kind) {
        case TraceKind::interrupt:
            out_.instant(on_cpu, record.time, "interrupt", std::format("interrupt {}", record.a));
            break;
        case TraceKind::timer: out_.instant(on_cpu, record.time, "interrupt", "timer"); break;
        case TraceKind::ipi: out_.instant(on_cpu, record.time, "interrupt", "from another CPU"); break;
        case TraceKind::system_call: take_system_call(record); break;
        case TraceKind::overrun: on_thread("budget", "budget spent", {}); break;
        case TraceKind::refill: on_thread("budget", "budget refilled", {}); break;
        case TraceKind::reserve: on_thread("budget", "goes on on its reserve", {}); break;
        case TraceKind::destroy: on_thread("kernel", "destroys", std::format("\"type\":{}", record.a)); break;
        case TraceKind::mark:
            on_thread("mark", packed_name(record.a, 0), std::format("\"value\":{}", record.b));
            break;
        default: break;
    }
}

void Timeline::take_name(const CapturedRecord& record) {
    TracedThread& named = thread(record.thread);
    const std::string text = packed_name(record.a, record.b);
    if (record.kind == TraceKind::name) {
        if (!text.empty()) named.name = text;
        return;
    }
    named.foreign = (record.number & abi::kTraceForeign) != 0;
    const u64 number = record.number & (abi::kTraceForeign - 1);
    const u64 process = (named.foreign ? kLinuxProcesses : kComponents) + number;
    end_call(record.thread, record.time);
    if (process != named.track_process)
        end_service(record.thread, record.time);  // its slices are on the old track
    named.process = named.foreign ? std::format("{} [{}]", text, number) : text;
    named.track_process = process;
    process_names_[named.track_process] = named.process;
}

void Timeline::take(const CapturedRecord& record) {
    switch (record.kind) {
        case TraceKind::switch_thread: run(record.cpu, record.thread, record.time); break;
        case TraceKind::process:
        case TraceKind::name: take_name(record); break;
        case TraceKind::call:
        case TraceKind::reply:
        case TraceKind::deliver_call:
        case TraceKind::deliver_send:
        case TraceKind::deliver_reply:
        case TraceKind::resume:
        case TraceKind::queue:
        case TraceKind::receive: take_message(record); break;
        case TraceKind::foreign:
        case TraceKind::foreign_call:
        case TraceKind::page_fault:
        case TraceKind::exception:
        case TraceKind::deliver_event:
        case TraceKind::wake:
        case TraceKind::end: take_event(record); break;
        default: take_instant(record);
    }
}

void Timeline::close_all() {
    for (u32 cpu = 0; cpu < cpus_.size(); cpu++) run(cpu, 0, totals_.end);
    for (auto& [number, state] : followed_) {
        end_call(number, totals_.end);
        while (!state.open.empty()) close_top(number, totals_.end, "trace ends");
    }
}

void Timeline::name_tracks() {
    out_.name_process(kCpusProcess, "CPUs", 0);
    for (u32 cpu = 0; cpu < cpus_.size(); cpu++)
        out_.name_thread({kCpusProcess, cpu + 1}, std::format("CPU {}", cpu), cpu);
    for (const auto& [number, named] : totals_.threads) {
        if (named.track_process == kNamelessProcess) process_names_[kNamelessProcess] = "nameless";
        out_.name_thread({named.track_process, number}, named.name, number);
    }
    for (const auto& [process, name] : process_names_)
        out_.name_process(process, name, static_cast<i64>(process));
}

Totals Timeline::follow() {
    const auto names = [](const CapturedRecord& record) {
        return record.kind == TraceKind::process || record.kind == TraceKind::name;
    };
    // Names are kept for longer than records: the time begins with the first record.
    const auto first = std::ranges::find_if_not(capture_.records, names);
    if (first == capture_.records.end()) return std::move(totals_);
    totals_.begin = first->time;
    totals_.end = capture_.records.back().time;
    for (Cpu& cpu : cpus_) cpu.since = totals_.begin;
    for (const CapturedRecord& record : capture_.records) take(record);
    close_all();
    name_tracks();
    return std::move(totals_);
}

}  // namespace

Totals write_timeline(const Capture& capture, const Protocols& protocols, ChromeJson& out) {
    return Timeline(capture, protocols, out).follow();
}

}  // namespace pith::tools
