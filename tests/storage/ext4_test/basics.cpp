// SPDX-License-Identifier: MIT
// What each operation does, with a server that lives.
#include "lib/os/clock.hpp"
#include "protocol/block.hpp"
#include "tests/storage/ext4_test/tests.hpp"

namespace pith::test {

namespace {

Files files(server(), 0);
Fs::FileId root;

Fs::Submission request(Fs::Operation operation, Fs::FileId file = {}) {
    Fs::Submission entry{};
    entry.operation = static_cast<u32>(operation);
    entry.file = file;
    entry.time = {1'700'000'000, 5, 0};
    return entry;
}

Fs::Submission named(Fs::Operation operation, Fs::FileId directory, std::string_view name, u32 mode = 0) {
    Fs::Submission entry = request(operation, directory);
    entry.name_size = static_cast<u16>(name.size());
    entry.mode = mode;
    return entry;
}

u8 byte_of(u64 at) { return static_cast<u8>(at * 7 + at / 4096); }

}  // namespace

bool mounts() {
    const auto attached = files.attach(1, {0, 0, kDiskSectors, 0});
    if (!attached.ok()) print("    error {}\n", attached.error());
    CHECK(attached.ok());
    root = attached.value().root;
    CHECK(root.number == 2 && attached.value().committed == 0);
    CHECK(attached.value().block_size == 4096 || attached.value().block_size == 1024);
    return true;
}

bool files_are_made_and_read() {
    using enum Fs::Operation;
    CHECK(files.change(named(create, root, "directory", 040755), "directory").error == Error::ok);
    const Fs::FileId directory = files.result<Fs::Attributes>().id;
    CHECK(files.change(named(create, directory, "file", 0100644), "file").error == Error::ok);
    const Fs::FileId file = files.result<Fs::Attributes>().id;
    std::string data(300'000, ' ');
    for (u64 i = 0; i < data.size(); i++) data[i] = static_cast<char>(byte_of(i));
    Fs::Submission entry = request(write, file);
    entry.length = data.size();
    CHECK(files.change(entry, data).value == data.size());
    entry = request(read, file);
    entry.offset = 5;
    entry.length = 400'000;
    CHECK(files.look(entry).value == data.size() - 5);
    for (u64 i = 5; i < data.size(); i++) CHECK(files.window()[i - 5] == byte_of(i));
    CHECK(files.look(named(lookup, directory, "file"), "file").error == Error::ok);
    const auto found = files.result<Fs::Attributes>();
    CHECK(found.id == file && found.size == data.size() && found.modified.seconds == 1'700'000'000);
    CHECK(files.look(request(list, directory)).value == 32);
    const auto listed = files.result<Fs::Entry>();
    CHECK(listed.number == file.number && listed.type == 0100000 && listed.length == 4);
    CHECK(files.look(request(commit)).error == Error::ok);
    CHECK(files.committed() == files.last_change() && files.kept() == 0);
    CHECK(files.look(request(detach)).error == Error::ok);
    CHECK(files.look(request(lookup, root)).error == Error::bad_state);
    return true;
}

/// Nobody asks for it; the server does it some seconds after a change.
bool changes_are_committed_some_time() {
    using enum Fs::Operation;
    CHECK(files.attach(2, {0, 0, kDiskSectors, 0}).ok());
    CHECK(files.change(named(create, root, "by itself", 0100644), "by itself").error == Error::ok);
    CHECK(files.committed() == 0);
    static const Handle<Signal> never = std::move(*own_pool().create_signal());
    const abi::Time deadline = now() + 15 * kSecond;
    while (files.committed() == 0 && now() < deadline) {
        static_cast<void>(never.wait(1, now() + 250 * kMillisecond));
        CHECK(files.look(named(lookup, root, "by itself"), "by itself").error == Error::ok);
    }
    CHECK(files.committed() == files.last_change());
    // Nobody else can mount what is mounted, nor what is not there.
    static Files second(server(), 1);
    CHECK(second.attach(3, {0, 0, kDiskSectors, 0}).error() == Error::busy);
    CHECK(second.attach(3, {0, 0, kDiskSectors + 1, 0}).error() == Error::invalid);
    CHECK(second.attach(3, {0, 0, 0, 0}).error() == Error::invalid);
    CHECK(second.attach(3, {Block::kMaxDisks - 1, 0, 8, 0}).error() == Error::not_found);
    static Files none(server(), Fs::kMaxMounts);
    CHECK(none.attach(3, {0, 0, kDiskSectors, 0}).error() == Error::not_found);
    return files.look(request(detach)).error == Error::ok;
}

}  // namespace pith::test
