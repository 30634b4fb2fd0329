// SPDX-License-Identifier: MIT
// A large file is written and read, with several requests under way. What that takes is between marks (bench/files/marks.h).
#include "bench/files/marks.h"
#include "tests/storage/ext4_test/tests.hpp"

namespace pith::test {

namespace {

constexpr u64 kFileSize = u64{16} << 20;
constexpr u64 kPart = 256 << 10;
constexpr u64 kDepth = 4;

Files files(server(), 2);
u64 changes = 0;

u64 word_of(u64 at) { return at * 0x9e37'79b9'7f4a'7c15 ^ at >> 7; }

/// `operation` on the whole file, in parts. True: each was answered with its length.
bool transfer(Fs::Operation operation, Fs::FileId file, bool (*check)(u64 offset, u64* words)) {
    u64 submitted = 0, completed = 0;
    bool right = true;
    while (completed < kFileSize / kPart) {
        while (submitted < kFileSize / kPart && submitted - completed < kDepth) {
            Fs::Submission request{};
            request.id = submitted;
            if (operation == Fs::Operation::write) request.change = ++changes;
            request.operation = static_cast<u32>(operation);
            request.file = file;
            request.offset = submitted * kPart;
            request.length = kPart;
            request.place = submitted % kDepth * kPart;
            request.place_size = kPart;
            request.time.seconds = 1'700'000'000;
            if (operation == Fs::Operation::write)
                right = right &&
                        check(request.offset, reinterpret_cast<u64*>(files.window() + request.place));
            if (!files.submit(request).ok()) return false;
            submitted++;
        }
        files.notify();
        const auto completion = files.next();
        if (!completion.ok() || completion.value().error != 0 || completion.value().value != kPart)
            return false;
        completed++;
        if (operation == Fs::Operation::read)
            right = right &&
                    check(completion.value().id * kPart,
                          reinterpret_cast<u64*>(files.window() + completion.value().id % kDepth * kPart));
    }
    return right;
}

bool attach(u64 session) {
    changes = 0;
    return files.attach(session, {0, 0, kDiskSectors, 0}).ok();
}

bool run(Fs::Operation operation) {
    Fs::Submission request{};
    request.operation = static_cast<u32>(operation);
    return files.look(request).error == Error::ok;
}

}  // namespace

bool large_file_comes_and_goes() {
    CHECK(attach(1000));
    Fs::Submission request{};
    request.operation = static_cast<u32>(Fs::Operation::create);
    request.file = {2, 0};
    request.mode = 0100644;
    request.name_size = 5;
    request.time.seconds = 1'700'000'000;
    CHECK(files.change(request, "large").error == Error::ok);
    changes = files.last_change();
    const Fs::FileId file = files.result<Fs::Attributes>().id;
    CHECK(run(Fs::Operation::commit));
    PITH_MARK(PITH_MARK_BEGIN);
    CHECK(transfer(Fs::Operation::write, file, [](u64 offset, u64* words) {
        for (u64 i = 0; i < kPart / 8; i += 512) words[i] = word_of(offset / 8 + i);
        return true;
    }));
    CHECK(run(Fs::Operation::commit));
    PITH_MARK(PITH_MARK_END);
    CHECK(run(Fs::Operation::detach));
    CHECK(attach(1001));
    PITH_MARK(PITH_MARK_BEGIN);
    CHECK(transfer(Fs::Operation::read, file, [](u64 offset, u64* words) {
        for (u64 i = 0; i < kPart / 8; i += 512)
            if (words[i] != word_of(offset / 8 + i)) return false;
        return true;
    }));
    PITH_MARK(PITH_MARK_END);
    return run(Fs::Operation::detach);
}

}  // namespace pith::test
