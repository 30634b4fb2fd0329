// SPDX-License-Identifier: MIT
#include "tests/storage/share_test/coroutines.hpp"

#include "lib/fs/client.hpp"
#include "tests/storage/share_test/client.hpp"
#include "tests/storage/share_test/print.hpp"

namespace pith::test {

namespace {

constexpr u32 kRegular = 0100000, kDirectory = 0040000;
constexpr u32 kWorkers = 4, kRounds = 60;
constexpr u32 kBytes = 20000;
constexpr u64 kSession = 1000;

struct Work {
    FsClient* client = nullptr;
    Fs::FileId folder{};
    u32 running = 0;
    u32 failed = 0;
    u32 settled = 0, written = 0;
    u64 changes = 0;
};

Fs::Time time_now() { return {static_cast<i64>(now() / kSecond), 0, 0}; }

/// Bytes that depend on who writes what; they are made again whenever they are asked for.
class Pattern : public FsData {
  public:
    Pattern(Work& work, u32 seed) : work_(work), seed_(seed) { work_.written++; }
    static u8 byte(u32 seed, usize at) { return static_cast<u8>(seed * 31 + at * 7 + (at >> 8)); }
    usize copy(std::span<u8> to) override {
        for (usize i = 0; i < to.size(); i++) to[i] = byte(seed_, i);
        return to.size();
    }
    void settled(Error error) override {
        work_.settled++;
        if (error != Error::ok) work_.failed++;
        delete this;
    }

  private:
    Work& work_;
    const u32 seed_;
};

#define EXPECT(condition)                                     \
    do {                                                      \
        if (!(condition)) {                                   \
            print("    line {}: {}\n", __LINE__, #condition); \
            work.failed++;                                    \
        }                                                     \
    } while (false)

Task<bool> holds(FsClient& client, Fs::FileId file, u32 seed) {
    static constexpr usize kPiece = 8192;
    u8* const bytes = new u8[kPiece];
    bool same = true;
    for (usize at = 0; at < kBytes && same;) {
        auto count = co_await client.read(file, at, {bytes, kPiece});
        same = count.ok() && *count != 0;
        for (usize i = 0; same && i < *count; i++) same = bytes[i] == Pattern::byte(seed, at + i);
        at += same ? *count : 0;
    }
    delete[] bytes;
    co_return same;
}

/// A file is made, written, renamed, unlinked while it is open, and let go.
Task<void> one_round(Work& work, u32 worker, u32 round) {
    FsClient& client = *work.client;
    const u32 seed = worker * 1000 + round;
    char first[32], second[32];
    const auto name = format_to(first, "file{}", seed), other = format_to(second, "other{}", seed);
    auto made = co_await client.create(work.folder, name, {kRegular | 0644, 0, 0, 0}, time_now());
    EXPECT(made.ok());
    if (!made.ok()) co_return;
    const Fs::FileId file = made->id;
    EXPECT((co_await client.create(work.folder, name, {kRegular | 0644, 0, 0, 0}, time_now())).error() ==
           Error::exists);
    auto* const data = new Pattern(work, seed);
    auto written = co_await client.write(file, 0, kBytes, *data, time_now());
    EXPECT(written.ok() && *written == kBytes);
    EXPECT(co_await holds(client, file, seed));
    EXPECT((co_await client.rename(work.folder, name, work.folder, other, {}, false, time_now())).ok());
    if (round % 8 == 0) EXPECT((co_await client.commit()).ok());
    auto found = co_await client.lookup(work.folder, other);
    EXPECT(found.ok() && found->id == file && found->size == kBytes);
    EXPECT((co_await client.unlink(work.folder, other, file, true, time_now())).ok());
    auto unlinked = co_await client.attributes(file);
    EXPECT(unlinked.ok() && unlinked->links == 0);
    EXPECT(co_await holds(client, file, seed));
    client.release(file);
    EXPECT((co_await client.lookup(work.folder, other)).error() == Error::not_found);
}

Task<void> rounds(Work& work, u32 worker) {
    for (u32 round = 0; round < kRounds && work.failed == 0; round++) co_await one_round(work, worker, round);
    work.running--;
}

Task<void> begin_work(Work& work, const Handle<Signal>& signal, u64 bit, bool& done) {
    FsClient& client = *work.client;
    EXPECT((co_await client.attach(signal, bit, kSession, {})).ok());
    auto folder = co_await client.create(client.attached().root, "coroutines", {kDirectory | 0755, 0, 0, 0},
                                         time_now());
    EXPECT(folder.ok());
    if (work.failed == 0) work.folder = folder->id;
    set_deaths(29, 211);
    work.running = kWorkers;
    for (u32 worker = 0; worker < kWorkers; worker++)
        if (!spawn(rounds(work, worker))) panic("no memory");
    while (work.running != 0) co_await sleep_until(now() + 5 * kMillisecond);
    EXPECT((co_await client.remove_directory(client.attached().root, "coroutines", time_now())).ok());
    EXPECT((co_await client.commit()).ok());
    set_deaths(0, 0);
    EXPECT(client.committed() == client.last_change() && work.settled == work.written);
    work.changes = client.last_change();
    EXPECT((co_await client.detach()).ok());
    done = true;
}

}  // namespace

bool run_coroutines(const Handle<Signal>& signal) {
    auto copy = signal.copy();
    CHECK(copy.ok());
    static EventLoop loop(take_start_handle<Endpoint>("endpoint"), std::move(*copy),
                          take_start_handle<Signal>("pong"));
    static const Client<Fs> server = Client<Fs>(share_endpoint());
    static FsClient client(server, 0);
    const u64 bit = loop.allocate_signal_bit();
    loop.on_signal(bit, [](u64) { client.look(); });
    loop.on_signal(kSignalReborn, [](u64) { client.reborn(); });
    static Work work;
    work.client = &client;
    bool done = false;
    const u32 before = deaths();
    if (!spawn(begin_work(work, loop.signal(), bit, done))) return false;
    while (!done) loop.run_once();
    print("    {} deaths, {} changes\n", deaths() - before, work.changes);
    return work.failed == 0 && deaths() - before > 5;
}

}  // namespace pith::test
