// SPDX-License-Identifier: MIT
// Servers that break the protocol: the link is closed, and what was under way goes on after the next opening, or fails when that has happened
// to it a few times. Nothing is believed, and nothing crashes.
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <list>

#include "tests/host/fs/rig.hpp"

namespace pith::fs_test {
namespace {

/// The server's side of the ring, by hand.
struct Liar {
    LinkMemory memory;
    FsRequests requests;
    QueueServer<Fs::Submission, Fs::Completion> queue;
    std::vector<Fs::Submission> taken;
    u64 committed = 0;

    Liar() {
        Call attached;
        requests.begin({}, &attached);
        open();
        EXPECT_EQ(attached.ended(), Error::ok);
    }
    /// Opens, and attaches as one should; what the log has is carried out.
    void open() {
        requests.open(memory.bytes(), memory.shape());
        static_cast<void>(queue.attach(memory.bytes().data(), LinkMemory::kWindowOffset, Fs::kEntries,
                                       Handle<Signal>(), 0));
        queue.resume();
        take();
        ASSERT_EQ(taken.size(), 1u);
        Fs::Attached attached{};
        attached.root = {1, 1};
        attached.committed = committed;
        attached.block_size = 4096;
        put(taken[0], attached);
        complete(taken[0]);
        while (requests.opened() && !requests.running()) {
            take();
            if (taken.empty()) break;
            for (const Fs::Submission& entry : taken) {
                if (entry.operation == 32) put(entry, attributes(entry.answer.number));
                complete(entry);
            }
        }
        take();
        if (!taken.empty() && taken[0].operation == static_cast<u32>(Fs::Operation::recovered)) {
            complete(taken[0]);
            taken.erase(taken.begin());
        }
    }
    static Fs::Attributes attributes(u64 number = 5, u32 mode = kFile | 0644) {
        Fs::Attributes found{};
        found.id = {number, 1};
        found.mode = mode;
        found.links = 1;
        return found;
    }
    void take() {
        taken.clear();
        Fs::Submission entry;
        while (queue.take(entry)) taken.push_back(entry);
    }
    template <typename T>
    void put(const Fs::Submission& entry, const T& what) {
        std::memcpy(memory.bytes().data() + LinkMemory::kWindowOffset + entry.place, &what, sizeof(what));
    }
    void complete(const Fs::Submission& entry, u64 value = 0, Error error = Error::ok) {
        raw({entry.id, static_cast<u32>(error), 0, value, committed, 0});
    }
    void raw(const Fs::Completion& completion) {
        EXPECT_TRUE(queue.complete(completion).ok());
        requests.serve();
    }
    QueueHeader& header() { return *reinterpret_cast<QueueHeader*>(memory.bytes().data()); }
};

using Begin = std::function<void(FsRequests&, Call&)>;
using Lie = std::function<void(Liar&, const Fs::Submission&)>;

/// What comes of a lie about one request; told for ever, it has it fail.
void check_lie(const Begin& begin, const Lie& lie) {
    Data data("data");
    u8 room[512];
    Liar liar;
    Call call;
    call.to = room;
    begin(liar.requests, call);
    liar.take();
    for (u32 attempt = 1;; ++attempt) {
        ASSERT_FALSE(call.is_done);
        ASSERT_EQ(liar.taken.size(), 1u);
        lie(liar, liar.taken[0]);
        liar.requests.serve();
        ASSERT_TRUE(liar.requests.take_broken());
        ASSERT_FALSE(liar.requests.take_broken());
        ASSERT_FALSE(liar.requests.opened());
        liar.requests.serve();
        if (attempt == FsRequests::kMaxAttempts) break;
        liar.memory.words.assign(liar.memory.words.size(), 0);
        liar.requests.open(liar.memory.bytes(), liar.memory.shape());
        static_cast<void>(liar.queue.attach(liar.memory.bytes().data(), LinkMemory::kWindowOffset,
                                            Fs::kEntries, Handle<Signal>(), 0));
        liar.queue.resume();
        liar.take();
        Fs::Attached attached{};
        attached.root = {1, 1};
        attached.block_size = 4096;
        liar.put(liar.taken[0], attached);
        liar.complete(liar.taken[0]);
        liar.take();
        std::erase_if(liar.taken, [&](const Fs::Submission& entry) {
            const bool recovered = entry.operation == static_cast<u32>(Fs::Operation::recovered);
            if (recovered) liar.complete(entry);
            return recovered;
        });
    }
    EXPECT_EQ(call.ended(), Error::protocol);
    EXPECT_EQ(liar.requests.kept(), 0u);
    EXPECT_TRUE(liar.requests.idle());
    // With one that mends its ways nothing is remembered.
    liar.open();
    Call next;
    liar.requests.get_attributes(next, {5, 1});
    liar.take();
    ASSERT_EQ(liar.taken.size(), 1u);
    liar.put(liar.taken[0], Liar::attributes());
    liar.complete(liar.taken[0]);
    EXPECT_EQ(next.ended(), Error::ok);
}

const Begin kRead = [](FsRequests& fs, Call& call) { fs.read(call, {5, 1}, 0, 100); };
const Begin kLook = [](FsRequests& fs, Call& call) { fs.get_attributes(call, {5, 1}); };
const Begin kCreate = [](FsRequests& fs, Call& call) {
    fs.create(call, {1, 1}, "x", {kFile | 0644, 0, 0, 0}, {});
};
const Begin kUnnamed = [](FsRequests& fs, Call& call) {
    fs.create_unnamed(call, {1, 1}, {kFile | 0644, 0, 0, 0}, {});
};
const Begin kList = [](FsRequests& fs, Call& call) { fs.list(call, {1, 1}, 0); };

TEST(Liars, UnknownRequest) {
    check_lie(kRead,
              [](Liar& liar, const auto& entry) { liar.raw({entry.id + Fs::kEntries, 0, 0, 0, 0, 0}); });
    check_lie(kRead, [](Liar& liar, const auto& entry) { liar.raw({entry.id ^ 1, 0, 0, 0, 0, 0}); });
    check_lie(kRead, [](Liar& liar, const auto&) { liar.raw({0, 0, 0, 0, 0, 0}); });
}
TEST(Liars, BrokenRing) {
    check_lie(kRead, [](Liar& liar, const auto&) { liar.header().complete_tail += 1000; });
    check_lie(kCreate, [](Liar& liar, const auto&) { liar.header().complete_tail -= 1; });
    check_lie(kRead, [](Liar& liar, const auto&) { liar.header().complete_tail += 2; });
}
TEST(Liars, Values) {
    check_lie(kRead, [](Liar& liar, const auto& entry) { liar.complete(entry, 101); });
    check_lie(kRead, [](Liar& liar, const auto& entry) { liar.complete(entry, ~u64{0}); });
    check_lie(kRead, [](Liar& liar, const auto& entry) { liar.complete(entry, 0, Error::bad_state); });
    check_lie(kRead,
              [](Liar& liar, const auto& entry) { liar.complete(entry, 0, static_cast<Error>(12345)); });
    check_lie([](FsRequests& fs, Call& call) { fs.seek(call, {5, 1}, 10, false); },
              [](Liar& liar, const auto& entry) { liar.complete(entry, 9); });
}
TEST(Liars, Committed) {
    check_lie(kCreate, [](Liar& liar, const auto& entry) {
        liar.put(entry, Liar::attributes());
        liar.raw({entry.id, 0, 0, 0, 2, 0});  // more than was sent
    });
    // A commit that does not cover what was sent before it, and one that was not done.
    Liar liar;
    Call made, committed;
    kCreate(liar.requests, made);
    liar.requests.commit(committed);
    liar.take();
    liar.put(liar.taken[0], Liar::attributes());
    liar.complete(liar.taken[0]);
    liar.complete(liar.taken[1]);
    EXPECT_TRUE(liar.requests.take_broken());
    liar.open();
    ASSERT_EQ(liar.taken.size(), 1u);
    liar.committed = 1;
    liar.complete(liar.taken[0]);
    EXPECT_EQ(committed.ended(), Error::ok);
    // Back again.
    Call look;
    kLook(liar.requests, look);
    liar.take();
    liar.put(liar.taken[0], Liar::attributes());
    liar.committed = 0;
    liar.complete(liar.taken[0]);
    EXPECT_TRUE(liar.requests.take_broken());
    EXPECT_FALSE(look.is_done);
    // One under way.
    liar.committed = 1;
    liar.open();
    Call change, other;
    kCreate(liar.requests, change);
    kLook(liar.requests, other);
    liar.take();
    liar.put(liar.taken[1], Liar::attributes());
    liar.committed = 2;
    liar.complete(liar.taken[1]);
    EXPECT_TRUE(liar.requests.take_broken());
}
TEST(Liars, Attributes) {
    const auto lie = [](const Begin& begin, const std::function<void(Fs::Attributes&)>& change) {
        check_lie(begin, [&change](Liar& liar, const auto& entry) {
            Fs::Attributes found = Liar::attributes();
            change(found);
            liar.put(entry, found);
            liar.complete(entry);
        });
    };
    lie(kLook, [](auto& found) { found.id = {6, 1}; });
    lie(kLook, [](auto& found) { found.id = {5, 2}; });
    lie(kCreate, [](auto& found) { found.id = {0, 0}; });
    lie(kCreate, [](auto& found) { found.mode = kDirectory | 0644; });
    lie(kUnnamed, [](auto& found) { found.id = {0, 0}; });
    lie(kUnnamed, [](auto& found) { found.mode = kDirectory | 0644; });
}
TEST(Liars, Entries) {
    const auto lie = [](Fs::Entry entry, u64 value, const char* name) {
        check_lie(kList, [=](Liar& liar, const auto& request) {
            struct {
                Fs::Entry entry;
                char name[8];
            } record{entry, {}};
            std::memcpy(record.name, name, 8);
            liar.put(request, record);
            liar.complete(request, value);
        });
    };
    lie({5, 1, kFile, 4, 32}, 31, "name\0\0\0");
    lie({5, 1, kFile, 4, 40}, 32, "name\0\0\0");
    lie({5, 1, kFile, 4, 0}, 32, "name\0\0\0");
    lie({5, 1, kFile, 4, 31}, 32, "name\0\0\0");
    lie({5, 1, kFile, 9, 32}, 32, "name\0\0\0");
    lie({5, 1, kFile, 4, 32}, 513, "name\0\0\0");
}

/// What may be so on a broken disk fails, and costs nothing more.
TEST(Liars, BrokenDisks) {
    const auto broken = [](const Begin& begin, const auto& what, u64 value, Error error) {
        u8 room[512];
        Liar liar;
        Call call;
        call.to = room;
        begin(liar.requests, call);
        liar.take();
        liar.put(liar.taken[0], what);
        liar.complete(liar.taken[0], value);
        EXPECT_EQ(call.ended(), error);
        EXPECT_FALSE(liar.requests.take_broken());
        return call.attributes;
    };
    Fs::Attributes found = Liar::attributes(5, 0644);
    broken(kLook, found, 0, Error::io);
    found = Liar::attributes();
    found.size = ~u64{0};
    broken(kLook, found, 0, Error::io);
    found = Liar::attributes();
    found.modified.nanoseconds = ~0u;
    EXPECT_EQ(broken(kLook, found, 0, Error::ok).modified.nanoseconds, 999'999'999u);
    struct Record {
        Fs::Entry entry;
        char name[8];
    };
    broken(kList, Record{{5, 1, kFile, 0, 32}, "name"}, 32, Error::io);
    broken(kList, Record{{5, 1, kFile, 4, 32}, "na/e"}, 32, Error::io);
    broken(kList, Record{{5, 1, kFile, 6, 32}, "name"}, 32, Error::io);
    broken(kList, Record{{0, 1, kFile, 4, 32}, "name"}, 32, Error::io);
    broken(kList, Record{{5, 1, 0644, 4, 32}, "name"}, 32, Error::io);
    broken(kList, Record{{5, 1, 0, 4, 32}, "name"}, 32, Error::ok);
}

TEST(Liars, AnotherFileSystem) {
    for (int kind = 0; kind < 4; ++kind) {
        Liar liar;
        for (u32 attempt = 1; attempt <= FsRequests::kMaxAttempts; ++attempt) {
            liar.requests.open(liar.memory.bytes(), liar.memory.shape());
            static_cast<void>(liar.queue.attach(liar.memory.bytes().data(), LinkMemory::kWindowOffset,
                                                Fs::kEntries, Handle<Signal>(), 0));
            liar.queue.resume();
            liar.take();
            Fs::Attached attached{};
            attached.root = {kind == 0 ? 2u : kind == 1 ? 0u : 1u, 1};
            attached.block_size = kind == 2 ? 1024 : 4096;
            attached.committed = kind == 3 ? 1 : 0;
            liar.put(liar.taken[0], attached);
            liar.complete(liar.taken[0]);
            EXPECT_TRUE(liar.requests.take_broken());
            EXPECT_EQ(liar.requests.take_attach_error(),
                      attempt == FsRequests::kMaxAttempts ? Error::protocol : Error::ok);
        }
    }
}

TEST(Liars, CommittedButNeverAnswered) {
    Liar liar;
    Call made;
    kCreate(liar.requests, made);
    liar.committed = 1;
    liar.open();
    EXPECT_EQ(made.ended(), Error::protocol);
    EXPECT_EQ(liar.requests.kept(), 0u);
}

/// A change that was answered is given up too, when it can't be done again; and that is not kept quiet.
TEST(Liars, TheRedoneIsAnother) {
    Liar liar;
    Call made;
    kCreate(liar.requests, made);
    liar.take();
    liar.put(liar.taken[0], Liar::attributes());
    liar.complete(liar.taken[0]);
    ASSERT_EQ(made.ended(), Error::ok);
    for (u32 attempt = 1; attempt <= FsRequests::kMaxAttempts; ++attempt) {
        liar.requests.open(liar.memory.bytes(), liar.memory.shape());
        static_cast<void>(liar.queue.attach(liar.memory.bytes().data(), LinkMemory::kWindowOffset,
                                            Fs::kEntries, Handle<Signal>(), 0));
        liar.queue.resume();
        liar.take();
        Fs::Attached attached{};
        attached.root = {1, 1};
        attached.block_size = 4096;
        liar.put(liar.taken[0], attached);
        liar.complete(liar.taken[0]);
        liar.take();
        ASSERT_EQ(liar.taken[0].flags & Fs::kAnswered, Fs::kAnswered);
        ASSERT_EQ(liar.taken[0].answer.number, 5u);
        liar.put(liar.taken[0], Liar::attributes(6));
        liar.complete(liar.taken[0]);
        ASSERT_TRUE(liar.requests.take_broken());
    }
    EXPECT_EQ(liar.requests.kept(), 0u);
    liar.open();
    Call committed;
    liar.requests.commit(committed);
    EXPECT_EQ(committed.ended(), Error::io);
}

TEST(Liars, Shape) {
    FsRequests requests;
    const LinkMemory memory;
    const auto bad = [&](auto change) {
        Fs::Open::Reply reply = memory.shape();
        change(reply);
        return !requests.check(reply).ok();
    };
    EXPECT_FALSE(bad([](auto&) {}));
    EXPECT_TRUE(bad([](auto& r) { r.window_offset = 0; }));
    EXPECT_TRUE(bad([](auto& r) { r.window_offset += 8; }));
    EXPECT_TRUE(bad([](auto& r) { r.window_offset = ~u64{0xfff}; }));
    EXPECT_TRUE(bad([](auto& r) { r.window_size = 4096; }));
    EXPECT_TRUE(bad([](auto& r) { r.window_size = ~u64{0}; }));
    Liar liar;
    Fs::Open::Reply other = liar.memory.shape();
    other.window_size *= 2;
    EXPECT_FALSE(liar.requests.check(other).ok());
}

/// Random completions, and random bytes in the ring and the window, all the time.
TEST(Liars, Garbage) {
    const u32 seed = std::random_device{}();
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::list<Data> data;
    Rig rig(seed);
    rig.attach();
    FsRequests& fs = rig.requests;
    std::list<Call> calls;
    std::vector<u8> room(4096);
    const auto file = [&] { return Fs::FileId{random() % 8, random() % 8}; };
    u64 answered = 0;
    for (int step = 0; step < 20000; ++step) {
        if (calls.size() < 80 && random() % 2 == 0) {
            Call& call = calls.emplace_back();
            call.to = room;
            switch (random() % 11) {
                case 7: fs.create_unnamed(call, {1, 1}, {kFile | 0600, 0, 0, 0}, {}); break;
                case 8: fs.exchange(call, {1, 1}, "1", {1, 1}, std::to_string(random() % 20), {}); break;
                case 9: fs.punch(call, file(), random() % 8, random() % 8, {}); break;
                case 0:
                    fs.create(call, {1, 1}, std::to_string(random() % 20), {kFile | 0644, 0, 0, 0}, {});
                    break;
                case 1:
                    fs.unlink(call, {1, 1}, std::to_string(random() % 20), file(), random() % 2 == 0, {});
                    break;
                case 2: fs.read(call, file(), 0, room.size()); break;
                case 3: fs.list(call, {1, 1}, 0); break;
                case 4: fs.write(call, file(), 0, 4, data.emplace_back("data"), {}); break;
                case 5: fs.commit(call); break;
                case 6: fs.read_now(call, file(), 0, room.size()); break;
                default: fs.lookup(call, {1, 1}, std::to_string(random() % 20)); break;
            }
        }
        if (random() % 10 == 0) fs.release(file(), {});
        if (random() % 20 == 0) {
            const auto part = rig.link.bytes().first(random() % 4 == 0 ? sizeof(QueueHeader)
                                                                       : rig.link.bytes().size());
            part[random() % part.size()] = static_cast<u8>(random());
        }
        if (random() % 10 == 0) {
            // A completion like those that are expected.
            auto& header = *reinterpret_cast<QueueHeader*>(rig.link.bytes().data());
            Fs::Completion completion{random() % 5000,
                                      static_cast<u32>(random() % 30),
                                      static_cast<u32>(random() % 2),
                                      random() % 5000,
                                      random() % 100,
                                      0};
            std::memcpy(rig.link.bytes().data() + sizeof(QueueHeader) +
                            Fs::kEntries * sizeof(Fs::Submission) +
                            header.complete_tail % Fs::kEntries * sizeof(completion),
                        &completion, sizeof(completion));
            if (random() % 8 == 0) ++header.complete_tail;
        }
        if (random() % 2 == 0) rig.server->careless_work();
        if (random() % 2 == 0) fs.serve();
        if (fs.take_attach_error() != Error::ok || random() % 500 == 0) fs.fail_all(Error::held_down);
        if (fs.take_broken() || !fs.opened() || random() % 100 == 0) rig.open();
        answered += std::erase_if(calls,
                                  [&](const Call& call) { return call.is_done || random() % 100 == 0; });
        std::erase_if(data, [](const Data& each) { return each.is_settled; });
    }
    EXPECT_GT(answered, 500u);
}

}  // namespace
}  // namespace pith::fs_test
