// SPDX-License-Identifier: MIT
#include "tests/host/fs/world.hpp"

#include <cstring>

namespace pith::fs_test {

World::World(u32 seed, u32 deaths_in_1000, u32 downs_in_1000)
    : random_(seed),
      rig_(seed, seed % 2 == 0 ? 64 << 10 : 512 << 10),
      deaths_in_1000_(deaths_in_1000),
      downs_in_1000_(downs_in_1000) {
    // An earlier client has left an unlinked file.
    rig_.server->disk.nodes[2] = {{2, 1}, kFile | 0600, 0, 0, "old", {}, 0};
    rig_.attach();
    ids_[1] = {1, 1};
}

/// What the server calls it; {}: nobody has been told yet.
Fs::FileId World::known(u64 number) const {
    const auto node = expected_.nodes.find(number);
    const auto at = node == expected_.nodes.end() ? ids_.end() : ids_.find(node->second.id.generation);
    return at == ids_.end() ? Fs::FileId{} : at->second;
}

/// One that its callers know; sometimes of the wrong kind. 0: there is none.
u64 World::any(bool directory) {
    if (random_() % 30 == 0) directory = !directory;
    std::vector<u64> found;
    for (const auto& [number, node] : expected_.nodes)
        if (node.directory() == directory && (node.mode & kType) != kLink && known(number).number != 0)
            found.push_back(number);
    return found.empty() ? 0 : found[random_() % found.size()];
}

World::Operation& World::begin(Fs::Operation what, u64 node) {
    Operation& operation = operations_.emplace_back();
    operation.entry.operation = static_cast<u32>(what);
    operation.entry.file = expected_.nodes.at(node).id;
    operation.entry.time.seconds = ++time_;
    return operation;
}

void World::expect(Operation& operation, std::string_view data) {
    ++begun_;
    operation.expected = expected_.apply(operation.entry, operation.name, data);
    steps_.push_back({&operation, operation.entry, operation.name, std::string(data), false, Error::ok});
    Step& step = steps_.back();
    if (operation.expected.attributes.id.number == 0) return;
    step.entry.flags |= Fs::kAnswered;
    step.entry.answer = operation.expected.attributes.id;
}

void World::begin_change() {
    const u32 kind = random_() % 12;
    const u64 node = any(kind < 9);
    if (node == 0) return;
    static constexpr Fs::Operation kKinds[] = {Fs::Operation::create,
                                               Fs::Operation::create,
                                               Fs::Operation::unlink,
                                               Fs::Operation::unlink,
                                               Fs::Operation::rename,
                                               Fs::Operation::create_link,
                                               Fs::Operation::remove_directory,
                                               Fs::Operation::exchange,
                                               Fs::Operation::create_unnamed,
                                               Fs::Operation::link,
                                               Fs::Operation::write,
                                               Fs::Operation::write};
    Operation& operation = begin(kKinds[kind], node);
    if (kind == 4) return begin_rename(operation);
    if (kind == 7) return begin_exchange(operation);
    if (kind == 8) return begin_unnamed(operation);
    if (kind < 10) return begin_names(operation);
    begin_data(operation);
}

void World::begin_names(Operation& operation) {
    FsRequests& fs = rig_.requests;
    Fs::Submission& entry = operation.entry;
    const Fs::FileId file = known(entry.file.number);
    const std::string name = any_name();
    operation.name = name;
    entry.name_size = static_cast<u16>(name.size());
    entry.user = random_() % 5;
    switch (static_cast<Fs::Operation>(entry.operation)) {
        case Fs::Operation::create:
            entry.mode = (random_() % 3 == 0 ? kDirectory : kFile) | (random_() & 0777);
            expect(operation);
            return fs.create(operation, file, name, {entry.mode, entry.user, 0, 0}, entry.time);
        case Fs::Operation::create_link:
            operation.name += "target";
            entry.other_size = 6;
            expect(operation);
            return fs.create_link(operation, file, name, "target", {0, entry.user, 0, 0}, entry.time);
        case Fs::Operation::link: {
            const u64 directory = any(true);
            entry.other = expected_.nodes.at(directory == 0 ? 1 : directory).id;
            const Fs::FileId other = known(entry.other.number);
            expect(operation);
            return fs.link(operation, file, other, name, entry.time);
        }
        case Fs::Operation::unlink: {
            const Node* const node = expected_.lookup(entry.file, name);
            const Fs::FileId what = node == nullptr ? Fs::FileId{} : known(node->id.number);
            const bool hold = what.number != 0 && !node->directory() && random_() % 2 == 0;
            if (hold) held_.push_back(node->id);
            entry.flags = hold ? Fs::kHold : 0;
            expect(operation);
            return fs.unlink(operation, file, name, what, hold, entry.time);
        }
        default: expect(operation); return fs.remove_directory(operation, file, name, entry.time);
    }
}

void World::begin_rename(Operation& operation) {
    Fs::Submission& entry = operation.entry;
    const Fs::FileId from = known(entry.file.number);
    const std::string name = any_name(), new_name = any_name();
    const u64 to = any(true);
    entry.other = expected_.nodes.at(to == 0 ? 1 : to).id;
    const Fs::FileId other = known(entry.other.number);
    operation.name = name + new_name;
    entry.name_size = static_cast<u16>(name.size());
    entry.other_size = static_cast<u16>(new_name.size());
    const Node* const moved = expected_.lookup(entry.file, name);
    const Node* const old = expected_.lookup(entry.other, new_name);
    const Fs::FileId replaced = old == nullptr ? Fs::FileId{} : known(old->id.number);
    const bool hold = replaced.number != 0 && old != moved && !old->directory() && random_() % 2 == 0;
    if (hold) held_.push_back(old->id);
    entry.flags = (replaced.number != 0 ? Fs::kReplace : 0) | (hold ? Fs::kHold : 0);
    expect(operation);
    rig_.requests.rename(operation, from, name, other, new_name, replaced, hold, entry.time);
}

void World::begin_exchange(Operation& operation) {
    Fs::Submission& entry = operation.entry;
    const Fs::FileId from = known(entry.file.number);
    const std::string name = any_name(), other_name = any_name();
    const u64 to = any(true);
    entry.other = expected_.nodes.at(to == 0 ? 1 : to).id;
    const Fs::FileId other = known(entry.other.number);
    operation.name = name + other_name;
    entry.name_size = static_cast<u16>(name.size());
    entry.other_size = static_cast<u16>(other_name.size());
    expect(operation);
    rig_.requests.exchange(operation, from, name, other, other_name, entry.time);
}

void World::begin_unnamed(Operation& operation) {
    Fs::Submission& entry = operation.entry;
    const Fs::FileId directory = known(entry.file.number);
    entry.mode = kFile | (random_() & 0777);
    entry.user = random_() % 5;
    expect(operation);
    rig_.requests.create_unnamed(operation, directory, {entry.mode, entry.user, 0, 0}, entry.time);
}

void World::begin_data(Operation& operation) {
    FsRequests& fs = rig_.requests;
    Fs::Submission& entry = operation.entry;
    const Fs::FileId file = known(entry.file.number);
    entry.offset = random_() % 5000;
    entry.length = random_() % 3000 + 1;
    // A truncation that fails because the server is held down has taken the data with it.
    switch (downs_in_1000_ == 0 ? random_() % 7 : random_() % 6 + 1) {
        case 0:
            entry.operation = static_cast<u32>(Fs::Operation::truncate);
            for (CutData& each : data_)
                if (!each.is_settled && each.node == entry.file.generation) each.cut(entry.offset);
            expect(operation);
            return fs.truncate(operation, file, entry.offset, entry.time);
        case 1:
            entry.operation = static_cast<u32>(Fs::Operation::allocate);
            entry.flags = random_() % 2 == 0 ? Fs::kKeepSize : 0;
            expect(operation);
            return fs.allocate(operation, file, entry.offset, entry.length, entry.flags != 0, entry.time);
        case 2:
            entry.operation = static_cast<u32>(Fs::Operation::set_attributes);
            entry.flags = Fs::kSetMode | Fs::kSetUser;
            entry.mode = random_() & 0777;
            entry.user = random_() % 5;
            expect(operation);
            return fs.set_attributes(operation, file, {entry.flags, entry.mode, entry.user, 0, {}, {}},
                                     entry.time);
        case 3:
            entry.operation = static_cast<u32>(Fs::Operation::punch);
            expect(operation);
            return fs.punch(operation, file, entry.offset, entry.length, entry.time);
        default: {
            std::string content(entry.length, static_cast<char>('A' + random_() % 26));
            expect(operation, content);
            operation.data = &data_.emplace_back(std::move(content), entry.file.generation, entry.offset);
            return fs.write(operation, file, entry.offset, entry.length, *operation.data, entry.time);
        }
    }
}

void World::begin_look() {
    FsRequests& fs = rig_.requests;
    const u32 kind = random_() % 5;
    const u64 node = any(kind == 0);
    if (node == 0) return;
    static constexpr Fs::Operation kKinds[] = {Fs::Operation::lookup, Fs::Operation::attributes,
                                               Fs::Operation::read, Fs::Operation::read,
                                               Fs::Operation::commit};
    Operation& operation = begin(kKinds[kind], node);
    operation.version = begun_;
    const Fs::FileId file = known(node);
    if (kind == 0) {
        operation.name = any_name();
        return fs.lookup(operation, file, operation.name);
    }
    if (kind == 1) return fs.get_attributes(operation, file);
    if (kind == 4) return fs.commit(operation);
    operation.bytes.resize(random_() % 8000 + 1);
    operation.to = {reinterpret_cast<u8*>(operation.bytes.data()), operation.bytes.size()};
    if (random_() % 3 == 0) fs.read_now(operation, file, 0, operation.bytes.size());
    else fs.read(operation, file, 0, operation.bytes.size());
}

void World::release_one() {
    if (held_.empty()) return;
    const usize index = random_() % held_.size();
    const Fs::FileId file = held_[index];
    std::erase(held_, file);
    Fs::Submission entry{};
    entry.operation = static_cast<u32>(Fs::Operation::release);
    entry.file = file;
    const auto id = ids_.find(file.generation);
    ++begun_;
    expected_.apply(entry, {}, {});
    steps_.push_back({nullptr, entry, {}, {}, true, Error::ok});
    rig_.requests.release(id->second, {++time_, 0, 0});
}

void World::check(Operation& operation) {
    if (operation.error == Error::held_down && downs_in_1000_ != 0) return;
    const auto what = static_cast<Fs::Operation>(operation.entry.operation);
    if (what == Fs::Operation::commit) {
        EXPECT_EQ(operation.ended(), Error::ok);
        return;
    }
    if (what == Fs::Operation::create || what == Fs::Operation::create_link ||
        what == Fs::Operation::create_unnamed) {
        if (operation.error == Error::ok) {
            const u64 generation = operation.expected.attributes.id.generation;
            EXPECT_TRUE(ids_.emplace(generation, operation.attributes.id).second);
            if (what == Fs::Operation::create_unnamed) held_.push_back(operation.expected.attributes.id);
        }
    }
    const bool look = operation.entry.operation < 32;
    if (look) {
        if (operation.version != begun_ || operation.error == Error::busy) return;
        ++compared_;
        const Node* node = expected_.find(operation.entry.file);
        ASSERT_NE(node, nullptr);
        if (what == Fs::Operation::lookup)
            node = node->directory() ? expected_.lookup(node->id, operation.name) : nullptr;
        else if (node->directory() && what == Fs::Operation::read) return;
        ASSERT_EQ(operation.error == Error::ok, node != nullptr);
        if (node == nullptr) return;
        if (what == Fs::Operation::read) {
            const std::string_view all = node->data;
            EXPECT_EQ(std::string_view(operation.bytes).substr(0, operation.value),
                      all.substr(0, operation.bytes.size()));
        } else {
            EXPECT_EQ(operation.attributes.mode, node->mode);
            EXPECT_EQ(operation.attributes.size, node->data.size());
        }
        return;
    }
    const bool cut = operation.data != nullptr && operation.data->bytes.size() < operation.entry.length;
    if (cut && operation.data->bytes.empty()) return;
    EXPECT_EQ(operation.error, operation.expected.error) << "operation " << operation.entry.operation;
    if (!cut && operation.error == Error::ok) EXPECT_EQ(operation.value, operation.expected.value);
}

void World::collect() {
    for (auto at = operations_.begin(); at != operations_.end();) {
        if (!at->is_done) {
            ++at;
            continue;
        }
        check(*at);
        const auto step = std::ranges::find(steps_, &*at, &Step::operation);
        if (step != steps_.end()) {
            step->done = true;
            step->error = at->error;
            step->operation = nullptr;
        }
        at = operations_.erase(at);
    }
    confirm();
    std::erase_if(data_, [](const CutData& data) { return data.is_settled; });
}

/// What was answered in order, up to the first that was not.
void World::confirm() {
    for (; !steps_.empty() && steps_.front().done; steps_.pop_front()) {
        if (steps_.front().error == Error::ok)
            confirmed_.apply(steps_.front().entry, steps_.front().name, steps_.front().data);
    }
}

/// The server is dead, and is held down: what was not answered fails, and has not been done.
void World::go_down() {
    dead_ = true;
    rig_.requests.drain();
    collect();
    rig_.requests.fail_all(Error::held_down);
    collect();
    ASSERT_TRUE(steps_.empty());
    const u64 generation = expected_.generation;
    expected_ = confirmed_;
    expected_.generation = generation;
    ++begun_;
    std::erase_if(held_,
                  [&](Fs::FileId file) { return !expected_.held.contains({file.number, file.generation}); });
}

void World::run(u32 steps) {
    const u32 busy = random_() % 3;  // how many changes there are among the rest
    for (u32 step = 0; step < steps; ++step) {
        if (operations_.size() < 100 && rig_.requests.failed() == Error::ok) {
            if (random_() % (busy * 4 + 1) == 0) begin_change();
            if (random_() % 4 == 0) begin_look();
            if (random_() % 16 == 0) release_one();
        }
        if (!dead_) {
            if (random_() % 2 == 0) rig_.server->take();
            for (u32 i = random_() % 4; i > 0; --i) rig_.server->step();
            if (random_() % 50 == 0) rig_.server->commit();
        } else if (random_() % 8 == 0) {
            dead_ = false;
            rig_.rebirth();
        }
        if (random_() % 2 == 0) rig_.requests.serve();
        ASSERT_FALSE(rig_.requests.take_broken());
        if (random_() % 1000 < deaths_in_1000_) {
            ++deaths_;
            dead_ = true;
        }
        if (random_() % 1000 < downs_in_1000_) go_down();
        collect();
    }
}

void World::settle(bool commit) {
    if (std::exchange(dead_, false)) rig_.rebirth();
    rig_.run();
    collect();
    ASSERT_TRUE(operations_.empty());
    ASSERT_FALSE(rig_.requests.take_broken());
    if (commit) {
        Call call;
        rig_.requests.commit(call);
        rig_.run();
        ASSERT_EQ(call.ended(), Error::ok);
        ASSERT_EQ(rig_.requests.kept(), 0u);
        collect();
        ASSERT_TRUE(data_.empty());
    }
    std::map<u64, Fs::FileId> ids;
    for (const auto& [number, node] : expected_.nodes)
        if (known(number).number != 0) ids[number] = known(number);
    ASSERT_EQ(expected_.compare(commit ? rig_.server->disk : rig_.server->tree, ids), "");
}

}  // namespace pith::fs_test
