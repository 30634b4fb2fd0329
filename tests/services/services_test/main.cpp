// SPDX-License-Identifier: MIT
// Tests root, the supervisor and the log from inside: prints a line a test on the debug console and ends the
// machine with status 0 (all passed) or 1.
#include <cstring>

#include "lib/os/thread.hpp"
#include "protocol/name.hpp"
#include "tests/services/services_test/harness.hpp"

namespace pith::test {

namespace {

bool lists_components() {
    for (const char* name : {"log", "services_victim", "services_test", "supervisor"}) {
        auto reply = describe(name);
        CHECK(reply.ok());
        CHECK(reply->state == static_cast<u32>(ComponentState::running));
        CHECK(reply->pages > 0 && reply->pages <= reply->pages_limit);
    }
    CHECK(describe("nobody").error() == Error::not_found);
    CHECK(control("nobody", ControlAction::kill).error() == Error::not_found);
    CHECK(control("services_test", ControlAction::kill).error() == Error::access);
    CHECK(control("log", static_cast<ControlAction>(77)).error() == Error::invalid);
    return true;
}

bool big_messages_pass() {
    Victim::Slow request{};
    request.delay = kMillisecond;
    for (u64 i = 0; i < 60; i++) request.data[i] = i * i;
    auto reply = victim.call(request);
    CHECK(reply.ok());
    CHECK(std::memcmp(reply->data, request.data, sizeof(request.data)) == 0);
    const abi::Time start = now();
    request.delay = 10 * kSecond;
    CHECK(victim.call(request, start + 10 * kMillisecond).error() == Error::timed_out);
    return add_works();
}

bool kill_gives_everything_back() {
    CHECK(control("services_victim", ControlAction::restart).ok());
    CHECK(add_works());
    sleep(kMillisecond);
    const abi::KernelCounts before = counts();
    for (u32 i = 0; i < 30; i++) {
        CHECK(control("services_victim", i % 2 == 0 ? ControlAction::restart : ControlAction::kill).ok());
        CHECK(add_works());
        if (i % 4 == 3) sleep(250 * kMillisecond);  // not so fast as to be held down
    }
    sleep(5 * kMillisecond);
    return same(before, counts());
}

bool every_death_is_survived() {
    for (const Death how :
         {Death::read_null, Death::write_code, Death::execute_data, Death::panic, Death::exit,
          Death::undefined, Death::stack, Death::memory, Death::spin, Death::stuck})
        CHECK(dies(how));
    return true;
}

/// A thread that kills the victim after a while.
void killer(void*) {
    sleep(20 * kMillisecond);
    static_cast<void>(control("services_victim", ControlAction::kill));
    for (;;) sleep(kSecond);
}

bool requests_are_resumed() {
    ThreadOptions options;
    options.priority = 120;
    auto thread = NativeThread::start(own_pool(), killer, nullptr, options);
    CHECK(thread.ok());
    Victim::Slow request{};
    request.delay = 60 * kMillisecond;
    request.data[59] = 5;
    auto before = describe("services_victim");
    auto reply = victim.call(request);
    CHECK(reply.ok() && reply->data[59] == 5);
    CHECK(describe("services_victim")->restarts == before->restarts + 1);
    sleep(250 * kMillisecond);
    return true;
}

bool failing_service_is_held_down() {
    Error error = Error::ok;
    for (int i = 0; i < 20 && error != Error::held_down; i++) {
        ReceivedHandles handles;
        error = victim.call_once(Victim::Die{static_cast<u64>(Death::undefined)}, HandleList(), handles)
                    .error();
    }
    CHECK(error == Error::held_down);
    CHECK(describe("services_victim")->state == static_cast<u32>(ComponentState::held_down));
    CHECK(victim.call(Victim::Add{0, 0}).error() == Error::held_down);
    CHECK(control("services_victim", ControlAction::start).ok());
    CHECK(add_works());
    CHECK(control("services_victim", ControlAction::stop).ok());
    CHECK(victim.call(Victim::Add{0, 0}).error() == Error::held_down);
    CHECK(control("services_victim", ControlAction::start).ok());
    return add_works();
}

bool log_survives() {
    Log::Write write{static_cast<u32>(Severity::info), 5, {}};
    std::memcpy(write.text, "hello", 5);
    CHECK(log_client.call(write).ok());
    CHECK(control("log", ControlAction::kill).ok());
    CHECK(log_client.call(write).ok());
    sleep(20 * kMillisecond);  // the supervisor offers its line when the log receives
    u64 hellos = 0;
    u64 crashes = 0;
    for (u64 sequence = 0;;) {
        auto record = log_client.call(Log::Read{sequence});
        if (!record.ok()) {
            CHECK(record.error() == Error::would_block);
            break;
        }
        const std::string_view text(record->text, record->length);
        if (text == "hello" && std::string_view(record->name) == "services_test") hellos++;
        if (record->severity == static_cast<u32>(Severity::crash) && text.starts_with("log crashed"))
            crashes++;
        sequence = record->sequence + 1;
    }
    CHECK(hellos == 2);
    CHECK(crashes == 1);
    return true;
}

bool names_are_found() {
    const Client<Name> name(Handle<Endpoint>(find_start_handle("supervisor")->handle));
    Name::Lookup request{};
    std::memcpy(request.name, "victim", 6);
    ReceivedHandles handles;
    auto reply = name.call(request, HandleList(), handles);
    const_cast<Handle<Endpoint>&>(name.endpoint()).release();
    CHECK(reply.ok());
    auto endpoint = handles.take<Endpoint>(0);
    CHECK(endpoint.ok());
    CHECK(Client<Victim>(std::move(*endpoint)).call(Victim::Add{0, 0}).ok());
    return true;
}

bool supervisor_is_reborn() {
    CHECK(control("services_victim", ControlAction::restart).ok());
    for (u32 round = 1; round <= 5; round++) {
        CHECK(control("supervisor", ControlAction::kill).ok());
        CHECK(state_becomes("supervisor", ComponentState::running, round));
        CHECK(add_works());
        // It goes on watching and restarting.
        CHECK(dies(Death::undefined));
    }
    const abi::KernelCounts before = counts();
    CHECK(control("supervisor", ControlAction::kill).ok());
    CHECK(state_becomes("supervisor", ComponentState::running, 6));
    sleep(20 * kMillisecond);
    return same(before, counts());
}

bool held_down_outlives_the_supervisor() {
    CHECK(control("services_victim", ControlAction::stop).ok());
    const u32 restarts = describe("supervisor")->restarts;
    CHECK(control("supervisor", ControlAction::kill).ok());
    CHECK(state_becomes("supervisor", ComponentState::running, restarts + 1));
    CHECK(victim.call(Victim::Add{0, 0}).error() == Error::held_down);
    CHECK(control("services_victim", ControlAction::start).ok());
    return add_works();
}

/// Counts its firings, and those before its deadline.
struct CheckedTimer : Timer {
    CheckedTimer() : Timer(&fired) {}
    static void fired(Timer& timer) {
        auto& self = static_cast<CheckedTimer&>(timer);
        self.count++;
        self.early = self.early || now() < timer.deadline();
    }
    u32 count = 0;
    bool early = false;
};

/// Timers of a loop whose far deadlines a thread of its own waits for: near and far ones, armed in any order, armed again for earlier
/// and for later, cancelled; all fire once, none too early.
bool far_deadlines_are_kept() {
    static EventLoop loop;
    auto own = own_thread().thread_info();
    CHECK(own.ok());
    CHECK(loop.keep_deadlines(own_pool(), {.name = "deadlines", .priority = own->priority}).ok());
    constexpr abi::Time kDelays[] = {30 * kMillisecond, 100 * kMicrosecond, 9 * kMillisecond, 1,
                                     3 * kMillisecond,  30 * kMillisecond,  17 * kMillisecond};
    constexpr usize kCount = sizeof kDelays / sizeof *kDelays;
    for (int round = 0; round < 3; round++) {
        CheckedTimer timers[kCount], again, cancelled;
        const abi::Time begin = now();
        again.arm(begin + kSecond * 1000);
        cancelled.arm(begin + 5 * kMillisecond);
        for (usize i = 0; i < kCount; i++) timers[i].arm(begin + kDelays[i]);
        again.arm(begin + 12 * kMillisecond);
        usize fired = 0;
        while (fired < kCount || again.count == 0) {
            loop.run_once();
            cancelled.cancel();
            fired = 0;
            for (const CheckedTimer& timer : timers) fired += timer.count;
        }
        for (const CheckedTimer& timer : timers) CHECK(timer.count == 1 && !timer.early);
        CHECK(again.count == 1 && !again.early && cancelled.count == 0);
    }
    return true;
}

}  // namespace

}  // namespace pith::test

int main() {
    using namespace pith;
    using namespace pith::test;
    begin_tests();
    victim = Client<Victim>::from_start();
    log_client = Client<Log>::from_start();
    const u64 entry = info_page().entry_tsc;
    const u64 here = info_page().tsc_base +
                     (now() - info_page().clock_base) * info_page().tsc_frequency / kSecond;
    print("# ticks from kernel entry to root {}, to this component {}\n", info_page().user_tsc - entry,
          here - entry);
    run("lists_components", lists_components);
    run("far_deadlines_are_kept", far_deadlines_are_kept);
    run("big_messages_pass", big_messages_pass);
    run("names_are_found", names_are_found);
    run("kill_gives_everything_back", kill_gives_everything_back);
    run("every_death_is_survived", every_death_is_survived);
    run("requests_are_resumed", requests_are_resumed);
    run("failing_service_is_held_down", failing_service_is_held_down);
    run("log_survives", log_survives);
    run("supervisor_is_reborn", supervisor_is_reborn);
    run("held_down_outlives_the_supervisor", held_down_outlives_the_supervisor);
    run("deaths_are_reported", deaths_are_reported);
    run("hang_is_found", hang_is_found);
    run("violations_have_an_end", violations_have_an_end);
    run("update_takes_over", update_takes_over);
    run("bad_updates_are_undone", bad_updates_are_undone);
    run("updates_outlive_the_supervisor", updates_outlive_the_supervisor);
    return end_tests("services");
}
