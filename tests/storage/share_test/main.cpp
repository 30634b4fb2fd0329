// SPDX-License-Identifier: MIT
// Tests a folder of the host's from inside: prints a line a test on the debug console and ends the machine. The host makes the folder and compares
// it afterwards (tests/storage/share_files.cpp).
#include "tests/storage/share_test/coroutines.hpp"
#include "tests/storage/share_test/load.hpp"
#include "tests/storage/share_test/print.hpp"

namespace pith::test {

namespace {

constexpr u32 kRegular = 0100000, kDirectory = 0040000, kLink = 0120000, kPipe = 0010000, kType = 0170000;
constexpr u64 kSession = 7;
Share share;
Fs::FileId root, made;

Fs::Submission request(Fs::Operation operation, Fs::FileId file) {
    Fs::Submission r{};
    r.operation = static_cast<u32>(operation);
    r.file = file;
    return r;
}
Error run(const Fs::Submission& r, std::string_view name = {}, std::string_view other = {}) {
    return static_cast<Error>(share.run(r, name, other).error);
}

bool session_opens() {
    CHECK(share.open(kSession).ok());
    root = share.attached().root;
    CHECK(std::string_view(share.attached().label) == "share");
    CHECK(share.attached().committed == 0 && share.attached().flags == 0);
    CHECK(share.attached().statistics.block_size >= 512 && share.attached().statistics.blocks != 0);
    CHECK(share.run_raw(request(Fs::Operation::attach, {})).error == static_cast<u32>(Error::bad_state));
    return true;
}

bool files_are_read() {
    Fs::Attributes found;
    std::string_view text;
    CHECK(share.lookup(root, "hello", found) == Error::ok);
    CHECK(found.mode == (kRegular | 0640) && found.links == 2 && found.size == 13 && found.user == 0 &&
          found.group == 0);
    CHECK(share.read(found.id, 0, 100, text) == Error::ok && text == "hello, guest\n");
    CHECK(share.read(found.id, 7, 5, text) == Error::ok && text == "guest");
    CHECK(share.read(found.id, 13, 5, text) == Error::ok && text.empty());
    CHECK(share.read(found.id, ~u64{0} - 2, 5, text) == Error::ok && text.empty());
    Fs::Attributes again;
    CHECK(share.attributes(found.id, again) == Error::ok && again.id == found.id && again.size == 13);
    CHECK(share.lookup(root, "deep", again) == Error::ok && again.mode == (kDirectory | 0755));
    CHECK(share.lookup(again.id, "hello", again) == Error::ok && again.id == found.id);
    CHECK(share.lookup(root, "odd \n\x01\xff name", found) == Error::ok);
    CHECK(share.read(found.id, 0, 100, text) == Error::ok && text == "odd\n");
    char name[255];
    std::memset(name, 'l', sizeof(name));
    CHECK(share.lookup(root, {name, 255}, found) == Error::ok);
    CHECK(share.read(found.id, 0, 100, text) == Error::ok && text == "long\n");
    CHECK(share.lookup(root, "nothing", found) == Error::not_found);
    CHECK(share.lookup(root, "link", found) == Error::ok && (found.mode & kType) == kLink);
    const Fs::Completion link = share.run(request(Fs::Operation::read_link, found.id));
    CHECK(link.error == 0 &&
          std::string_view(reinterpret_cast<char*>(share.place(0)), link.value) == "deep/level0");
    CHECK(share.read(found.id, 0, 10, text) == Error::wrong_type);
    CHECK(share.lookup(root, "pipe", found) == Error::ok && (found.mode & kType) == kPipe);
    return share.read(found.id, 0, 10, text) == Error::wrong_type;
}

bool deep_files_are_found() {
    Fs::Attributes found;
    CHECK(share.lookup(root, "deep", found) == Error::ok);
    for (u32 level = 0; level < 20; level++) {
        char text[16];
        CHECK(share.lookup(found.id, format_to(text, "level{}", level), found) == Error::ok);
    }
    CHECK(share.lookup(found.id, "bottom", found) == Error::ok);
    // A server that was born meanwhile walks there by itself.
    CHECK(restart("virtio_9p"));
    std::string_view text;
    CHECK(share.read(found.id, 0, 100, text) == Error::ok && text == "at the bottom\n");
    return share.opened() == 2;
}

/// 5 MiB with several requests under way.
bool big_file_is_read() {
    Fs::Attributes found;
    CHECK(share.lookup(root, "big", found) == Error::ok && found.size == kBigSize);
    const abi::Time start = now();
    u64 asked = 0, checked = 0, offsets[Share::kSlots];
    const auto ask = [&](u32 slot) {
        Fs::Submission r = request(Fs::Operation::read, found.id);
        r.offset = offsets[slot] = asked;
        r.length = Share::kPlaceSize;
        asked += r.length;
        share.submit(slot, r);
        share.notify();
    };
    for (u32 slot = 0; slot < Share::kSlots; slot++) ask(slot);
    while (checked < kBigSize) {
        u32 slot = 0;
        const Fs::Completion done = share.next(slot);
        CHECK(done.error == 0 && done.value == Share::kPlaceSize);
        const auto* words = reinterpret_cast<const u64*>(share.place(slot));
        for (u64 i = 0; i < Share::kPlaceSize / 8; i++)
            CHECK(words[i] == share_word(1, offsets[slot] / 8 + i));
        checked += Share::kPlaceSize;
        if (asked < kBigSize) ask(slot);
    }
    print("    {} ms\n", (now() - start) / kMillisecond);
    return true;
}

bool big_file_is_written() {
    Fs::Attributes file;
    CHECK(share.create(made, "big", kRegular | 0644, file) == Error::ok);
    const abi::Time start = now();
    u64 asked = 0, done = 0;
    const auto ask = [&](u32 slot) {
        Fs::Submission r = request(Fs::Operation::write, file.id);
        r.offset = asked;
        r.length = Share::kPlaceSize;
        auto* words = reinterpret_cast<u64*>(share.place(slot));
        for (u64 i = 0; i < Share::kPlaceSize / 8; i++) words[i] = share_word(2, asked / 8 + i);
        asked += r.length;
        share.submit(slot, r, Share::kPlaceSize);
        share.notify();
    };
    for (u32 slot = 0; slot < Share::kSlots; slot++) ask(slot);
    while (done < kBigSize) {
        u32 slot = 0;
        const Fs::Completion completion = share.next(slot);
        CHECK(completion.error == 0 && completion.value == Share::kPlaceSize);
        done += Share::kPlaceSize;
        if (asked < kBigSize) ask(slot);
    }
    print("    {} ms\n", (now() - start) / kMillisecond);
    CHECK(share.commit() == Error::ok && share.committed() == share.last_change() && share.kept() == 0);
    return share.attributes(file.id, file) == Error::ok && file.size == kBigSize;
}

bool listing_is_whole() {
    Fs::Attributes many;
    CHECK(share.lookup(root, "many", many) == Error::ok);
    for (const u32 place : {Share::kPlaceSize, 600u}) {
        static bool seen[kMany];
        std::memset(seen, 0, sizeof(seen));
        u32 count = 0, requests = 0;
        for (u64 cookie = 0;;) {
            Fs::Submission r = request(Fs::Operation::list, many.id);
            r.offset = cookie;
            r.place_size = place;
            const Fs::Completion done = share.run_sized(r, place);
            CHECK(done.error == 0 && done.value <= place);
            if (done.value == 0) break;
            requests++;
            for (u64 at = 0; at < done.value;) {
                Fs::Entry entry;
                std::memcpy(&entry, share.place(0) + at, sizeof(entry));
                const auto* name = reinterpret_cast<const char*>(share.place(0) + at + sizeof(entry));
                CHECK(entry.length > 4 && std::memcmp(name, "file", 4) == 0 && entry.type == kRegular);
                u32 number = 0;
                for (u32 i = 4; i < entry.length; i++) number = number * 10 + static_cast<u32>(name[i] - '0');
                CHECK(number < kMany && !seen[number]);
                seen[number] = true;
                count++;
                cookie = entry.next;
                at += entry.size;
            }
        }
        print("    {} entries in {} requests\n", count, requests);
        CHECK(count == kMany);
    }
    return true;
}

/// More than the host is to have in use for us at a time.
bool many_files_are_found() {
    Fs::Attributes many, found;
    CHECK(share.lookup(root, "many", many) == Error::ok);
    for (const char* what : {"found", "found again"}) {
        const abi::Time start = now();
        for (u32 i = 0; i < kMany; i++) {
            char name[16];
            CHECK(share.lookup(many.id, format_to(name, "file{}", i), found) == Error::ok && found.size == 0);
        }
        print("    {} files {} in {} ms\n", kMany, what, (now() - start) / kMillisecond);
    }
    const abi::Time start = now();
    for (u32 i = 0; i < kMany; i++) CHECK(share.attributes(found.id, found) == Error::ok);
    print("    {} times attributes in {} ms\n", kMany, (now() - start) / kMillisecond);
    return true;
}

bool bad_requests_are_refused() {
    Fs::Attributes found;
    std::string_view text;
    CHECK(share.lookup(root, "hello", found) == Error::ok);
    const Fs::FileId other{found.id.number, found.id.generation + 1}, none{0, 0};
    CHECK(share.attributes(other, found) == Error::bad_handle &&
          share.attributes(none, found) == Error::bad_handle);
    for (const std::string_view name :
         {std::string_view("."), std::string_view(".."), std::string_view("a/b"), std::string_view("a\0b", 3),
          std::string_view("")}) {
        CHECK(share.lookup(root, name, found) == Error::invalid);
        CHECK(share.create(root, name, kRegular | 0644, found) == Error::invalid);
        CHECK(share.unlink(root, name) == Error::invalid);
        CHECK(share.rename(root, "hello", root, name, Fs::kReplace) == Error::invalid);
    }
    CHECK(share.lookup(root, ".pith-unlinked-0", found) == Error::not_found);
    CHECK(share.create(root, ".pith-unlinked-0", kRegular | 0644, found) == Error::access);
    CHECK(share.lookup(root, "hello", found) == Error::ok);
    CHECK(share.lookup(found.id, "x", found) == Error::wrong_type);
    const u64 window = share.window_size();
    const auto raw = [&](Fs::Operation operation, u64 place, u32 size, u16 name, u16 second) {
        Fs::Submission r = request(operation, root);
        r.place = place;
        r.place_size = size;
        r.name_size = name;
        r.other_size = second;
        r.length = size;
        return static_cast<Error>(share.run_raw(r).error);
    };
    CHECK(raw(Fs::Operation::lookup, 1, 512, 5, 0) == Error::invalid);
    CHECK(raw(Fs::Operation::lookup, window, 512, 5, 0) == Error::invalid);
    CHECK(raw(Fs::Operation::lookup, window - 512, 1024, 5, 0) == Error::invalid);
    CHECK(raw(Fs::Operation::lookup, ~u64{511}, 1024, 5, 0) == Error::invalid);
    CHECK(raw(Fs::Operation::lookup, 0, 512, 600, 0) == Error::invalid);
    CHECK(raw(Fs::Operation::lookup, 0, 512, 5, 4096) == Error::invalid);
    CHECK(raw(Fs::Operation::unlink, 0, 512, 5, 0) == Error::invalid);  // it has no number
    CHECK(raw(static_cast<Fs::Operation>(0), 0, 512, 5, 0) == Error::invalid);
    CHECK(raw(static_cast<Fs::Operation>(99), 0, 512, 5, 0) == Error::invalid);
    return share.lookup(root, "hello", found) == Error::ok && share.read(found.id, 0, 5, text) == Error::ok &&
           text == "hello";
}

bool names_change() {
    Fs::Attributes file, other;
    std::string_view text;
    CHECK(share.create(root, "made", kDirectory | 0755, other) == Error::ok);
    made = other.id;
    CHECK(share.create(root, "made", kDirectory | 0755, other) == Error::exists);
    CHECK(share.create(made, "file", kRegular | 0600, file) == Error::ok);
    CHECK(file.mode == (kRegular | 0600) && file.size == 0 && file.links == 1 && file.user == 0);
    CHECK(share.create(made, "file", kRegular | 0600, other) == Error::exists);
    CHECK(share.write(file.id, 0, "a file\n") == Error::ok);
    CHECK(share.rename(made, "file", made, "renamed", 0) == Error::ok);
    CHECK(share.lookup(made, "file", other) == Error::not_found);
    CHECK(share.lookup(made, "renamed", other) == Error::ok && other.id == file.id && other.size == 7);
    Fs::Submission link = request(Fs::Operation::link, file.id);
    link.other = made;
    CHECK(run(link, "hard") == Error::ok && run(link, "hard") == Error::exists);
    CHECK(share.attributes(file.id, other) == Error::ok && other.links == 2);
    Fs::Submission symbolic = request(Fs::Operation::create_link, made);
    symbolic.mode = kLink | 0777;
    CHECK(run(symbolic, "symbolic", "renamed") == Error::ok);
    CHECK(share.create(made, "odd \xfe\n", kRegular | 0644, other) == Error::ok);
    CHECK(share.write(other.id, 0, "odd too\n") == Error::ok);
    // A directory with what is in it, and what may not be replaced.
    Fs::Attributes directory, inner;
    CHECK(share.create(made, "d", kDirectory | 0751, directory) == Error::ok);
    CHECK(share.create(directory.id, "inner", kRegular | 0644, inner) == Error::ok);
    CHECK(run(request(Fs::Operation::remove_directory, made), "d") == Error::occupied);
    CHECK(share.unlink(made, "d") == Error::wrong_type);
    CHECK(run(request(Fs::Operation::remove_directory, made), "hard") == Error::wrong_type);
    CHECK(share.rename(made, "d", made, "directory", 0) == Error::ok);
    CHECK(share.write(inner.id, 0, "inside") == Error::ok);
    CHECK(share.rename(directory.id, "inner", made, "renamed", 0) == Error::exists);
    CHECK(share.rename(made, "directory", made, "renamed", Fs::kReplace) == Error::wrong_type);
    CHECK(share.rename(made, "directory", directory.id, "below", Fs::kReplace) == Error::invalid);
    CHECK(share.read(inner.id, 0, 10, text) == Error::ok && text == "inside");
    CHECK(share.unlink(directory.id, "inner") == Error::ok &&
          share.unlink(directory.id, "inner") == Error::not_found);
    CHECK(share.attributes(inner.id, other) == Error::bad_handle);
    return true;
}

bool attributes_change() {
    Fs::Attributes file, found;
    std::string_view text;
    CHECK(share.create(made, "closed", kRegular | 0444, file) == Error::ok);
    CHECK(share.write(file.id, 0, "closed") == Error::ok);
    CHECK(restart("virtio_9p"));
    CHECK(share.write(file.id, 6, " too") == Error::ok);
    Fs::Submission r = request(Fs::Operation::truncate, file.id);
    r.offset = 8;
    CHECK(run(r) == Error::ok && share.read(file.id, 0, 20, text) == Error::ok && text == "closed t");
    CHECK(share.create(made, "times", kRegular | 0644, file) == Error::ok);
    r = request(Fs::Operation::set_attributes, file.id);
    r.flags = Fs::kSetModified | Fs::kSetMode;
    r.mode = 0604;
    r.modified = {1'000'000'000, 5, 0};
    CHECK(run(r) == Error::ok && share.attributes(file.id, found) == Error::ok);
    CHECK(found.mode == (kRegular | 0604) && found.modified.seconds == 1'000'000'000 &&
          found.modified.nanoseconds == 5);
    // QEMU may refuse special files (since CVE-2023-2861).
    const Error piped = share.create(made, "pipe", kPipe | 0600, found);
    CHECK(piped == Error::unsupported || (piped == Error::ok && found.mode == (kPipe | 0600)));
    r = request(Fs::Operation::allocate, file.id);
    r.length = 10;
    CHECK(run(r) == Error::unsupported);
    r = request(Fs::Operation::seek, file.id);
    CHECK(run(r) == Error::not_found);
    CHECK(share.lookup(root, "hello", file) == Error::ok &&
          share.write(file.id, 13, "and host\n") == Error::ok);
    return true;
}

/// Files without a name stay while they are held, also across the server's death.
bool held_files_stay() {
    Fs::Attributes file, other, found;
    std::string_view text;
    CHECK(share.create(made, "held", kRegular | 0644, file) == Error::ok);
    CHECK(share.write(file.id, 0, "held") == Error::ok);
    CHECK(share.unlink(made, "held", file.id) == Error::ok);
    CHECK(share.lookup(made, "held", found) == Error::not_found);
    CHECK(share.attributes(file.id, found) == Error::ok && found.links == 0 && found.size == 4);
    CHECK(share.create(made, "held", kRegular | 0644, other) == Error::ok && !(other.id == file.id));
    CHECK(share.write(file.id, 4, " on") == Error::ok);
    CHECK(restart("virtio_9p"));
    CHECK(share.read(file.id, 0, 100, text) == Error::ok && text == "held on");
    Fs::Submission list = request(Fs::Operation::list, root);
    const Fs::Completion listed = share.run(list);
    const std::string_view entries(reinterpret_cast<char*>(share.place(0)), listed.value);
    CHECK(listed.error == 0 && entries.find("hello") != entries.npos &&
          entries.find(".pith") == entries.npos);
    // What a rename replaces, too.
    CHECK(share.create(made, "new", kRegular | 0644, found) == Error::ok);
    CHECK(share.write(other.id, 0, "second") == Error::ok);
    CHECK(share.rename(made, "new", made, "held", Fs::kReplace | Fs::kHold, other.id) == Error::ok);
    CHECK(share.read(other.id, 0, 100, text) == Error::ok && text == "second");
    CHECK(share.release(file.id) == Error::ok && share.release(other.id) == Error::ok);
    CHECK(share.attributes(file.id, found) == Error::bad_handle &&
          share.attributes(other.id, found) == Error::bad_handle);
    CHECK(share.unlink(made, "held") == Error::ok);
    // One that nobody releases goes with the session.
    CHECK(share.create(made, "left", kRegular | 0644, file) == Error::ok);
    return share.unlink(made, "left", file.id) == Error::ok;
}

bool session_can_be_opened_again() {
    Fs::Attributes found;
    const u64 before = share.last_change();
    CHECK(share.commit() == Error::ok);
    CHECK(share.open(kSession).ok() && share.attached().committed == before);
    CHECK(share.attributes(made, found) == Error::ok);
    CHECK(share.open(kSession + 1, Fs::kReadOnly).ok() && share.attached().committed == 0);
    CHECK(share.create(made, "not", kRegular | 0644, found) == Error::access);
    CHECK(share.lookup(root, "hello", found) == Error::ok);
    CHECK(share.run(request(Fs::Operation::detach, {})).error == 0);
    CHECK(share.run(request(Fs::Operation::statistics, {})).error == static_cast<u32>(Error::bad_state));
    return share.open(kSession + 2).ok();
}

bool coroutines_lose_nothing() { return run_coroutines(own_signal()); }
bool deaths_lose_nothing() { return run_load(share, root); }

}  // namespace

}  // namespace pith::test

int main() {
    using namespace pith;
    using namespace pith::test;
    begin();
    run_test("session_opens", session_opens);
    if (failures == 0) {
        run_test("files_are_read", files_are_read);
        run_test("deep_files_are_found", deep_files_are_found);
        run_test("big_file_is_read", big_file_is_read);
        run_test("listing_is_whole", listing_is_whole);
        run_test("many_files_are_found", many_files_are_found);
        run_test("names_change", names_change);
        run_test("bad_requests_are_refused", bad_requests_are_refused);
        run_test("big_file_is_written", big_file_is_written);
        run_test("attributes_change", attributes_change);
        run_test("held_files_stay", held_files_stay);
        run_test("session_can_be_opened_again", session_can_be_opened_again);
        run_test("deaths_lose_nothing", deaths_lose_nothing);
        run_test("coroutines_lose_nothing", coroutines_lose_nothing);
    }
    end();
    return 1;
}
