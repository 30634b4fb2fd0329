// SPDX-License-Identifier: MIT
// A client works while the server and the disk's driver are killed again and again. tests/system/ext4.sh looks at the disk afterwards.
#include "lib/os/clock.hpp"
#include "lib/os/thread.hpp"
#include "tests/storage/ext4/script.hpp"
#include "tests/storage/ext4_test/tests.hpp"

namespace pith::test {

namespace {

/// Every so many milliseconds; 0: never.
struct Intervals {
    u32 server, driver, devices;
};
Intervals intervals;  // written by the test, read by the killer
u32 kills = 0;

bool restart(std::string_view name) {
    Process::Control request{};
    std::memcpy(request.name, name.data(), name.size());
    request.action = static_cast<u32>(ControlAction::restart);
    return process().call(request).ok();
}

void kill_forever(void*) {
    static Handle<Signal> never = std::move(*own_pool().create_signal());
    struct Victim {
        std::string_view name;
        u32& interval;
        abi::Time next;
    } victims[] = {{"ext4", intervals.server, 0},
                   {"virtio_blk", intervals.driver, 0},
                   {"devices", intervals.devices, 0}};
    u64 random = 12345;
    for (;;) {
        static_cast<void>(never.wait(1, now() + kMillisecond));
        for (Victim& victim : victims) {
            const u32 interval = __atomic_load_n(&victim.interval, __ATOMIC_ACQUIRE);
            random = random * 6364136223846793005u + 1442695040888963407u;
            // From half to one and a half of it.
            const abi::Time pause = interval * kMillisecond / 2 +
                                    (random >> 33) % (interval * kMillisecond + 1);
            if (interval == 0) victim.next = 0;
            else if (victim.next == 0) victim.next = now() + pause;
            if (victim.next == 0 || now() < victim.next) continue;
            if (restart(victim.name)) __atomic_add_fetch(&kills, 1, __ATOMIC_RELAXED);
            victim.next = now() + pause;
        }
    }
}

class Runner {
  public:
    Runner(const Script& script, Files& files, Fs::FileId root) : script_(script), files_(files) {
        ids_[0] = root;
    }

    bool run() {
        for (usize index = 0; index < script_.steps().size(); index++) {
            if (perform(index)) continue;
            print("    step {}\n", index);
            return false;
        }
        return true;
    }

  private:
    bool perform(usize index) {
        const Step& step = script_.steps()[index];
        Fs::Submission request{};
        request.operation = static_cast<u32>(step.operation);
        request.flags = step.flags;
        request.file = ids_[step.file];
        request.other = ids_[step.other];
        request.offset = step.offset;
        request.length = step.length;
        request.mode = step.mode;
        request.device = u64{step.seed} << 32 | 7;
        request.user = 1000;
        request.group = 70'000;
        request.time = {1'700'000'000 + static_cast<i64>(index), 0, 0};
        if (step.operation == Fs::Operation::commit) {
            const auto answer = files_.look(request);
            if (answer.error != Error::ok) print("    commit: error {}\n", answer.error);
            return answer.error == Error::ok && files_.kept() == 0;
        }
        std::string content;
        if (step.operation == Fs::Operation::write) {
            content = Script::data(step);
        } else {
            request.name_size = static_cast<u16>(step.name.size());
            request.other_size = static_cast<u16>(step.other_name.size());
            content = step.name + step.other_name;
        }
        if (step.operation == Fs::Operation::release) files_.hold(request.file, false);
        const auto answer = files_.change(request, content);
        if (answer.error != step.wanted) {
            print("    operation {}: error {}, not {}\n", request.operation, answer.error, step.wanted);
            return false;
        }
        if (answer.error != Error::ok) return true;
        if (step.makes != 0) ids_[step.makes] = files_.result<Fs::Attributes>().id;
        if (step.loses != 0) files_.hold(ids_[step.loses], true);
        return step.operation != Fs::Operation::write || answer.value == step.length;
    }

    const Script& script_;
    Files& files_;
    std::map<u32, Fs::FileId> ids_;
};

/// In a directory of its own, named after the phase.
bool run_phase(u64 phase) {
    static Files files(server(), 1);
    const auto attached = files.attach(100 + phase, {0, 0, kDiskSectors, 0});
    CHECK(attached.ok());
    const Script script(phase, kPhases[phase].steps);
    char name[] = {'p', static_cast<char>('0' + phase)};
    Fs::Submission request{};
    request.operation = static_cast<u32>(Fs::Operation::create);
    request.file = attached.value().root;
    request.mode = 0040755;
    request.name_size = sizeof name;
    request.time.seconds = 1'700'000'000;
    CHECK(files.change(request, {name, sizeof name}).error == Error::ok);
    const Fs::FileId root = files.result<Fs::Attributes>().id;
    kills = 0;
    __atomic_store_n(&intervals.server, kPhases[phase].kill_server, __ATOMIC_RELEASE);
    __atomic_store_n(&intervals.driver, kPhases[phase].kill_driver, __ATOMIC_RELEASE);
    __atomic_store_n(&intervals.devices, kPhases[phase].kill_devices, __ATOMIC_RELEASE);
    const bool right = Runner(script, files, root).run();
    intervals = {};
    print("# {} kills, {} changes repeated\n", kills, files.repeated());
    CHECK(right);
    request = {};
    request.operation = static_cast<u32>(Fs::Operation::detach);
    CHECK(files.look(request).error == Error::ok);
    return true;
}

}  // namespace

bool deaths_lose_nothing() {
    ThreadOptions options;
    options.priority = 120;
    static auto thread = NativeThread::start(own_pool(), kill_forever, nullptr, options);
    CHECK(thread.ok());
    for (u64 phase = 0; phase < std::size(kPhases); phase++) CHECK(run_phase(phase));
    return true;
}

}  // namespace pith::test
