// SPDX-License-Identifier: MIT
#include "tests/host/net/support/world.hpp"

#include <dlfcn.h>
#include <sanitizer/asan_interface.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "servers/net/stack/records.hpp"

namespace pith::stack {

Net::Address ipv4(u8 last, u16 port) {
    Net::Address address{};
    address.family = 4;
    address.port = port;
    const u8 bytes[4] = {10, 0, 0, last};
    std::memcpy(address.bytes, bytes, 4);
    return address;
}

Machine::Machine(World& world, u8 last)
    : world_(world),
      last_(last),
      link_(Net::kLinkSize + 4096),
      records_(Records::kSize + 4096),
      client_(link_.data()) {
    if (last != 0) {
        Records records{std::span<u8>(records_)};
        static_cast<void>(records.good());
        Lease lease{};
        const Net::Address address = ipv4(last);
        std::memcpy(lease.address, address.bytes, 4);
        const u8 mask[4] = {255, 255, 255, 0};
        std::memcpy(lease.mask, mask, 4);
        const Net::Address gateway = ipv4(1);
        std::memcpy(lease.gateway, gateway.bytes, 4);
        lease.ends = ~u64{0};
        records.write(lease);
    }
    copy_ = (std::filesystem::temp_directory_path() / ("pith_stack_XXXXXX")).string();
    const int descriptor = mkstemp(copy_.data());
    if (descriptor < 0) std::abort();
    close(descriptor);
    std::filesystem::copy_file(PITH_NET_STACK, copy_, std::filesystem::copy_options::overwrite_existing);
    start();
}

Machine::~Machine() {
    kill();
    std::filesystem::remove(copy_);
}

void Machine::kill() {
    if (stack_ == nullptr) return;
    queued_.clear();
    // Its memory is lost as a whole: nothing is destroyed in order.
    delete stack_;
    stack_ = nullptr;
    dlclose(module_);
    if (dlopen(copy_.c_str(), RTLD_NOW | RTLD_NOLOAD) != nullptr) std::abort();
    lent_.clear();
    dying_ = false;
    die_after_ = ~u32{0};
}

void Machine::start() {
    module_ = dlopen(copy_.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (module_ == nullptr) {
        std::fprintf(stderr, "%s\n", dlerror());
        std::abort();
    }
    void* symbol = dlsym(module_, "pith_make_stack");
    MakeStack make;
    std::memcpy(&make, &symbol, sizeof make);
    stack_ = make(*this, link_.data(), records_.data());
    stack_->attach(setup());
    stack_->open(session);
    if (blind) return;
    client_.enter_all();
    run();
}

InterfaceSetup Machine::setup() const {
    return {{2, 0, 0, 0, 0, last_ == 0 ? u8{200} : last_}, 1500, true, false};
}

void Machine::interface_again() {
    stack_->attach(setup());
    run();
}

void Machine::start_quietly() {
    blind = true;
    start();
    blind = false;
}

u64 Machine::now() const { return world_.now; }
u64 Machine::random() { return world_.random(); }

u8* Machine::reserve(usize bytes) {
    ASAN_UNPOISON_MEMORY_REGION(reserve_.data(), reserve_.size());
    reserve_.assign(bytes, 0);
    needed = 0;
    ASAN_POISON_MEMORY_REGION(reserve_.data(), bytes);
    return reserve_.data();
}

bool Machine::need(const u8* at, usize length) {
    const auto within = [&](const std::vector<u8>& area) {
        return at >= area.data() && at < area.data() + area.size() &&
               length <= static_cast<usize>(area.data() + area.size() - at);
    };
    if (within(link_)) return true;
    if (!within(reserve_)) return false;
    needed += length;
    ASAN_UNPOISON_MEMORY_REGION(at, length);
    return true;
}

bool Machine::room(u32 frames) {
    if (!no_frames && queued_.size() + frames <= most_frames) return true;
    refused_ = !no_frames;
    return false;
}

u8* Machine::frame(u32 length) {
    if (!room(1)) return nullptr;
    making_.assign(length, 0xee);
    return making_.data();
}

void Machine::queue(u32 length, u16, u16) {
    making_.resize(length);
    queued_.push_back(std::move(making_));
    if (queued_.size() > die_after_) dying_ = true;
}

void Machine::publish() {
    if (dying_ || die_after_ != ~u32{0}) {
        dying_ = true;
        return;
    }
    for (const Frame& frame : queued_) {
        frames_sent++;
        world_.send(*this, frame);
    }
    queued_.clear();
}

void Machine::give_back(u64 id) {
    const auto at = std::find_if(lent_.begin(), lent_.end(),
                                 [&](const auto& one) { return one.first == id; });
    if (at == lent_.end()) std::abort();
    lent_.erase(at);
}

void Machine::deliver(const Frame& frame) {
    if (stack_ == nullptr) return;
    lent_.emplace_back(next_id_, std::make_unique<Frame>(frame));
    Frame& kept = *lent_.back().second;
    stack_->receive(next_id_++, kept, false);
}

void Machine::run() {
    if (stack_ == nullptr) return;
    do {
        client_.notified = false;
        stack_->round();
        if (dying_) {
            kill();
            start();
            return;
        }
        // As the driver tells when there is room again.
    } while (std::exchange(refused_, false) || (!blind && !stack_->sleep()));
    if (!blind) client_.take_all();
}

Machine& World::add(u8 last) {
    machines_.push_back(std::make_unique<Machine>(*this, last));
    return *machines_.back();
}

void World::send(Machine& from, const Frame& original) {
    frames++;
    Frame frame = original;
    if (tap && !tap(from, frame)) return;
    if (chance() < loss) return;
    if (chance() < corrupt) frame[random_() % frame.size()] ^= static_cast<u8>(1 + random_() % 255);
    for (u32 copies = chance() < duplicates ? 2 : 1; copies > 0; copies--) {
        for (const auto& machine : machines_) {
            if (machine.get() == &from) continue;
            const u64 more = chance() < reorder ? random_() % (20 * latency) : 0;
            flights_.push({now + latency + more, order_++, machine.get(), frame});
        }
    }
}

bool World::run(const std::function<bool()>& done, u64 milliseconds) {
    const u64 end = now + milliseconds * 1'000'000;
    for (;;) {
        for (const auto& machine : machines_) {
            if (machine->client_.notified) machine->run();
        }
        if (done()) return true;
        u64 next = end;
        if (!flights_.empty()) next = std::min(next, flights_.top().at);
        for (const auto& machine : machines_) {
            if (machine->alive()) next = std::min(next, machine->stack().deadline());
        }
        if (next >= end) {
            now = end;
            return done();
        }
        now = std::max(now, next);
        std::vector<Machine*> touched;
        while (!flights_.empty() && flights_.top().at <= now) {
            const Flight& flight = flights_.top();
            flight.to->deliver(flight.frame);
            touched.push_back(flight.to);
            flights_.pop();
        }
        for (Machine* machine : touched) machine->run();
        for (const auto& machine : machines_) {
            if (machine->alive() && machine->stack().deadline() <= now) machine->run();
        }
        if (each) each();
    }
}

void World::run_for_stacks(u64 milliseconds) {
    for (const auto& machine : machines_) machine->blind = true;
    run([] { return false; }, milliseconds);
    for (const auto& machine : machines_) machine->blind = false;
}

void World::run_for(u64 milliseconds) {
    run([] { return false; }, milliseconds);
}

}  // namespace pith::stack

/// What a killed stack had allocated is lost with it, as a component's memory is destroyed as a whole.
extern "C" const char* __asan_default_options();
const char* __asan_default_options() { return "detect_leaks=0"; }
