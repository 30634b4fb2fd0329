// SPDX-License-Identifier: MIT
// The log server.
#include <algorithm>
#include <charconv>
#include <cstring>

#include "lib/base/format.hpp"
#include "lib/os/mapping.hpp"
#include "lib/os/protocol.hpp"
#include "servers/log/ring.hpp"

namespace pith::log {

namespace {

constexpr usize kMaxWatchers = 8;

class LogServer {
  public:
    explicit LogServer(EventLoop& loop) : server_(loop, *this) {
        const NamedHandle* entry = find_start_handle("preserved");
        if (entry == nullptr) panic("no preserved Memory");
        memory_ = take_start_handle<Memory>("preserved");
        auto mapping = Mapping::create(memory_, 0, entry->value);
        if (!mapping.ok()) panic("cannot map the ring");
        mapping_ = std::move(*mapping);
        ring_.open(mapping_.bytes());
    }

    Result<Log::Write::Reply> handle(const Log::Write& request, Badge badge) {
        const usize length = std::min<usize>(request.length, Log::kMaxText);
        ring_.append(static_cast<Severity>(std::min<u32>(request.severity, 7)), badge.client(), now(),
                     {request.text, length});
        for (const Watcher& watcher : watchers_)
            if (watcher.signal.valid() && request.severity <= watcher.severity)
                static_cast<void>(watcher.signal.notify(watcher.bits));
        return Log::Write::Reply{};
    }

    Result<Log::Read::Reply> handle(const Log::Read& request, Badge) {
        const RecordHeader* record = ring_.find(request.sequence);
        if (record == nullptr) return Error::would_block;
        Log::Read::Reply reply{};
        reply.sequence = record->sequence;
        reply.time = record->time;
        reply.severity = record->severity;
        reply.component = record->component;
        const std::string_view name = writer(record->component);
        std::memcpy(reply.name, name.data(), std::min(name.size(), sizeof(reply.name) - 1));
        reply.length = static_cast<u32>(std::min<usize>(record->length, Log::kMaxText));
        std::memcpy(reply.text, Ring::text_of(*record).data(), reply.length);
        return reply;
    }

    void handle(const Log::Watch& message, Request<Log::Watch> request) {
        auto signal = request.handles().take<Signal>(0);
        if (!signal.ok()) return request.fail(Error::protocol);
        const u32 client = request.badge().client();
        auto place = std::ranges::find_if(
            watchers_, [client](const Watcher& w) { return w.signal.valid() && w.client == client; });
        if (place == std::end(watchers_))
            place = std::ranges::find_if(watchers_, [](const Watcher& w) { return !w.signal.valid(); });
        if (place == std::end(watchers_)) return request.fail(Error::busy);
        *place = {std::move(*signal), message.bits, message.severity, client};
        request.reply({ring_.next_sequence()});
    }

  private:
    struct Watcher {
        Handle<Signal> signal;
        u64 bits = 0;
        u64 severity = 0;
        u32 client = 0;
    };

    static std::string_view writer(u32 component) {
        if (component == 0xffff'ffff) return "supervisor";
        char key[24];
        return start_parameter(format_to(key, "component.{}", component));
    }

    Handle<Memory> memory_;
    Mapping mapping_;
    Ring ring_;
    Watcher watchers_[kMaxWatchers];
    Server<Log, LogServer> server_;
};

}  // namespace

}  // namespace pith::log

int main() {
    static pith::EventLoop loop;
    static pith::log::LogServer server(loop);
    loop.run();
}
