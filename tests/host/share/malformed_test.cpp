// SPDX-License-Identifier: MIT
// A host that lies, and a client that does what it must not: requests fail, nothing else happens, and a new session works.
#include <gtest/gtest.h>

#include "tests/host/share/client.hpp"

namespace {

using namespace pith;
using namespace pith::test;
using enum Fs::Operation;

struct ShareMalformed : testing::Test, Fixture {
    void SetUp() override {
        host.add("folder", 0040755);
        for (int i = 0; i < 20; i++)
            host.add("folder/file" + std::to_string(i), 0100644, std::string(100, 'x'));
        host.add("link", 0120777, "target");
        ASSERT_EQ(open(), Error::ok);
    }
    /// Some request, with what was found before.
    Fs::Submission any(std::vector<Fs::FileId>& known, u64 number) {
        using Op = Fs::Operation;
        static constexpr Op kAll[] = {Op::commit,      Op::statistics,
                                      Op::lookup,      Op::attributes,
                                      Op::read,        Op::list,
                                      Op::read_link,   Op::seek,
                                      Op::hold,        Op::create,
                                      Op::create_link, Op::link,
                                      Op::unlink,      Op::remove_directory,
                                      Op::rename,      Op::set_attributes,
                                      Op::write,       Op::truncate,
                                      Op::allocate,    Op::release,
                                      Op::recovered};
        Fs::Submission r{};
        r.operation = static_cast<u32>(kAll[random() % std::size(kAll)]);
        r.file = known[random() % known.size()];
        r.other = known[random() % known.size()];
        const std::string name = random() % 8 == 0   ? "link"
                                 : random() % 4 == 0 ? "folder"
                                                     : "file" + std::to_string(random() % 20);
        const std::string second = "file" + std::to_string(random() % 20);
        r.name_size = static_cast<u16>(name.size());
        r.other_size = static_cast<u16>(second.size());
        std::ranges::copy(name + second, place(number).data());
        r.mode = random() % 3 == 0 ? 0040755 : 0100644;
        r.flags = random() % 4096;
        r.flags &= ~Fs::kAnswered;
        r.offset = random() % 5000;
        r.length = random() % 5000;
        if (r.operation >= static_cast<u32>(create)) r = change(r);
        return r;
    }
    void learn(std::vector<Fs::FileId>& known, const Fs::Completion& done) {
        Fs::Attributes attributes;
        std::memcpy(&attributes, place(done.id).data(), sizeof(attributes));
        if (done.error == 0 && attributes.id.number != 0 && attributes.id.number < 10000)
            known.push_back(attributes.id);
    }
};

TEST_F(ShareMalformed, SpoiltAnswersFail) {
    shuffled = true;
    for (int round = 0; round < 400; round++) {
        std::vector<Fs::FileId> known{root(), this->lookup(root(), "folder")};
        spoil = [this](FakeHost::Answer& answer) {
            const std::span<u8> bytes = host.reply_bytes(answer.slot);
            switch (random() % 12) {
                case 0: answer.written = random() % 64; break;
                case 1: answer.written = static_cast<u32>(random()); break;
                case 2: bytes[random() % 40] = static_cast<u8>(random()); break;
                case 3: bytes[4] = static_cast<u8>(random()); break;
                case 4: {
                    const u32 value = static_cast<u32>(random());
                    std::memcpy(bytes.data() + random() % 30, &value, 4);
                    break;
                }
                default: break;
            }
        };
        for (u64 number = 0; number < 40; number++) submit(any(known, number % 40), number);
        int left = 40;
        while (const auto done = work()) {
            left--;
            learn(known, *done);
        }
        EXPECT_EQ(left, 0);
        spoil = nullptr;
        die();
        ASSERT_EQ(open(static_cast<u64>(round) + 2), Error::ok);
        ASSERT_NE(this->lookup(root(), "link").number + list(root()).size(), 0u);
    }
}

TEST_F(ShareMalformed, SpoiltAttachFails) {
    for (int round = 0; round < 300; round++) {
        spoil = [this](FakeHost::Answer& answer) {
            if (random() % 2 == 0)
                host.reply_bytes(answer.slot)[random() % 40] ^= static_cast<u8>(1u << random() % 8);
            if (random() % 8 == 0) answer.written = random() % 40;
        };
        static_cast<void>(open(static_cast<u64>(round) + 2));
        spoil = nullptr;
        ASSERT_EQ(open(static_cast<u64>(round) + 2), Error::ok);
    }
}

TEST_F(ShareMalformed, BadRequestsFail) {
    std::vector<Fs::FileId> known{root(), this->lookup(root(), "folder")};
    for (int round = 0; round < 20000; round++) {
        Fs::Submission r = any(known, 0);
        auto* words = reinterpret_cast<u32*>(&r);
        for (u32 spoilt = random() % 4; spoilt != 0; spoilt--)
            words[random() % (sizeof(r) / 4)] = random() % 2 == 0 ? static_cast<u32>(random())
                                                                  : static_cast<u32>(random() % 4096) - 2048;
        r.place = r.place_size = 0;
        submit(r, 0);
        const auto done = work();
        ASSERT_TRUE(done);
        changes = std::max(changes, r.change);
        if (changes > ~u64{0} / 2 || done->error == static_cast<u32>(Error::bad_state)) {
            ASSERT_EQ(open(static_cast<u64>(round) + 10), Error::ok);
            changes = 0;
        }
    }
}

TEST_F(ShareMalformed, ABrokenRingHurtsNobody) {
    auto* header = reinterpret_cast<QueueHeader*>(window() - kWindowOffset);
    for (int round = 0; round < 500; round++) {
        auto* words = reinterpret_cast<u32*>(header);
        words[random() % (sizeof(QueueHeader) / 4)] = static_cast<u32>(random());
        for (int i = 0; i < 10; i++) {
            session().serve();
            while (host.waiting() != 0) {
                const auto answer = host.answer();
                session().completed(answer.slot, answer.written);
            }
        }
        ASSERT_EQ(open(static_cast<u64>(round) + 2), Error::ok);
    }
}

}  // namespace
