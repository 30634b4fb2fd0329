// SPDX-License-Identifier: MIT
#include "tools/trace_check/check.hpp"

#include <algorithm>
#include <format>
#include <map>
#include <set>

namespace pith::tools {

namespace {

constexpr usize kMostComplaints = 20;
using TrackKey = std::pair<double, double>;

struct Open {
    std::string category, name;
    double time;
};

class Checker {
  public:
    explicit Checker(const Wanted& wanted) : wanted_(wanted) {}
    void take(const Json& event);
    std::string finish();

  private:
    template <typename... Arguments>
    void complain(std::format_string<Arguments...> format, Arguments&&... arguments) {
        if (++complaints_ <= kMostComplaints)
            text_ += std::format(format, std::forward<Arguments>(arguments)...) + "\n";
    }
    void take_end(const Json& event, std::vector<Open>& open);
    void take_flow(const Json& event, bool start, const std::vector<Open>& open);
    void take_name(const Json& event);
    void check_all_there(const char* what, const std::vector<std::string>& names,
                         const std::set<std::string>& seen);

    const Wanted& wanted_;
    std::map<TrackKey, std::vector<Open>> open_;
    std::map<TrackKey, double> latest_;
    std::map<double, std::pair<u32, u32>> flows_;  // by id: starts and ends
    std::set<std::string> processes_, slices_, instants_;
    u32 open_calls_ = 0;
    usize complaints_ = 0;
    std::string text_;
};

void Checker::take_end(const Json& event, std::vector<Open>& open) {
    if (open.empty()) return complain("an end without a beginning at {}", event["ts"].number());
    const Open slice = open.back();
    open.pop_back();
    if (event["ts"].number() < slice.time) complain("{} ends before it begins", slice.name);
    if (slice.category != "call" && slice.category != "linux") return;
    const std::string& how = event["args"]["end"].string();
    if (how == "trace ends" && slice.category == "call") open_calls_++;
    if (how != "trace ends" && how != "thread ends" && how != "answered")
        complain("{} at {} was never answered", slice.name, slice.time);
}

void Checker::take_flow(const Json& event, bool start, const std::vector<Open>& open) {
    if (open.empty()) complain("an arrow at {} that lies in no slice", event["ts"].number());
    auto& [starts, ends] = flows_[event["id"].number()];
    (start ? starts : ends)++;
    if (ends > starts) complain("arrow {} ends before it begins", event["id"].number());
}

void Checker::take_name(const Json& event) {
    if (event["name"].string() != "process_name") return;
    std::string name = event["args"]["name"].string();
    if (const usize number = name.find(" ["); number != name.npos) name.resize(number);
    processes_.insert(name);
}

void Checker::take(const Json& event) {
    const std::string& phase = event["ph"].string();
    if (phase.size() != 1) return complain("an event without a phase");
    for (const char* key : {"pid", "tid", "ts"}) {
        if (event[key].kind() != Json::Kind::number)
            return complain("an event of phase {} without {}", phase, key);
    }
    if (phase == "M") return take_name(event);
    const TrackKey track{event["pid"].number(), event["tid"].number()};
    const double time = event["ts"].number();
    if (double& latest = latest_[track]; time < latest) {
        complain("an event at {}, after one at {}", time, latest);
    } else {
        latest = time;
    }
    std::vector<Open>& open = open_[track];
    const std::string& name = event["name"].string();
    switch (phase[0]) {
        case 'B':
            if (name.empty()) complain("a slice without a name at {}", time);
            open.push_back({event["cat"].string(), name, time});
            slices_.insert(name);
            break;
        case 'E': take_end(event, open); break;
        case 'i': instants_.insert(name); break;
        case 's':
        case 'f': take_flow(event, phase == "s", open); break;
        default: complain("phase {}", phase);
    }
}

void Checker::check_all_there(const char* what, const std::vector<std::string>& names,
                              const std::set<std::string>& seen) {
    for (const std::string& name : names) {
        if (!seen.contains(name)) complain("no {} is called {}", what, name);
    }
}

std::string Checker::finish() {
    for (const auto& [track, open] : open_) {
        for (const Open& slice : open) complain("{} at {} does not end", slice.name, slice.time);
    }
    for (const auto& [id, ends] : flows_) {
        if (ends.first != 1 || ends.second != 1)
            complain("arrow {} begins {} times and ends {} times", id, ends.first, ends.second);
    }
    if (open_calls_ > wanted_.open_calls) complain("{} calls are open at the end", open_calls_);
    check_all_there("process", wanted_.processes, processes_);
    check_all_there("slice", wanted_.slices, slices_);
    check_all_there("instant", wanted_.instants, instants_);
    if (complaints_ > kMostComplaints)
        text_ += std::format("... and {} more\n", complaints_ - kMostComplaints);
    return text_;
}

}  // namespace

std::string check_timeline(const Json& document, const Wanted& wanted) {
    const Json& events = document["traceEvents"];
    if (events.kind() != Json::Kind::array || events.elements().empty()) return "there are no events\n";
    Checker checker(wanted);
    for (const Json& event : events.elements()) checker.take(event);
    return checker.finish();
}

}  // namespace pith::tools
