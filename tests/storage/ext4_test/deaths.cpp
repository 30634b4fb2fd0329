// SPDX-License-Identifier: MIT
// A client works while the server and the disk's driver are killed again and again. tests/system/ext4.sh looks at the disk afterwards.
#include "lib/os/clock.hpp"
#include "lib/os/thread.hpp"
#include "tests/storage/ext4/script.hpp"
#include "tests/storage/ext4_test/tests.hpp"

namespace pith::test {

namespace {

constexpr std::string_view kVictims[] = {"ext4", "virtio_blk", "devices"};
constexpr u64 kMostDelay = 2 * kMillisecond;
constexpr u32 kMostRepeated = 100;  ///< requests of a recovery that nobody is killed behind

u32 kills = 0;
u64 state = 88172645463325252;

u64 random() {
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

/// Bit n: victim n dies, a little later.
const Handle<Signal>& orders() {
    static const Handle<Signal> signal = std::move(*own_pool().create_signal());
    return signal;
}

void kill_forever(void*) {
    static Handle<Signal> never = std::move(*own_pool().create_signal());
    for (u64 chance = 1;; chance = chance * 6364136223846793005u + 1442695040888963407u) {
        const u64 victims = orders().wait(~u64{0}).value_or(0);
        static_cast<void>(never.wait(1, now() + (chance >> 33) % kMostDelay));
        for (usize i = 0; i < std::size(kVictims); i++)
            if ((victims >> i & 1) != 0 && restart(kVictims[i]))
                __atomic_add_fetch(&kills, 1, __ATOMIC_RELAXED);
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
        const auto answer = files_.change(request, content);
        if (answer.error != step.wanted) {
            print("    operation {}: error {}, not {}\n", request.operation, answer.error, step.wanted);
            return false;
        }
        if (answer.error != Error::ok) return true;
        if (step.makes != 0) ids_[step.makes] = files_.result<Fs::Attributes>().id;
        if (step.operation == Fs::Operation::release) files_.hold(request.file, false);
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
    const Phase& how = kPhases[phase];
    u32 in_a_row = 0;
    files.submitted = [&](bool resuming) {
        in_a_row = resuming ? in_a_row + 1 : 0;
        if (in_a_row <= kMostRepeated) order_deaths(how);
    };
    const bool right = Runner(script, files, root).run();
    files.submitted = nullptr;
    print("# {} kills, {} changes repeated\n", kills, files.repeated());
    CHECK(right);
    request = {};
    request.operation = static_cast<u32>(Fs::Operation::detach);
    CHECK(files.look(request).error == Error::ok);
    return true;
}

}  // namespace

void order_deaths(const Phase& how) {
    const u32 chances[] = {how.kill_server, how.kill_driver, how.kill_devices};
    u64 victims = 0;
    for (usize i = 0; i < std::size(chances); i++)
        if (random() % 1000 < chances[i]) victims |= u64{1} << i;
    if (victims != 0) static_cast<void>(orders().notify(victims));
}

u32 death_count() { return kills; }

bool deaths_lose_nothing() {
    ThreadOptions options;
    options.priority = 120;
    static auto thread = NativeThread::start(own_pool(), kill_forever, nullptr, options);
    CHECK(thread.ok());
    for (u64 phase = 0; phase < std::size(kPhases); phase++) CHECK(run_phase(phase));
    return true;
}

}  // namespace pith::test
