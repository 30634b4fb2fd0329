// SPDX-License-Identifier: MIT
// Several coroutines work on one mount through lib/fs, each in a directory of its own, while the server and what it stands on are
// killed. tests/system/ext4.sh looks at the disk afterwards.
#include "lib/fs/client.hpp"
#include "lib/os/clock.hpp"
#include "tests/storage/ext4/script.hpp"
#include "tests/storage/ext4_test/tests.hpp"

namespace pith::test {

namespace {

constexpr Phase kHow{kWorkerSteps, 25, 20, 5};

class Data final : public FsData {
  public:
    explicit Data(std::string content) : content_(std::move(content)) {}
    usize copy(std::span<u8> to) override {
        const usize count = std::min(to.size(), content_.size());
        std::memcpy(to.data(), content_.data(), count);
        return count;
    }
    void settled(Error) override { delete this; }

  private:
    const std::string content_;
};

class Worker {
  public:
    Worker(FsClient& fs, usize number) : fs_(fs), number_(number), script_(10 + number, kWorkerSteps) {}

    Task<void> run(Fs::FileId root) {
        const char name[] = {'w', static_cast<char>('0' + number_)};
        auto made = co_await fs_.create(root, {name, sizeof name}, {.mode = 0040755}, {1'700'000'000, 0, 0});
        if (made.ok()) {
            ids_[0] = made.value().id;
            for (; step_ < script_.steps().size(); step_++) {
                order_deaths(kHow);
                const Result<> done = co_await perform(script_.steps()[step_]);
                if (done.error() != script_.steps()[step_].wanted) {
                    print("    worker {}, step {}: error {}\n", number_, step_, done.error());
                    break;
                }
            }
        }
        ended_ = true;
    }
    bool ended() const { return ended_; }
    bool right() const { return ended_ && step_ == script_.steps().size(); }

  private:
    Task<Result<>> perform(const Step& step) {
        const Fs::Time time{1'700'000'000 + static_cast<i64>(step_), 0, 0};
        const Fs::FileId file = ids_[step.file], other = ids_[step.other];
        const Fs::FileId victim = step.victim != 0 ? ids_[step.victim] : Fs::FileId{};
        const bool hold = (step.flags & Fs::kHold) != 0;
        FsNewFile what;
        what.mode = step.mode;
        what.user = 1000;
        what.group = 70'000;
        what.device = u64{step.seed} << 32 | 7;
        switch (step.operation) {
            case Fs::Operation::create:
            case Fs::Operation::create_link: {
                auto made = step.operation == Fs::Operation::create
                                ? co_await fs_.create(file, step.name, what, time)
                                : co_await fs_.create_link(file, step.name, step.other_name, what, time);
                if (made.ok()) ids_[step.makes] = made.value().id;
                co_return made.error();
            }
            case Fs::Operation::create_unnamed: {
                auto made = co_await fs_.create_unnamed(file, what, time);
                if (made.ok()) ids_[step.makes] = made.value().id;
                co_return made.error();
            }
            case Fs::Operation::exchange:
                co_return co_await fs_.exchange(file, step.name, other, step.other_name, time);
            case Fs::Operation::punch: co_return co_await fs_.punch(file, step.offset, step.length, time);
            case Fs::Operation::link: co_return (co_await fs_.link(file, other, step.name, time)).error();
            case Fs::Operation::unlink: co_return co_await fs_.unlink(file, step.name, victim, hold, time);
            case Fs::Operation::remove_directory:
                co_return co_await fs_.remove_directory(file, step.name, time);
            case Fs::Operation::rename:
                co_return co_await fs_.rename(file, step.name, other, step.other_name, victim, hold, time);
            case Fs::Operation::set_attributes: {
                FsAttributeChange change;
                change.flags = step.flags;
                change.mode = step.mode;
                co_return co_await fs_.set_attributes(file, change, time);
            }
            case Fs::Operation::write: {
                const Result<usize> written = co_await fs_.write(file, step.offset, step.length,
                                                                 *new Data(Script::data(step)), time);
                if (!written.ok()) co_return written.error();
                co_return co_await look_at(step, file);
            }
            case Fs::Operation::truncate: co_return co_await fs_.truncate(file, step.offset, time);
            case Fs::Operation::allocate:
                co_return co_await fs_.allocate(file, step.offset, step.length,
                                                (step.flags & Fs::kKeepSize) != 0, time);
            case Fs::Operation::release: fs_.release(file); co_return Result<>();
            case Fs::Operation::commit: co_return co_await fs_.commit();
            default: co_return Error::unsupported;
        }
    }
    /// What was just written is read.
    Task<Result<>> look_at(const Step& step, Fs::FileId file) {
        const std::string wanted = Script::data(step);
        std::string found(wanted.size(), '?');
        const Result<usize> read = co_await fs_.read(file, step.offset,
                                                     {reinterpret_cast<u8*>(found.data()), found.size()});
        if (!read.ok()) co_return read.error();
        co_return found == wanted ? Error::ok : Error::bad_state;
    }

    FsClient& fs_;
    const usize number_;
    const Script script_;
    usize step_ = 0;
    bool ended_ = false;
    std::map<u32, Fs::FileId> ids_;
};

Task<void> work(FsClient& fs, EventLoop& loop, u64 bit, Worker* workers, bool& ended, bool& right) {
    const Fs::Attach where{0, 0, kDiskSectors, 0};
    const Result<> attached = co_await fs.attach(loop.signal(), bit, 5000, where);
    if (attached.ok()) {
        for (usize i = 0; i < kWorkers; i++) static_cast<void>(spawn(workers[i].run(fs.attached().root)));
        const auto all_ended = [&] {
            for (usize i = 0; i < kWorkers; i++)
                if (!workers[i].ended()) return false;
            return true;
        };
        while (!all_ended()) co_await sleep_until(now() + 5 * kMillisecond);
        right = (co_await fs.detach()).ok();
    } else {
        print("    attach: error {}\n", attached.error());
    }
    ended = true;
}

}  // namespace

bool many_work_at_once() {
    static EventLoop loop;
    static FsClient fs(server(), 3);
    static Worker workers[kWorkers] = {{fs, 0}, {fs, 1}, {fs, 2}, {fs, 3}};
    const u64 bit = loop.allocate_signal_bit();
    loop.on_signal(bit, [](u64) { fs.look(); });
    loop.on_signal(kSignalReborn, [](u64) { fs.reborn(); });
    bool ended = false, right = false;
    const u32 before = death_count();
    static_cast<void>(spawn(work(fs, loop, bit, workers, ended, right)));
    while (!ended) loop.run_once();
    print("# {} kills\n", death_count() - before);
    for (const Worker& worker : workers) CHECK(worker.right());
    return right;
}

}  // namespace pith::test
