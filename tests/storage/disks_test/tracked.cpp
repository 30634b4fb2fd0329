// SPDX-License-Identifier: MIT
#include "tests/storage/disks_test/tracked.hpp"

#include <cstring>

#include "tests/storage/disks_test/harness.hpp"

namespace pith::test {

Tracked first(0, 1), second(1, 2), read_only(3, 4);

void Tracked::fill(const Disk& client, const Step& step, u64 offset) const {
    auto* words = reinterpret_cast<u64*>(client.window() + offset);
    for (u32 s = 0; s < step.sectors; s++)
        for (u32 w = 0; w < kSectorBytes / 8; w++)
            *words++ = pattern(seed, step.sector + s, versions[step.sector + s] + 1u, w);
}

bool Tracked::holds(const Disk& client, const Step& step, u64 offset) const {
    const auto* words = reinterpret_cast<const u64*>(client.window() + offset);
    for (u32 s = 0; s < step.sectors; s++)
        for (u32 w = 0; w < kSectorBytes / 8; w++)
            if (*words++ != pattern(seed, step.sector + s, versions[step.sector + s], w)) {
                print("    other content in sector {}\n", step.sector + s);
                return false;
            }
    return true;
}

bool Tracked::read(u32 sector, u32 sectors) {
    std::memset(disk.window(), 0xee, sectors * kSectorBytes);
    return disk.run(Block::Operation::read, sector, sectors) == Error::ok &&
           holds(disk, {false, sector, sectors}, 0);
}

namespace {

/// The requests of a phase: each stripe has one under way.
class Run {
  public:
    Run(Tracked& disk, u32 number) : of_(disk), phase_(kPhases[number]), share_(kWindowBytes / phase_.depth) {
        for (u32 i = 0; i < phase_.depth; i++)
            stripes_[i] = {Steps(disk.seed, number, i, phase_.depth), {}, phase_.requests};
    }
    bool run() {
        for (u32 i = 0; i < phase_.depth; i++) CHECK(begin(i));
        while (under_way_ != 0) {
            auto answer = Disk::next_of(clients());
            if (!answer.ok()) print("    error {}\n", answer.error());
            CHECK(answer.ok());
            CHECK(end(static_cast<u32>(answer->completion.id), answer->completion.error));
        }
        return true;
    }

  private:
    struct Stripe {
        Steps steps;
        Step step;
        u32 left;
    };
    Disk& client(u32 stripe) const {
        return of_.partner != nullptr && stripe % 2 != 0 ? *of_.partner : of_.disk;
    }
    std::span<Disk* const> clients() {
        return std::span<Disk* const>(clients_).first(of_.partner != nullptr ? 2 : 1);
    }
    bool begin(u32 i) {
        Stripe& stripe = stripes_[i];
        stripe.step = stripe.steps.next();
        stripe.left--;
        const u64 offset = i * share_;
        if (stripe.step.write) of_.fill(client(i), stripe.step, offset);
        else std::memset(client(i).window() + offset, 0xee, stripe.step.sectors * kSectorBytes);
        const auto operation = stripe.step.write ? Block::Operation::write : Block::Operation::read;
        CHECK(client(i)
                  .submit({i, static_cast<u32>(operation), stripe.step.sectors, stripe.step.sector, offset})
                  .ok());
        client(i).notify();
        under_way_++;
        return true;
    }
    bool end(u32 i, u32 error) {
        if (error != 0) print("    request failed with {}\n", error);
        CHECK(error == 0);
        const Step& step = stripes_[i].step;
        if (step.write)
            for (u32 s = 0; s < step.sectors; s++) of_.versions[step.sector + s]++;
        else CHECK(of_.holds(client(i), step, i * share_));
        under_way_--;
        return stripes_[i].left == 0 || begin(i);
    }

    Tracked& of_;
    const Phase& phase_;
    const u64 share_;
    Disk* clients_[2] = {&of_.disk, of_.partner};
    Stripe stripes_[kStripes];
    u32 under_way_ = 0;
};

}  // namespace

bool Tracked::run_phase(u32 phase) { return Run(*this, phase).run(); }

}  // namespace pith::test
