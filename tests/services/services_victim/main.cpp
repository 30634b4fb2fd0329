// SPDX-License-Identifier: MIT
// Serves, and dies as told.
#include <cstring>

#include "lib/os/mapping.hpp"
#include "lib/os/protocol.hpp"
#include "tests/services/victim.hpp"

namespace pith::test {

namespace {

/// In the executable, and not in its instructions.
const volatile u64 kVersion = kOriginalVersion;

struct Kept {
    u64 last_id;
    u64 sum;
};

class VictimServer {
  public:
    explicit VictimServer(EventLoop& loop) : loop_(loop), server_(loop, *this) {
        memory_ = take_start_handle<Memory>("preserved");
        auto mapping = Mapping::create(memory_, 0, abi::kPageSize);
        if (!mapping.ok()) panic("no preserved Memory");
        mapping_ = std::move(*mapping);
        kept_ = mapping_.as<Kept>();
        if (kVersion == kSpoilingVersion) {
            kept_->sum = ~kept_->sum;
            panic("spoils its state");
        }
        if (kVersion == kSilentVersion)
            for (;;) asm volatile("pause");
    }
    Result<Victim::Version::Reply> handle(const Victim::Version&, Badge) {
        return Victim::Version::Reply{kVersion};
    }
    Result<Victim::Add::Reply> handle(const Victim::Add& request, Badge) {
        if (kVersion == kDyingVersion && ++requests_ == 2) panic("dies at its second request");
        if (request.id > kept_->last_id) {
            kept_->last_id = request.id;
            kept_->sum += request.value;
        }
        return Victim::Add::Reply{kept_->sum, start_info().generation};
    }
    void handle(const Victim::Slow& message, Request<Victim::Slow> request) {
        if (!spawn(answer(loop_, message, std::move(request)))) panic("no memory");
    }
    void handle(const Victim::Die& message, Request<Victim::Die> request) {
        die(static_cast<Death>(message.how), request);
    }

  private:
    static Task<void> answer(EventLoop& loop, Victim::Slow message, Request<Victim::Slow> request) {
        co_await loop.sleep_until(now() + message.delay);
        Victim::Slow::Reply reply;
        std::memcpy(reply.data, message.data, sizeof(reply.data));
        request.reply(reply);
    }
    [[gnu::noinline]] static u64 recurse(volatile u64* above) {
        volatile u64 frame[64];
        frame[0] = *above + 1;
        if (frame[0] == ~u64{0}) return 0;
        return recurse(frame) + frame[0];
    }
    void die(Death how, Request<Victim::Die>& request) {
        static u64 data[2] = {};
        switch (how) {
            case Death::read_null: asm volatile("movq 8, %%rax" : : : "rax"); break;
            case Death::write_code: *reinterpret_cast<volatile u8*>(0x400000) = 0; break;
            case Death::execute_data: reinterpret_cast<void (*)()>(data)(); break;
            case Death::panic: panic("as told"); break;
            case Death::exit: exit_component(3); break;
            case Death::spin:
                request.reply({});
                loop_.on_signal(1, [](u64) {
                    for (;;) asm volatile("pause");
                });
                static_cast<void>(loop_.signal().notify(1));
                break;
            case Death::stuck: {
                // Waits for ever, and not in the event loop.
                auto signal = own_pool().create_signal();
                static_cast<void>(signal->wait(1));
                break;
            }
            case Death::undefined: asm volatile("ud2"); break;
            case Death::stack: {
                volatile u64 zero = 0;
                recurse(&zero);
                break;
            }
            case Death::memory:
                for (;;) std::memset(::operator new(100000), 1, 100000);
        }
    }
    EventLoop& loop_;
    Server<Victim, VictimServer> server_;
    Handle<Memory> memory_;
    Mapping mapping_;
    Kept* kept_ = nullptr;
    u64 requests_ = 0;
};

}  // namespace

}  // namespace pith::test

int main() {
    static pith::EventLoop loop;
    static pith::test::VictimServer server(loop);
    loop.run();
}
