// SPDX-License-Identifier: MIT
// Tests disks from inside: prints a line a test on the debug console and ends the machine. The host compares the images
// afterwards (tests/storage/disk_pattern.cpp). Disks: 0 and 1 as that makes them with seeds 1 and 2, 2 of one sector,
// 3 to 14 read only with seed 4, 15 with a sector that can't be read.
#include <cstring>

#include "lib/base/format.hpp"
#include "lib/os/thread.hpp"
#include "protocol/device.hpp"
#include "protocol/process.hpp"
#include "tests/storage/disks_test/disk.hpp"
#include "tests/storage/disks_test/sabotage.hpp"
#include "tests/storage/pattern.hpp"

namespace pith::test {

namespace {

Handle<Machine> machine;
Client<Process> process;
Client<Block> block;
int failures = 0;

template <typename... T>
void print(std::string_view format, const T&... arguments) {
    char text[240];
    const auto line = format_to(text, format, arguments...);
    machine.log(line.data(), line.size());
}

#define CHECK(condition)                                      \
    do {                                                      \
        if (!(condition)) {                                   \
            print("    line {}: {}\n", __LINE__, #condition); \
            return false;                                     \
        }                                                     \
    } while (false)

void sleep(abi::Time time) {
    static Handle<Signal> never = std::move(*own_pool().create_signal());
    static_cast<void>(never.wait(1, now() + time));
}

/// As a death, but it is started again at once, and never held down.
bool restart(std::string_view name) {
    Process::Control request{};
    std::memcpy(request.name, name.data(), name.size());
    request.action = static_cast<u32>(ControlAction::restart);
    return process.call(request).ok();
}

/// A component's number of restarts.
u64 restarts(std::string_view name) {
    for (u64 index = 0;; index++) {
        auto reply = process.call(Process::Describe{index});
        if (!reply.ok()) return 0;
        if (name == reply->name) return reply->restarts;
    }
}

/// A disk, and how often each of its sectors was written.
struct Tracked {
    Tracked(u64 index, u64 which) : disk(block), number(index), seed(which) {}
    Disk disk;
    u64 number;
    u64 seed;
    u16 versions[kDiskSectors] = {};

    void fill(const Step& step, u64 offset, u32 ahead) {
        auto* words = reinterpret_cast<u64*>(disk.window() + offset);
        for (u32 s = 0; s < step.sectors; s++)
            for (u32 w = 0; w < kSectorBytes / 8; w++)
                *words++ = pattern(seed, step.sector + s, versions[step.sector + s] + ahead, w);
    }
    bool holds(const Step& step, u64 offset) {
        const auto* words = reinterpret_cast<const u64*>(disk.window() + offset);
        for (u32 s = 0; s < step.sectors; s++)
            for (u32 w = 0; w < kSectorBytes / 8; w++)
                if (*words++ != pattern(seed, step.sector + s, versions[step.sector + s], w)) {
                    print("    other content in sector {}\n", step.sector + s);
                    return false;
                }
        return true;
    }
    bool read(u32 sector, u32 sectors) {
        std::memset(disk.window(), 0xee, sectors * kSectorBytes);
        return disk.run(Block::Operation::read, sector, sectors) == Error::ok &&
               holds({false, sector, sectors}, 0);
    }
};

Tracked first(0, 1), second(1, 2), read_only(3, 4);

bool disks_are_found() {
    CHECK(first.disk.open(0).ok());
    CHECK(first.disk.facts().sectors == kDiskSectors);
    CHECK(first.disk.facts().flags == 0 && first.disk.facts().max_sectors >= kMostSectors);
    CHECK(first.disk.facts().window_size >= kWindowBytes);
    CHECK(second.disk.open(1).ok() && second.disk.facts().sectors == kDiskSectors);
    CHECK(read_only.disk.open(3).ok() && read_only.disk.facts().flags == Block::kReadOnly);
    Disk none(block);
    CHECK(none.open(Block::kMaxDisks).error() == Error::not_found);
    CHECK(none.open(~u64{0}).error() == Error::not_found);
    return true;
}

bool sectors_are_read() {
    for (Tracked* disk : {&first, &second, &read_only}) {
        CHECK(disk->read(0, 1));
        CHECK(disk->read(kDiskSectors - 1, 1));
        CHECK(disk->read(kDiskSectors - kMostSectors, kMostSectors));
        CHECK(disk->read(4711, 7));
    }
    return true;
}

bool bad_requests_are_refused() {
    using enum Block::Operation;
    Disk& d = first.disk;
    const u64 window = d.facts().window_size;
    CHECK(d.run(read, kDiskSectors, 1) == Error::invalid);
    CHECK(d.run(read, kDiskSectors - 1, 2) == Error::invalid);
    CHECK(d.run(write, ~u64{0}, 1) == Error::invalid);
    CHECK(d.run(write, ~u64{0} - 1, 8) == Error::invalid);
    CHECK(d.run(read, 0, 0) == Error::invalid);
    CHECK(d.run(read, 0, d.facts().max_sectors + 1) == Error::invalid);
    CHECK(d.run(read, 0, ~u32{0}) == Error::invalid);
    CHECK(d.run(read, 0, 1, 1) == Error::invalid);
    CHECK(d.run(read, 0, 1, window) == Error::invalid);
    CHECK(d.run(read, 0, 2, window - 512) == Error::invalid);
    CHECK(d.run(read, 0, 1, ~u64{511}) == Error::invalid);
    CHECK(d.run(read, 0, 1, window - 512) == Error::ok);
    CHECK(d.run(flush, 1, 0) == Error::invalid);
    CHECK(d.run(flush, 0, 1) == Error::invalid);
    CHECK(d.run(static_cast<Block::Operation>(0), 0, 1) == Error::invalid);
    CHECK(d.run(static_cast<Block::Operation>(4), 0, 1) == Error::invalid);
    CHECK(d.run(static_cast<Block::Operation>(0xffff'ffff), 0, 1) == Error::invalid);
    CHECK(d.run(flush, 0, 0) == Error::ok);
    // A client that tramples on its own Queue hurts itself alone.
    *reinterpret_cast<u32*>(d.window() - d.facts().window_offset + 64) = 0x8000'0000;  // submit_tail
    d.notify();
    CHECK(second.read(5, 5));
    CHECK(d.open(0).ok());
    return first.read(0, 9);
}

bool read_only_disk_is_not_written() {
    CHECK(read_only.disk.run(Block::Operation::write, 0, 1) == Error::access);
    CHECK(read_only.disk.run(Block::Operation::flush, 0, 0) == Error::ok);
    return read_only.read(0, 64);
}

bool small_disk_works() {
    Disk small(block);
    CHECK(small.open(2).ok() && small.facts().sectors == 1);
    std::memset(small.window(), 0x5a, kSectorBytes);
    CHECK(small.run(Block::Operation::write, 0, 1) == Error::ok);
    CHECK(small.run(Block::Operation::write, 0, 2) == Error::invalid);
    std::memset(small.window(), 0, kSectorBytes);
    CHECK(small.run(Block::Operation::read, 0, 1) == Error::ok);
    for (u32 i = 0; i < kSectorBytes; i++) CHECK(small.window()[i] == 0x5a);
    return true;
}

bool many_disks_work() {
    alignas(Disk) static unsigned char storage[11][sizeof(Disk)];
    const auto disk = [](u64 i) -> Disk& { return *reinterpret_cast<Disk*>(storage[i]); };
    for (u64 i = 0; i < 11; i++) {
        ::new (static_cast<void*>(storage[i])) Disk(block);
        CHECK(disk(i).open(4 + i).ok());
    }
    for (u64 i = 0; i < 11; i++) {
        const u32 sectors = disk(i).facts().max_sectors;
        CHECK(sectors * kSectorBytes <= disk(i).facts().window_size);
        CHECK(disk(i).run(Block::Operation::read, 99 * i, sectors) == Error::ok);
        const auto* words = reinterpret_cast<const u64*>(disk(i).window());
        for (u32 w = 0; w < sectors * kSectorBytes / 8; w++)
            CHECK(words[w] == pattern(4, 99 * i + w / 64, 0, w % 64));
        disk(i).~Disk();
    }
    return true;
}

bool device_errors_are_told() {
    Disk failing(block);
    CHECK(failing.open(15).ok());
    CHECK(failing.run(Block::Operation::read, 7, 1) == Error::ok);
    CHECK(failing.run(Block::Operation::read, 8, 1) == Error::io);
    CHECK(failing.run(Block::Operation::read, 0, 16) == Error::io);
    CHECK(failing.run(Block::Operation::write, 9, 1) == Error::ok);
    return failing.run(Block::Operation::read, 9, 8) == Error::ok;
}

/// A device that says it needs a reset gets one, and the requests that it had get done.
bool device_in_need_is_reset() {
    for (u32 round = 0; round < 8; round++) {
        auto sabotage = Sabotage::begin(machine);
        CHECK(sabotage.ok());
        constexpr u32 kDepth = 32;
        for (u32 i = 0; i < kDepth; i++)
            CHECK(
                first.disk.submit({i, static_cast<u32>(Block::Operation::read), 8, 100 * i, i * 4096}).ok());
        first.disk.notify();
        sabotage->spoil_queue();
        for (u32 i = 0; i < kDepth; i++) {
            auto completion = first.disk.next();
            CHECK(completion.ok() && completion->error == 0);
            const u32 which = static_cast<u32>(completion->id);
            CHECK(first.holds({false, 100 * which, 8}, which * 4096));
        }
        CHECK(first.read(1000 * round, 250));
        CHECK(!sabotage->spoilt());
    }
    return true;
}

bool silent_device_is_reset() {
    auto sabotage = Sabotage::begin(machine);
    CHECK(sabotage.ok());
    sabotage->silence();
    CHECK(first.read(10, 30));
    CHECK(first.read(0, 1));
    return true;
}

const Client<Devices>& foreign_devices() {
    static const auto client = Client<Devices>::from_start("foreign_device");
    return client;
}

/// Devices are for their drivers: this component's manifest has none.
bool devices_are_not_for_everyone() {
    const Client<Devices>& devices = foreign_devices();
    CHECK(devices.call(Devices::Find{0}).error() == Error::not_found);
    for (u64 place = 0; place < 256; place++) {
        CHECK(devices.call(Devices::Open{place}).error() == Error::access);
        CHECK(devices.call(Devices::Configuration{place}).error() == Error::access);
        CHECK(devices.call(Devices::Region{place, 4, 0}).error() == Error::access);
        CHECK(devices.call(Devices::Interrupt{place, 0}).error() == Error::access);
        CHECK(devices.call(Devices::DmaMemory{place, 1, 4096}).error() == Error::access);
        CHECK(devices.call(Devices::Close{place}).error() == Error::access);
    }
    return true;
}

// Kills go on in a thread of their own.
struct Killer {
    u32 driver = 0;
    u32 devices = 0;
    u32 kills = 0;
};
Killer killer;

void kill_forever(void*) {
    static Handle<Signal> never = std::move(*own_pool().create_signal());
    abi::Time next_driver = 0, next_devices = 0;
    for (;;) {
        static_cast<void>(never.wait(1, now() + kMillisecond));
        const u32 driver = __atomic_load_n(&killer.driver, __ATOMIC_ACQUIRE);
        const u32 devices = __atomic_load_n(&killer.devices, __ATOMIC_ACQUIRE);
        if (driver == 0) next_driver = 0;
        else if (next_driver == 0) next_driver = now() + driver * kMillisecond;
        if (devices == 0) next_devices = 0;
        else if (next_devices == 0) next_devices = now() + devices * kMillisecond;
        if (next_devices != 0 && now() >= next_devices) {
            if (restart("devices")) __atomic_add_fetch(&killer.kills, 1, __ATOMIC_RELAXED);
            next_devices = 0;
        }
        if (next_driver != 0 && now() >= next_driver) {
            if (restart("virtio_blk")) __atomic_add_fetch(&killer.kills, 1, __ATOMIC_RELAXED);
            next_driver = 0;
        }
    }
}

/// Looked at when the thread has ended.
struct Asker {
    u64 answers = 0;
    Error error = Error::not_found;  ///< the last one that was another
};
Asker asker;

void ask_forever(void*) {
    for (;; asker.answers++) {
        const Error error = foreign_devices().call(Devices::Find{0}).error();
        if (error != Error::not_found) asker.error = error;
    }
}

/// A server that is being ended says nothing any more: all it could tell is what it can't do in a dying Pool. Each one looks for
/// the devices at the first question, and is ended at some moment of that; with two CPUs by one that goes on meanwhile.
bool ended_server_says_nothing() {
    const bool elsewhere = start_info().cpus > 1 && own_thread().set_cpu(1).ok();
    bool ended = true;
    {
        ThreadOptions options;
        options.priority = 120;
        const auto thread = NativeThread::start(own_pool(), ask_forever, nullptr, options);
        CHECK(thread.ok());
        for (u64 i = 0; i < 120 && ended; i++) {
            const abi::Time end = now() + mix(i) % (4 * kMillisecond);
            if (elsewhere)
                while (now() < end) {}
            else sleep(end - now());
            ended = restart("devices");
        }
    }
    if (elsewhere) CHECK(own_thread().set_cpu(0).ok());
    CHECK(ended);
    print("    {} answers, error {}\n", asker.answers, asker.error);
    return asker.answers != 0 && asker.error == Error::not_found;
}

/// One phase of the pattern on a disk: as many requests under way as it says, each checked when it comes back.
bool run_phase(Tracked& disk, u32 number) {
    const Phase& phase = kPhases[number];
    const u64 share = kWindowBytes / phase.depth;
    struct Stripe {
        Step step;
        u32 left;
    };
    static Stripe stripes[kStripes];
    alignas(Steps) static unsigned char storage[kStripes][sizeof(Steps)];
    const auto steps = [](u32 i) { return reinterpret_cast<Steps*>(storage[i]); };
    const auto begin = [&](u32 i) {
        Stripe& stripe = stripes[i];
        stripe.step = steps(i)->next();
        stripe.left--;
        const u64 offset = i * share;
        if (stripe.step.write) disk.fill(stripe.step, offset, 1);
        else std::memset(disk.disk.window() + offset, 0xee, stripe.step.sectors * kSectorBytes);
        const auto operation = stripe.step.write ? Block::Operation::write : Block::Operation::read;
        return disk.disk
            .submit({i, static_cast<u32>(operation), stripe.step.sectors, stripe.step.sector, offset})
            .ok();
    };
    u32 under_way = 0;
    for (u32 i = 0; i < phase.depth; i++) {
        ::new (static_cast<void*>(storage[i])) Steps(disk.seed, number, i, phase.depth);
        stripes[i].left = phase.requests;
        CHECK(begin(i));
        under_way++;
    }
    disk.disk.notify();
    while (under_way != 0) {
        auto completion = disk.disk.next();
        if (!completion.ok()) print("    error {}\n", completion.error());
        CHECK(completion.ok());
        if (completion->error != 0) print("    request failed with {}\n", completion->error);
        CHECK(completion->error == 0);
        const u32 i = static_cast<u32>(completion->id);
        const Step& step = stripes[i].step;
        if (step.write)
            for (u32 s = 0; s < step.sectors; s++) disk.versions[step.sector + s]++;
        else CHECK(disk.holds(step, i * share));
        under_way--;
        if (stripes[i].left == 0) continue;
        CHECK(begin(i));
        disk.disk.notify();
        under_way++;
    }
    return true;
}

bool phases(Tracked& disk, bool with_kills) {
    for (u32 number = 0; number < sizeof(kPhases) / sizeof(kPhases[0]); number++) {
        const Phase& phase = kPhases[number];
        const bool kills = phase.kill_driver + phase.kill_devices != 0;
        if (kills != with_kills) continue;
        const u64 before = disk.disk.reopened();
        const u32 killed = __atomic_load_n(&killer.kills, __ATOMIC_RELAXED);
        __atomic_store_n(&killer.devices, phase.kill_devices, __ATOMIC_RELEASE);
        __atomic_store_n(&killer.driver, phase.kill_driver, __ATOMIC_RELEASE);
        const bool passed = run_phase(disk, number);
        __atomic_store_n(&killer.devices, 0u, __ATOMIC_RELEASE);
        __atomic_store_n(&killer.driver, 0u, __ATOMIC_RELEASE);
        if (kills) {
            const u32 done = __atomic_load_n(&killer.kills, __ATOMIC_RELAXED) - killed;
            const u64 reopened = disk.disk.reopened() - before;
            print("    depth {}: {} kills, opened again {} times\n", phase.depth, done, reopened);
            CHECK(done != 0 && (reopened != 0 || phase.kill_driver == 0));
        }
        CHECK(passed);
        CHECK(disk.disk.run(Block::Operation::flush, 0, 0) == Error::ok);
    }
    return true;
}

bool all_depths_work() { return phases(first, false) && phases(second, false); }
bool kills_lose_nothing() { return phases(first, true); }

bool everything_is_there() {
    sleep(50 * kMillisecond);
    for (Tracked* disk : {&first, &second, &read_only}) {
        CHECK(disk->disk.open(disk->number).ok());
        for (u32 sector = 0; sector < kDiskSectors; sector += 128)
            CHECK(disk->read(sector, kDiskSectors - sector < 128 ? kDiskSectors - sector : 128));
    }
    return true;
}

/// The second disk goes through the phases with kills too, without any: the host expects the same of both.
bool other_disk_catches_up() {
    CHECK(second.disk.open(1).ok());
    for (u32 number = 0; number < sizeof(kPhases) / sizeof(kPhases[0]); number++)
        if (kPhases[number].kill_driver + kPhases[number].kill_devices != 0) CHECK(run_phase(second, number));
    return second.disk.run(Block::Operation::flush, 0, 0) == Error::ok;
}

abi::KernelCounts counts() {
    auto reply = process.call(Process::Counts{});
    return reply.ok() ? reply->counts : abi::KernelCounts{};
}

bool same(const abi::KernelCounts& a, const abi::KernelCounts& b) {
    const auto* x = reinterpret_cast<const u64*>(&a);
    const auto* y = reinterpret_cast<const u64*>(&b);
    bool equal = true;
    for (usize i = 0; i < sizeof(a) / 8; i++)
        if (x[i] != y[i]) {
            print("    count {}: {} before, {} after\n", i, x[i], y[i]);
            equal = false;
        }
    return equal;
}

/// All disks are had again, from whoever serves them now.
bool open_all() {
    sleep(20 * kMillisecond);
    for (Tracked* disk : {&first, &second, &read_only})
        CHECK(disk->disk.open(disk->number).ok() && disk->read(77, 8));
    return true;
}

/// Restarts leave what there was to the last page, capability and object.
bool restarts_give_everything_back() {
    CHECK(restart("virtio_blk") && restart("devices") && open_all());
    const abi::KernelCounts before = counts();
    for (u32 i = 0; i < 5; i++) {
        CHECK(restart("virtio_blk") && open_all());
        CHECK(restart("devices") && open_all());
        CHECK(restart("devices") && restart("virtio_blk") && open_all());
    }
    return same(before, counts());
}

bool supervisor_passes_it_on() {
    for (u64 life = 1; life <= 3; life++) {
        CHECK(restart("supervisor"));
        for (u32 i = 0; i < 200 && restarts("supervisor") < life; i++) sleep(5 * kMillisecond);
        CHECK(open_all());
        CHECK(restart("devices") && restart("virtio_blk") && open_all());
    }
    return true;
}

void run(const char* name, bool (*test)()) {
    const abi::Time start = now();
    const bool passed = test();
    print("{} {}\n# {} ms\n", passed ? "ok" : "FAIL", name, (now() - start) / kMillisecond);
    if (!passed) failures++;
}

}  // namespace

u64 driver_lives() { return restarts("virtio_blk"); }

}  // namespace pith::test

int main() {
    using namespace pith;
    using namespace pith::test;
    machine = take_start_handle<Machine>("machine");
    process = Client<Process>::from_start();
    block = Client<Block>::from_start();
    ThreadOptions options;
    options.priority = 120;
    auto thread = NativeThread::start(own_pool(), kill_forever, nullptr, options);
    if (!thread.ok()) panic("no thread");
    run("disks_are_found", disks_are_found);
    if (failures == 0) {
        run("sectors_are_read", sectors_are_read);
        run("bad_requests_are_refused", bad_requests_are_refused);
        run("read_only_disk_is_not_written", read_only_disk_is_not_written);
        run("small_disk_works", small_disk_works);
        run("many_disks_work", many_disks_work);
        run("device_errors_are_told", device_errors_are_told);
        run("device_in_need_is_reset", device_in_need_is_reset);
        run("silent_device_is_reset", silent_device_is_reset);
        run("devices_are_not_for_everyone", devices_are_not_for_everyone);
        run("ended_server_says_nothing", ended_server_says_nothing);
        run("all_depths_work", all_depths_work);
        run("kills_lose_nothing", kills_lose_nothing);
        run("other_disk_catches_up", other_disk_catches_up);
        run("restarts_give_everything_back", restarts_give_everything_back);
        run("supervisor_passes_it_on", supervisor_passes_it_on);
        run("everything_is_there", everything_is_there);
    }
    if (failures == 0) print("disks tests passed\n");
    static_cast<void>(
        process.call(Process::Shutdown{static_cast<u32>(ShutdownKind::exit), failures == 0 ? 0u : 1u}));
    return 1;
}
