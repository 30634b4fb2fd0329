// SPDX-License-Identifier: MIT
#include "tools/trace/report.hpp"

#include <algorithm>
#include <numeric>

#include "tools/base/host.hpp"
#include "tools/trace/names.hpp"

namespace pith::tools {

namespace {

constexpr usize kMostCalls = 20;
constexpr usize kMostThreads = 40;
constexpr u64 kMicrosecond = 1000;
constexpr char kThreadColumns[] = "{:<20} {:<16} {:>11} {:>5} {:>11} {:>8} {:>8} {:>8}\n";

std::string microseconds(u64 nanoseconds) {
    return std::format("{}.{}", nanoseconds / kMicrosecond, nanoseconds % kMicrosecond / 100);
}

/// Per cent with one digit behind the point.
std::string share(u64 part, u64 whole) {
    const u64 tenths = whole == 0 ? 0 : (part * 1000 + whole / 2) / whole;
    return std::format("{}.{}", tenths / 10, tenths % 10);
}

std::string thread_table(const Totals& totals, u64 whole) {
    std::vector<const TracedThread*> threads;
    for (const auto& [number, each] : totals.threads) {
        const bool silent = each.totals.switches == 0 && each.totals.calls == 0 && each.totals.served == 0;
        if (!silent) threads.push_back(&each);
    }
    std::ranges::stable_sort(threads, [](const TracedThread* left, const TracedThread* right) {
        return left->totals.cpu_time > right->totals.cpu_time;
    });
    std::string text = std::format(kThreadColumns, "component", "thread", "CPU us", "%", "kernel us",
                                   "switches", "calls", "served");
    const usize shown = std::min(threads.size(), kMostThreads);
    for (usize i = 0; i < shown; i++) {
        const ThreadTotals& of = threads[i]->totals;
        text += std::format(kThreadColumns, threads[i]->process, threads[i]->name, microseconds(of.cpu_time),
                            share(of.cpu_time, whole), microseconds(of.call_time), of.switches, of.calls,
                            of.served);
    }
    if (shown < threads.size()) text += std::format("... and {} threads more\n", threads.size() - shown);
    return text;
}

std::string call_table(const Totals& totals) {
    std::vector<std::pair<u64, LinuxCallTotals>> calls(totals.linux_calls.begin(), totals.linux_calls.end());
    std::ranges::stable_sort(
        calls, [](const auto& left, const auto& right) { return left.second.time > right.second.time; });
    std::string text = std::format("{:<20} {:>9} {:>12} {:>12} {:>12}\n", "Linux call", "count", "us",
                                   "us a call", "longest us");
    const usize shown = std::min(calls.size(), kMostCalls);
    for (usize i = 0; i < shown; i++) {
        const auto& [number, of] = calls[i];
        text += std::format("{:<20} {:>9} {:>12} {:>12} {:>12}\n", linux_call_name(number), of.count,
                            microseconds(of.time), microseconds(of.time / of.count),
                            microseconds(of.longest));
    }
    if (shown < calls.size()) text += std::format("... and {} calls more\n", calls.size() - shown);
    return text;
}

}  // namespace

std::string summary(const Capture& capture, const Totals& totals) {
    const u64 span = totals.end - totals.begin;
    const u64 whole = span * capture.cpus;
    const u64 busy = std::accumulate(totals.busy.begin(), totals.busy.end(), u64{0});
    std::string text = std::format("trace: {} records over {} us, {} CPU{}, {}% idle\n",
                                   capture.written - capture.lost, microseconds(span), capture.cpus,
                                   capture.cpus == 1 ? "" : "s", share(whole - busy, whole));
    if (capture.lost != 0) {
        text += std::format("trace: {} older records were overwritten: a larger --ring keeps more\n",
                            capture.lost);
    }
    if (capture.lost_names != 0)
        text += std::format("trace: {} names were overwritten\n", capture.lost_names);
    text += "\n" + thread_table(totals, whole);
    if (!totals.linux_calls.empty()) text += "\n" + call_table(totals);
    return text;
}

std::string report_trace(int memory, const Protocols& protocols, const std::string& path) {
    const Capture capture = read_capture(memory);
    if (capture.cpus == 0) fail(1, "the machine ended before its kernel began to trace");
    ChromeJson out(path);
    const Totals totals = write_timeline(capture, protocols, out);
    out.finish(std::format("\"records\":{},\"lost\":{},\"cpus\":{}", capture.written - capture.lost,
                           capture.lost, capture.cpus));
    return summary(capture, totals);
}

}  // namespace pith::tools
