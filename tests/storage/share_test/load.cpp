// SPDX-License-Identifier: MIT
#include "tests/storage/share_test/load.hpp"

#include <algorithm>

#include "tests/storage/share_test/print.hpp"

namespace pith::test {

namespace {

constexpr u32 kRegular = 0100000, kDirectory = 0040000;
constexpr u32 kRounds = 1500;
constexpr u32 kNone = ~u32{0};

u64 random_state = 0x1234'5678;
u32 random(u32 below) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return static_cast<u32>(random_state >> 20) % below;
}

/// A name of the folder, and what is there.
struct Slot {
    LoadFile file;
    Fs::FileId id;
    bool there() const { return file.blocks != kNone; }
    std::string_view name() const { return file.name; }
};
Slot slots[kLoadFiles];
u32 version = 2;  // of what is written next

class Load {
  public:
    Load(Share& share, Fs::FileId folder) : share_(share), folder_(folder) {}

    bool step() {
        Slot& slot = slots[random(kLoadFiles)];
        switch (random(10)) {
            case 0: return create(slot);
            case 1: return remove(slot);
            case 2: return rename(slot, slots[random(kLoadFiles)]);
            case 3: return truncate(slot);
            case 4: return verify(slot);
            default: return write(slot);
        }
    }
    bool verify(Slot& slot) {
        Fs::Attributes found;
        const Error error = share_.lookup(folder_, slot.name(), found);
        if (!slot.there()) return error == Error::not_found;
        CHECK(error == Error::ok && found.id == slot.id && found.size == u64{slot.file.blocks} * kBlock &&
              found.links == 1);
        for (u32 block = 0; block < slot.file.blocks; block++) {
            std::string_view text;
            CHECK(share_.read(slot.id, block * u64{kBlock}, kBlock, text) == Error::ok &&
                  text.size() == kBlock);
            for (u32 i = 0; i < kBlock / 8; i++) {
                u64 word;
                std::memcpy(&word, text.data() + i * 8, 8);
                CHECK(word ==
                      (slot.file.versions[block] == 0 ? 0 : share_word(slot.file.versions[block], i)));
            }
        }
        return true;
    }

  private:
    bool create(Slot& slot) {
        Fs::Attributes made;
        const Error error = share_.create(folder_, slot.name(), kRegular | 0644, made);
        CHECK(error == (slot.there() ? Error::exists : Error::ok));
        if (slot.there()) return true;
        slot.id = made.id;
        slot.file.blocks = 0;
        std::ranges::fill(slot.file.versions, 0u);
        return true;
    }
    bool remove(Slot& slot) {
        const Error error = share_.unlink(folder_, slot.name());
        CHECK(error == (slot.there() ? Error::ok : Error::not_found));
        slot.file.blocks = kNone;
        return true;
    }
    /// Now and then what is replaced is held for a while.
    bool rename(Slot& from, Slot& to) {
        if (&from == &to) return true;
        const Fs::FileId replaced = to.there() && random(2) == 0 ? to.id : Fs::FileId{};
        const Error error = share_.rename(folder_, from.name(), folder_, to.name(),
                                          Fs::kReplace | (replaced.number != 0 ? Fs::kHold : 0),
                                          from.there() ? replaced : Fs::FileId{});
        CHECK(error == (from.there() ? Error::ok : Error::not_found));
        if (!from.there()) return true;
        if (replaced.number != 0) {
            Fs::Attributes found;
            CHECK(share_.attributes(replaced, found) == Error::ok && found.links == 0);
            CHECK(found.size == u64{to.file.blocks} * kBlock && share_.release(replaced) == Error::ok);
        }
        to.id = from.id;
        to.file.blocks = from.file.blocks;
        std::ranges::copy(from.file.versions, to.file.versions);
        from.file.blocks = kNone;
        return true;
    }
    bool truncate(Slot& slot) {
        if (!slot.there()) return true;
        const u32 blocks = random(kLoadBlocks + 1);
        Fs::Submission r{};
        r.operation = static_cast<u32>(Fs::Operation::truncate);
        r.file = slot.id;
        r.offset = u64{blocks} * kBlock;
        CHECK(share_.run(r).error == 0);
        for (u32 block = blocks; block < kLoadBlocks; block++) slot.file.versions[block] = 0;
        slot.file.blocks = blocks;
        return true;
    }
    /// Several blocks at once, each in a request of its own.
    bool write(Slot& slot) {
        if (!slot.there()) return true;
        const u32 first = random(kLoadBlocks),
                  count = std::min(1 + random(Share::kSlots), kLoadBlocks - first);
        for (u32 i = 0; i < count; i++) {
            auto* words = reinterpret_cast<u64*>(share_.place(i));
            for (u32 w = 0; w < kBlock / 8; w++) words[w] = share_word(version, w);
            Fs::Submission r{};
            r.operation = static_cast<u32>(Fs::Operation::write);
            r.file = slot.id;
            r.offset = u64{first + i} * kBlock;
            r.length = kBlock;
            slot.file.versions[first + i] = version++;
            share_.submit(i, r, kBlock);
        }
        share_.notify();
        for (u32 i = 0; i < count; i++) {
            u32 which = 0;
            const Fs::Completion done = share_.next(which);
            CHECK(done.error == 0 && done.value == kBlock);
        }
        slot.file.blocks = std::max(slot.file.blocks, first + count);
        return true;
    }

    Share& share_;
    const Fs::FileId folder_;
};

bool leave_expected(Share& share, Fs::FileId root) {
    Fs::Attributes file;
    CHECK(share.create(root, "expected", kRegular | 0644, file) == Error::ok);
    for (u32 i = 0; i < kLoadFiles; i++)
        CHECK(share.write(file.id, i * sizeof(LoadFile),
                          {reinterpret_cast<const char*>(&slots[i].file), sizeof(LoadFile)}) == Error::ok);
    return share.commit() == Error::ok;
}

}  // namespace

bool run_load(Share& share, Fs::FileId root) {
    Fs::Attributes folder;
    CHECK(share.create(root, "load", kDirectory | 0755, folder) == Error::ok);
    for (u32 i = 0; i < kLoadFiles; i++) {
        slots[i].file.blocks = kNone;
        format_to({slots[i].file.name, sizeof(slots[i].file.name) - 1}, "file{}", i);
    }
    Load load(share, folder.id);
    const u64 opened = share.opened();
    set_deaths(23, 171);
    bool good = true;
    for (u32 round = 0; round < kRounds && good && !share.failed(); round++) {
        good = load.step();
        if (!good) print("    in round {}\n", round);
    }
    set_deaths(0, 0);
    print("    {} deaths, opened again {} times\n", deaths(), share.opened() - opened);
    CHECK(good && !share.failed() && share.opened() - opened > 10);
    for (Slot& slot : slots) CHECK(load.verify(slot));
    return leave_expected(share, root);
}

}  // namespace pith::test
