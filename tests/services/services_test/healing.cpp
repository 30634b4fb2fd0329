// SPDX-License-Identifier: MIT
// Tests of what is told of deaths, of how hangs and broken protocols are found, and of updates.
#include <cstring>

#include "lib/os/bundle.hpp"
#include "lib/os/mapping.hpp"
#include "tests/services/services_test/harness.hpp"

namespace pith::test {

namespace {

constexpr std::string_view kVictim = "services_victim";
constexpr abi::Time kTrialIsOver = 1300 * kMillisecond;  // the supervisor's is a second

/// The text of the newest report; empty: there is none.
std::string_view newest_report(u64& sequence) {
    static char text[4096];
    usize used = 0;
    Process::Crash request{1, 0};
    u64 found = 0;
    for (;;) {
        auto part = process.call(request);
        if (!part.ok()) break;
        found = part->sequence;
        request.sequence = found + 1;
    }
    if (found == 0) return {};
    for (request = {found, 0};;) {
        auto part = process.call(request);
        if (!part.ok() || part->sequence != found || part->length == 0) break;
        if (used + part->length > sizeof(text)) return {};
        std::memcpy(text + used, part->text, part->length);
        used += part->length;
        request.offset += part->length;
    }
    sequence = found;
    return {text, used};
}

bool has(std::string_view text, std::string_view part) {
    if (text.find(part) != text.npos) return true;
    print("    not in the report: {}\n", part);
    return false;
}

UpdateState update_state() {
    auto reply = describe(kVictim);
    return reply.ok() ? static_cast<UpdateState>(reply->updated) : UpdateState::original;
}

u64 version() {
    auto reply = victim.call(Victim::Version{});
    return reply.ok() ? reply->version : 0;
}

/// The victim's executable in a Memory of our own, with another version in it.
struct Executable {
    MappedMemory memory;
    u64 size = 0;
};

Result<Executable> make_version(u64 wanted) {
    const NamedHandle* entry = find_start_handle("bundle");
    if (entry == nullptr) return Error::not_found;
    static const Mapping mapping = [entry] {
        auto mapped = Mapping::create(Borrowed<Memory>(entry->handle), 0,
                                      (entry->value + abi::kPageSize - 1) & ~(abi::kPageSize - 1),
                                      abi::kMapRead);
        return mapped.ok() ? std::move(*mapped) : Mapping();
    }();
    const Bundle bundle = PITH_TRY(Bundle::open(mapping.bytes()));
    const BundleFile file = PITH_TRY(bundle.find("component/services_victim"));
    Executable result{PITH_TRY(MappedMemory::create(own_pool(), file.content.size())), file.content.size()};
    std::memcpy(result.memory.as<void>(), file.content.data(), result.size);
    u32 places = 0;
    for (u64 at = 0; at + sizeof(u64) <= result.size; at += sizeof(u64)) {
        u64* word = result.memory.as<u64>(at);
        if (*word != kOriginalVersion) continue;
        *word = wanted;
        places++;
    }
    if (places != 1) return Error::protocol;
    return result;
}

Result<> update(std::string_view name, const Executable& executable, u64 size) {
    Process::Update request{};
    std::memcpy(request.name, name.data(), name.size());
    request.size = size;
    HandleList handles;
    handles.add(executable.memory.memory(), rights(abi::MemoryRight::read));
    ReceivedHandles none;
    auto done = process.call(request, handles, none);
    return done.ok() ? Result<>() : Result<>(done.error());
}

bool update_to(u64 wanted) {
    auto executable = make_version(wanted);
    CHECK(executable.ok());
    CHECK(update(kVictim, *executable, executable->size).ok());
    return true;
}

/// Takes the place of the one that is on trial: what the victim is when that is over.
bool trial_ends_with(UpdateState state, u64 wanted) {
    sleep(kTrialIsOver);
    CHECK(update_state() == state);
    CHECK(version() == wanted);
    return add_works();
}

/// `violation` through the capability to the supervisor.
Error complain(std::string_view route) {
    const Client<Lifecycle> parent{Handle<Endpoint>(find_start_handle("supervisor")->handle)};
    Lifecycle::Violation request{};
    std::memcpy(request.route, route.data(), route.size());
    request.length = 4;
    std::memcpy(request.what, "test", 4);
    auto done = parent.call(request);
    const_cast<Handle<Endpoint>&>(parent.endpoint()).release();
    return done.error();
}

}  // namespace

bool deaths_are_reported() {
    u64 before = 0, after = 0;
    newest_report(before);
    CHECK(dies(Death::read_null));
    std::string_view report = newest_report(after);
    CHECK(after == before + 1);
    CHECK(has(report, "services_victim, at"));
    CHECK(has(report, "page fault at 8 (read), rip"));
    CHECK(has(report, "registers: rip "));
    CHECK(has(report, "it served"));
    // The function that it died in, and who called it.
    CHECK(has(report, "VictimServer"));
    CHECK(has(report, "EventLoop::run+0x"));
    CHECK(has(report, "_start+0x"));
    CHECK(has(report, "victim.3 from services_test: 0 0"));  // Die, read_null
    CHECK(dies(Death::stack));
    report = newest_report(after);
    CHECK(has(report, "stack overflow: page fault at"));
    CHECK(has(report, "VictimServer::recurse+0x"));
    CHECK(dies(Death::memory));
    report = newest_report(after);
    CHECK(has(report, "out of memory: 100000 bytes wanted ("));
    CHECK(has(report, "of its quota of 128 pages used)"));
    CHECK(dies(Death::panic));
    report = newest_report(after);
    CHECK(has(report, ": as told"));
    CHECK(after == before + 4);
    return true;
}

bool hang_is_found() {
    auto before = describe(kVictim);
    CHECK(before.ok());
    CHECK(control(kVictim, ControlAction::hang).ok());
    CHECK(add_works());  // it waits until there is another one
    auto reply = describe(kVictim);
    CHECK(reply.ok() && reply->restarts == before->restarts + 1);
    CHECK(std::string_view(reply->cause).starts_with("is stuck: no heartbeat"));
    CHECK(reply->deaths == before->deaths + 1);
    CHECK(reply->recovery != 0 && reply->recovery < kSecond);  // from its end, and not from when it hung
    CHECK(control("nobody", ControlAction::hang).error() == Error::not_found);
    // Of the supervisor root finds it.
    const u32 restarts = describe("supervisor")->restarts;
    CHECK(control("supervisor", ControlAction::hang).ok());
    sleep(20 * kMillisecond);
    CHECK(state_becomes("supervisor", ComponentState::running, restarts + 1));
    CHECK(std::string_view(describe("supervisor")->cause) == "no heartbeat");
    return true;
}

bool violations_have_an_end() {
    CHECK(complain("nobody") == Error::not_found);
    CHECK(complain("process") == Error::not_found);  // the supervisor is nobody's supplier in this sense
    const u64 before = describe(kVictim)->deaths;
    for (u32 ends = 1; ends <= 3; ends++) {
        for (u32 reports = 1; reports <= 3; reports++) {
            CHECK(describe(kVictim)->deaths == before + ends - 1);
            CHECK(complain("victim") == Error::ok);
        }
        CHECK(add_works());
        auto reply = describe(kVictim);
        CHECK(reply->deaths == before + ends);
        CHECK(std::string_view(reply->cause) == "breaks the protocol, says services_test: test");
    }
    // By now it is not believed any more.
    for (u32 reports = 0; reports < 5; reports++) CHECK(complain("victim") == Error::busy);
    CHECK(describe(kVictim)->deaths == before + 3);
    return add_works();
}

bool update_takes_over() {
    CHECK(version() == kOriginalVersion);
    CHECK(control(kVictim, ControlAction::restart).ok());
    CHECK(add_works());
    sleep(5 * kMillisecond);
    CHECK(update_to(kNextVersion));
    CHECK(version() == kNextVersion);
    CHECK(add_works());  // on its predecessor's state
    CHECK(update_state() == UpdateState::trial);
    auto executable = make_version(kOriginalVersion);
    CHECK(executable.ok());
    CHECK(update(kVictim, *executable, executable->size).error() == Error::busy);
    CHECK(trial_ends_with(UpdateState::updated, kNextVersion));
    CHECK(dies(Death::undefined));
    CHECK(version() == kNextVersion);
    // Back and forth takes nothing.
    const abi::KernelCounts before = counts();
    CHECK(update_to(kOriginalVersion));
    CHECK(trial_ends_with(UpdateState::updated, kOriginalVersion));
    CHECK(update_to(kNextVersion));
    CHECK(trial_ends_with(UpdateState::updated, kNextVersion));
    sleep(5 * kMillisecond);
    return same(before, counts());
}

bool bad_updates_are_undone() {
    const u64 ran = version();
    auto executable = make_version(kOriginalVersion);
    CHECK(executable.ok());
    // What is no executable changes nothing.
    CHECK(update(kVictim, *executable, 0).error() == Error::protocol);
    CHECK(update(kVictim, *executable, 100).error() == Error::protocol);
    CHECK(update("nobody", *executable, executable->size).error() == Error::not_found);
    CHECK(update("services_test", *executable, executable->size).error() == Error::access);
    CHECK(update("supervisor", *executable, executable->size).error() == Error::access);
    const u64 entry = *executable->memory.as<u64>(24);
    *executable->memory.as<u64>(24) = 0x10000;  // starts nowhere
    CHECK(update(kVictim, *executable, executable->size).error() == Error::protocol);
    *executable->memory.as<u64>(24) = entry;
    CHECK(update_state() != UpdateState::trial && version() == ran);
    sleep(5 * kMillisecond);
    const abi::KernelCounts before = counts();
    // It dies at its start, and has spoilt its state.
    CHECK(update_to(kSpoilingVersion));
    CHECK(add_works());
    CHECK(version() == ran);
    CHECK(update_state() == UpdateState::refused);
    // It never serves: only the old one answers.
    CHECK(update_to(kSilentVersion));
    CHECK(add_works());
    CHECK(version() == ran);
    CHECK(update_state() == UpdateState::refused);
    // It answers requests, and then dies: what it did stays done.
    CHECK(update_to(kDyingVersion));
    CHECK(add_works());
    CHECK(version() == kDyingVersion);
    CHECK(add_works());
    CHECK(version() == ran);
    CHECK(update_state() == UpdateState::refused);
    sleep(5 * kMillisecond);
    return same(before, counts());
}

bool updates_outlive_the_supervisor() {
    CHECK(update_to(kNextVersion));
    const u32 restarts = describe("supervisor")->restarts;
    CHECK(control("supervisor", ControlAction::kill).ok());  // in the middle of the trial
    CHECK(state_becomes("supervisor", ComponentState::running, restarts + 1));
    CHECK(trial_ends_with(UpdateState::updated, kNextVersion));
    CHECK(control("supervisor", ControlAction::kill).ok());
    CHECK(state_becomes("supervisor", ComponentState::running, restarts + 2));
    CHECK(control(kVictim, ControlAction::kill).ok());
    CHECK(version() == kNextVersion);
    return add_works();
}

}  // namespace pith::test
