// SPDX-License-Identifier: MIT
// Every sequence of operations up to a depth, in a small world: two native threads on one CPU, a foreign one on another whose
// handler they are, a thread that controls them, one Endpoint, Signal, Memory, Space, Pool with what was made in it. The kernel and its
// specification make each step and are compared as in the random walks; after each sequence all is destroyed and
// counted (I1 to I6).
//
// Breadth first. A state that was reached before, by a shorter or as long a sequence, is not gone on from; nor is a refused call,
// which must have changed nothing. The kernel has no snapshots: each sequence starts from the beginning.
// PITH_EXPLORE_DEPTH (default 3): how long sequences get. PITH_EXPLORE_STATES (default none): ends after so many states.
#include <gtest/gtest.h>

#include <iostream>
#include <unordered_set>

#include "tests/host/kernel/twin.hpp"

namespace pith::test {
namespace {

using abi::ObjectType;
using spec::Id;

constexpr u64 kAddress = 0x10'0000'0000;
constexpr auto kPool = static_cast<HandleIndex>(abi::RootSlot::pool);
constexpr auto kSpace = static_cast<HandleIndex>(abi::RootSlot::space);
constexpr auto kTable = static_cast<HandleIndex>(abi::RootSlot::captable);
constexpr auto kBudget = static_cast<HandleIndex>(abi::RootSlot::budget);

class World {
  public:
    /// Its making is compared once; it is always the same.
    explicit World(bool compare) : twin(1000, compare) {
        endpoint = make(Syscall::endpoint_create);
        signal = make(Syscall::signal_create);
        space = make(Syscall::space_create);
        pool = make(Syscall::pool_create, {60});
        memory = make(Syscall::memory_create, {2 * abi::kPageSize}, pool);
        mine = make(Syscall::endpoint_create, {}, pool);
        badged = control(Syscall::cap_copy, endpoint, {0, 0, abi::kAllRights, 7});
        a = thread(1, 10, abi::ThreadKind::native);
        b = thread(1, 10, abi::ThreadKind::native);
        foreign = thread(2, 5, abi::ThreadKind::foreign);
    }

    /// A call of the thread that controls the others, on CPU 0.
    HandleIndex control(Syscall number, HandleIndex handle, std::array<u64, 6> args = {}) {
        Call call{.number = number, .handle = handle, .a = args};
        twin.call(0, call);
        return twin.last_handle;
    }
    void say(u32 cpu, Syscall number, HandleIndex handle, abi::Time deadline = abi::kNoDeadline,
             HandleIndex moved = 0) {
        Call call{.number = number, .handle = handle, .deadline = deadline};
        call.tag = abi::Tag(1, 0, moved != 0 ? 1 : 0).bits();
        call.words = {1, 2, 3, 4, 5, 6, 7, 8};
        call.buffer.handles[0] = {
            .handle = moved, .rights = abi::kAllRights, .flags = abi::kHandleMove, .reserved = 0};
        twin.call(cpu, call);
    }
    /// The first capability to a Reply.
    HandleIndex reply() const {
        const auto& model = const_cast<Twin&>(twin).model();
        Id table = model.as<spec::Thread>(model.root_thread).captable;
        for (auto [slot, id] : model.as<spec::CapTable>(table).slots)
            if (model.objects.at(model.capabilities.at(id).object).type == ObjectType::reply) return slot;
        return 0;
    }
    /// The first stale slot; else one that is free.
    HandleIndex stale() const {
        const auto& model = const_cast<Twin&>(twin).model();
        const auto& slots = model.as<spec::CapTable>(model.as<spec::Thread>(model.root_thread).captable)
                                .stale;
        return slots.empty() ? 200 : *slots.begin();
    }
    bool acts(u32 cpu) const {
        return twin.running(cpu) != spec::kNone && twin.running(cpu) != twin.controller(cpu);
    }
    bool native(u32 cpu) const {
        return acts(cpu) && const_cast<Twin&>(twin).model().as<spec::Thread>(twin.running(cpu)).kind ==
                                abi::ThreadKind::native;
    }

    Twin twin;
    HandleIndex endpoint, signal, space, pool, memory, mine, badged, a, b, foreign;

  private:
    HandleIndex make(Syscall number, std::array<u64, 6> args = {}, HandleIndex from = kPool) {
        return control(number, from, args);
    }
    HandleIndex thread(u32 cpu, u8 priority, abi::ThreadKind kind) {
        bool native = kind == abi::ThreadKind::native;
        abi::ThreadCreate create{.space = kSpace,
                                 .captable = native ? kTable : 0,
                                 .handler = endpoint,
                                 .buffer = make(Syscall::memory_create, {abi::kPageSize}),
                                 .buffer_offset = 0,
                                 .badge = 3,
                                 .budget = kBudget,
                                 .priority = priority,
                                 .kind = kind,
                                 .cpu = static_cast<u16>(cpu),
                                 .buffer_address = 0};
        Call call{.number = Syscall::thread_create, .handle = kPool};
        memcpy(call.buffer.words, &create, sizeof create);
        twin.call(0, call);
        HandleIndex handle = twin.last_handle;
        if (native) control(Syscall::thread_start, handle, {0x400000, 0x500000});
        else control(Syscall::thread_resume, handle, {2});
        return handle;
    }
};

struct Operation {
    const char* name;
    std::function<bool(const World&)> possible;
    std::function<void(World&)> make;
};

/// Operations of whatever thread runs on CPU 1: messages and waiting.
std::vector<Operation> native_operations() {
    std::vector<Operation> list;
    auto add = [&](const char* name, std::function<void(World&)> make) {
        list.push_back({name, [](const World& w) { return w.native(1); }, std::move(make)});
    };
    add("call", [](World& w) { w.say(1, Syscall::call, w.endpoint); });
    add("call with badge, now or never", [](World& w) { w.say(1, Syscall::call, w.badged, abi::kPoll); });
    add("call until",
        [](World& w) { w.say(1, Syscall::call, w.endpoint, arch::fake::machine().now + 1'000'000); });
    add("send with a capability", [](World& w) { w.say(1, Syscall::send, w.endpoint, 0, w.mine); });
    add("recv", [](World& w) { w.say(1, Syscall::recv, w.endpoint); });
    add("recv now or never", [](World& w) { w.say(1, Syscall::recv, w.endpoint, abi::kPoll); });
    add("recv elsewhere", [](World& w) { w.say(1, Syscall::recv, w.mine); });
    add("reply_recv", [](World& w) { w.say(1, Syscall::reply_recv, w.endpoint); });
    add("reply", [](World& w) { w.say(1, Syscall::reply, 0); });
    add("take_reply", [](World& w) { w.twin.call(1, {.number = Syscall::take_reply}); });
    add("reply by capability", [](World& w) { w.say(1, Syscall::reply, w.reply()); });
    add("adopt", [](World& w) { w.twin.call(1, {.number = Syscall::adopt, .handle = w.reply()}); });
    add("delete the reply",
        [](World& w) { w.twin.call(1, {.number = Syscall::cap_delete, .handle = w.reply()}); });
    add("wait",
        [](World& w) { w.twin.call(1, {.number = Syscall::signal_wait, .handle = w.signal, .a = {1}}); });
    add("fault", [](World& w) { w.twin.fault(1, kAddress, 0); });
    add("yield", [](World& w) { w.twin.call(1, {.number = Syscall::yield}); });
    return list;
}

/// Operations of the controlling thread on objects.
std::vector<Operation> control_operations() {
    std::vector<Operation> list;
    auto add = [&](const char* name, Syscall number, HandleIndex World::* object,
                   std::function<std::array<u64, 6>(const World&)> arguments) {
        list.push_back({name, [](const World&) { return true; },
                        [=](World& w) { w.control(number, w.*object, arguments(w)); }});
    };
    auto with = [](std::array<u64, 6> a) { return [a](const World&) { return a; }; };
    add("notify", Syscall::signal_notify, &World::signal, with({1}));
    add("bind the Signal to a", Syscall::thread_bind_signal, &World::a,
        [](const World& w) { return std::array<u64, 6>{w.signal}; });
    add("stop a", Syscall::thread_stop, &World::a, with({}));
    add("continue a", Syscall::thread_continue, &World::a, with({}));
    add("move a", Syscall::thread_set_cpu, &World::a, with({3}));
    add("raise a", Syscall::thread_set_priority, &World::a, with({20}));
    add("interrupt", Syscall::thread_interrupt, &World::foreign, with({}));
    add("resume", Syscall::thread_resume, &World::foreign, with({1, 5}));
    add("revoke", Syscall::cap_revoke, &World::endpoint, with({}));
    add("copy", Syscall::cap_copy, &World::badged, with({0, 0, 1}));
    add("copy to a stale slot", Syscall::cap_copy, &World::memory,
        [](const World& w) { return std::array<u64, 6>{0, w.stale(), 1}; });
    list.push_back({"give up a stale slot", [](const World&) { return true; },
                    [](World& w) { w.control(Syscall::cap_delete, w.stale()); }});
    add("unmap", Syscall::space_unmap, &World::space, with({kAddress, 2 * abi::kPageSize}));
    add("protect", Syscall::space_protect, &World::space, with({kAddress, abi::kPageSize, 1}));
    add("resize", Syscall::pool_resize, &World::pool, with({40}));
    add("destroy the Endpoint", Syscall::object_destroy, &World::endpoint, with({}));
    add("destroy the Signal", Syscall::object_destroy, &World::signal, with({}));
    add("destroy the Memory", Syscall::object_destroy, &World::memory, with({}));
    add("destroy the Space", Syscall::object_destroy, &World::space, with({}));
    add("destroy the Pool", Syscall::object_destroy, &World::pool, with({}));
    add("destroy a", Syscall::object_destroy, &World::a, with({}));
    add("destroy the foreign thread", Syscall::object_destroy, &World::foreign, with({}));
    return list;
}

std::vector<Operation> operations() {
    std::vector<Operation> list = native_operations();
    for (auto& more : control_operations()) list.push_back(std::move(more));
    list.push_back({"map", [](const World&) { return true; },
                    [](World& w) {
                        Call call{.number = Syscall::space_map, .handle = w.space, .a = {1}};
                        abi::MapRange range{.address = kAddress,
                                            .memory = w.memory,
                                            .flags = abi::kMapRead | abi::kMapWrite,
                                            .offset = 0,
                                            .length = 2 * abi::kPageSize};
                        memcpy(call.buffer.words, &range, sizeof range);
                        w.twin.call(0, call);
                    }});
    auto runs = [](const World& w) { return w.acts(2); };
    list.push_back({"foreign system call", runs, [](World& w) { w.twin.foreign_syscall(2); }});
    list.push_back({"foreign fault", runs, [](World& w) { w.twin.fault(2, kAddress, 1); }});
    list.push_back({"time", [](const World&) { return true; }, [](World& w) { w.twin.advance(2'000'000); }});
    return list;
}

using Sequence = std::vector<u8>;

class Explorer {
  public:
    void run(u32 depth, u64 most_states) {
        std::vector<Sequence> frontier{{}};
        for (u32 level = 1; level <= depth; level++) {
            std::vector<Sequence> next;
            for (const Sequence& sequence : frontier) {
                if (seen_.size() >= most_states) return;
                extend(sequence, next);
                if (::testing::Test::HasFailure()) return;
            }
            deepest = level;
            frontier = std::move(next);
        }
    }
    u64 sequences = 0, steps = 0;
    u32 deepest = 0;
    u64 states() const { return seen_.size(); }

  private:
    /// All sequences with one more operation; those that reach a new state are added to `next`.
    void extend(const Sequence& sequence, std::vector<Sequence>& next) {
        for (u8 from = 0; from < operations_.size();) {
            std::optional<World> world;
            Sequence made = sequence;
            try {
                world.emplace(sequences == 0);
                for (u8 index : sequence) operations_[index].make(*world);
                world->twin.comparing = true;
                const std::string before = state(*world);
                seen_.insert(before);
                // What is refused changes nothing: so the next can be tried at once.
                while (from < operations_.size()) {
                    const Operation& operation = operations_[from++];
                    if (!operation.possible(*world)) continue;
                    made.push_back(static_cast<u8>(from - 1));
                    operation.make(*world);
                    steps++;
                    sequences++;
                    const std::string after = state(*world);
                    if (after != before) {
                        if (seen_.insert(after).second) next.push_back(made);
                        break;
                    }
                    made.pop_back();
                }
                world->twin.end();
            } catch (const CutShort&) {
                ADD_FAILURE() << "a sequence was cut short" << text(made);
            } catch (const Mismatch& mismatch) { FAIL() << mismatch.what << text(made); }
        }
    }

    /// What is specified, and which of equals run.
    static std::string state(World& world) {
        std::string text = world.twin.model().canonical();
        for (u32 cpu = 0; cpu < Sim::kCpus; cpu++) text += " " + std::to_string(world.twin.running(cpu));
        return text;
    }
    std::string text(const Sequence& sequence) const {
        std::string result;
        for (u8 index : sequence) result += std::string("\n  ") + operations_[index].name;
        return result;
    }

    std::vector<Operation> operations_ = operations();
    std::unordered_set<std::string> seen_;
};

u64 setting(const char* name, u64 otherwise) {
    const char* text = getenv(name);
    return text == nullptr ? otherwise : strtoull(text, nullptr, 0);
}

TEST(Explore, EverySequence) {
    const auto depth = static_cast<u32>(setting("PITH_EXPLORE_DEPTH", 3));
    Explorer explorer;
    explorer.run(depth, setting("PITH_EXPLORE_STATES", ~u64{0}));
    std::cout << "depth " << explorer.deepest << ": " << explorer.states() << " states, "
              << explorer.sequences << " sequences ending in a new operation\n";
    EXPECT_TRUE(HasFailure() || explorer.deepest == depth || getenv("PITH_EXPLORE_STATES") != nullptr);
}

}  // namespace
}  // namespace pith::test
