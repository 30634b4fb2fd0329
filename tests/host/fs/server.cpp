// SPDX-License-Identifier: MIT
#include "tests/host/fs/server.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

namespace pith::fs_test {

void FakeServer::open() {
    tree = disk;
    tree.held.clear();
    last = committed;
    todo.clear();
    done_.clear();
    attached_ = false;
    static_cast<void>(
        queue_.attach(link_.bytes().data(), LinkMemory::kWindowOffset, Fs::kEntries, Handle<Signal>(), 0));
    queue_.resume();
}

void FakeServer::take() {
    Fs::Submission entry;
    while (queue_.take(entry)) todo.push_back(entry);
    ASSERT_FALSE(queue_.broken());
    ASSERT_LE(todo.size() + done_.size(), Fs::kEntries);
}

/// A change after all changes before it; a look too.
bool FakeServer::possible(usize index) const {
    return std::none_of(todo.begin(), todo.begin() + static_cast<i64>(index),
                        [](const auto& entry) { return entry.change != 0; });
}

bool FakeServer::step() {
    if (!done_.empty() && (todo.empty() || random_() % 2 == 0)) {
        usize index = random_() % done_.size();
        // Changes are completed in their order.
        if (done_[index].change)
            index = static_cast<usize>(std::ranges::find(done_, true, &Done::change) - done_.begin());
        complete(index);
        return true;
    }
    if (todo.empty()) return false;
    usize index = random_() % 2 == 0 ? 0 : random_() % todo.size();
    if (!possible(index)) index = 0;
    const Fs::Submission entry = todo[index];
    todo.erase(todo.begin() + static_cast<i64>(index));
    carry_out(entry);
    return true;
}

void FakeServer::work() {
    do take();
    while (step());
}

void FakeServer::careless_work() {
    careless_ = true;
    Fs::Submission entry;
    while (queue_.take(entry)) {
        const bool fits = entry.place <= link_.window && entry.place_size <= link_.window - entry.place &&
                          entry.length <= entry.place_size + sizeof(Fs::Attributes) &&
                          entry.place % Fs::kPlaceUnit == 0 &&
                          usize{entry.name_size} + entry.other_size <= entry.place_size;
        if (!fits || entry.place_size < sizeof(Fs::Attributes) || entry.offset > 1 << 20 ||
            random_() % 8 == 0) {
            const Fs::Completion made_up{
                entry.id, static_cast<u32>(random_() % 30), 0, random_() % 8, committed, 0};
            static_cast<void>(queue_.complete(made_up));
            continue;
        }
        last = std::min(last, entry.change - 1);
        attached_ = true;
        carry_out(entry);
        while (!done_.empty()) {
            done_.front().completion.committed = committed;
            static_cast<void>(queue_.complete(done_.front().completion));
            done_.pop_front();
        }
    }
}

void FakeServer::complete(usize index) {
    done_[index].completion.committed = committed;
    done_[index].completion.available = 1 << 20;
    const bool told = queue_.complete(done_[index].completion).ok();
    ASSERT_TRUE(told || careless_);
    done_.erase(done_.begin() + static_cast<i64>(index));
}

void FakeServer::complete_changes() {
    for (usize i = 0; i < done_.size();) {
        if (done_[i].change) complete(i);
        else ++i;
    }
}

void FakeServer::commit() {
    complete_changes();
    disk = tree;
    committed = last;
}

std::span<u8> FakeServer::place(const Fs::Submission& entry) {
    EXPECT_EQ(entry.place % Fs::kPlaceUnit, 0u);
    EXPECT_LE(entry.place + entry.place_size, link_.window);
    return link_.bytes().subspan(LinkMemory::kWindowOffset + entry.place, entry.place_size);
}

void FakeServer::carry_out(const Fs::Submission& entry) {
    ++carried_out;
    const std::span<u8> bytes = place(entry);
    EXPECT_LE(usize{entry.name_size} + entry.other_size, bytes.size());
    const std::string names(reinterpret_cast<const char*>(bytes.data()),
                            usize{entry.name_size} + entry.other_size);
    Outcome outcome;
    if (entry.change == 0) {
        outcome = look(entry);
    } else {
        EXPECT_TRUE(attached_);
        EXPECT_GT(entry.change, last) << "a change is carried out twice, or out of order";
        last = entry.change;
        std::string data;
        if (entry.operation == static_cast<u32>(Fs::Operation::write))
            data.assign(reinterpret_cast<const char*>(bytes.data()),
                        std::min<u64>(entry.length, write_limit));
        outcome = tree.apply(entry, names, data);
        if (outcome.error == Error::ok && outcome.attributes.id.number != 0)
            std::memcpy(bytes.data(), &outcome.attributes, sizeof(Fs::Attributes));
    }
    done_.push_back({{entry.id, static_cast<u32>(outcome.error), 0, outcome.value, 0, 0}, entry.change != 0});
    if (entry.change == 0 && random_() % 2 == 0) complete(done_.size() - 1);
}

Outcome FakeServer::look(const Fs::Submission& entry) {
    const auto operation = static_cast<Fs::Operation>(entry.operation);
    const std::span<u8> bytes = place(entry);
    if (operation == Fs::Operation::attach) {
        if (attach_error != Error::ok) return {attach_error};
        attached_ = true;
        Fs::Attached attached{};
        attached.root = tree.root();
        attached.committed = committed;
        attached.block_size = 4096;
        attached.max_file_size = u64{1} << 40;
        std::memcpy(bytes.data(), &attached, sizeof(attached));
        return {};
    }
    if (!attached_) return {Error::bad_state};
    switch (operation) {
        case Fs::Operation::recovered:
            ++recoveries;
            tree.reap();
            return {};
        case Fs::Operation::hold:
            ++holds;
            if (tree.find(entry.file) == nullptr) return {Error::bad_handle};
            tree.hold(entry.file);
            return {};
        case Fs::Operation::commit:
        case Fs::Operation::detach:
            if (commit_fails) return {Error::io};
            commit();
            attached_ = operation == Fs::Operation::commit;
            return {};
        case Fs::Operation::statistics: {
            Fs::Statistics statistics{};
            statistics.max_name = 255;
            std::memcpy(bytes.data(), &statistics, sizeof(statistics));
            return {};
        }
        case Fs::Operation::list: return list(entry);
        default: break;
    }
    const Node* node = tree.find(entry.file);
    if (node == nullptr) return {Error::bad_handle};
    if (operation == Fs::Operation::lookup) {
        if (!node->directory()) return {Error::wrong_type};
        node = tree.lookup(entry.file, {reinterpret_cast<const char*>(bytes.data()), entry.name_size});
        if (node == nullptr) return {Error::not_found};
    }
    if (operation == Fs::Operation::lookup || operation == Fs::Operation::attributes) {
        const Fs::Attributes found = Tree::attributes(*node);
        std::memcpy(bytes.data(), &found, sizeof(found));
        return {};
    }
    const bool seeks = operation == Fs::Operation::seek;
    const u64 size = node->data.size();
    if (seeks)
        return entry.offset >= size
                   ? Outcome{Error::not_found}
                   : Outcome{Error::ok, (entry.flags & Fs::kHole) != 0 ? size : entry.offset};
    const u64 from = std::min<u64>(entry.offset, size);
    const u64 count = std::min<u64>(size - from, entry.length);
    std::memcpy(bytes.data(), node->data.data() + from, count);
    return {Error::ok, count};
}

Outcome FakeServer::list(const Fs::Submission& entry) {
    const Node* const node = tree.find(entry.file);
    if (node == nullptr) return {Error::bad_handle};
    const std::span<u8> bytes = place(entry);
    u64 used = 0, cookie = 0;
    for (const auto& [name, number] : node->entries) {
        if (++cookie <= entry.offset) continue;
        const usize size = (sizeof(Fs::Entry) + name.size() + 7) / 8 * 8;
        if (used + size > bytes.size()) break;
        const Fs::Entry record{number, cookie, tree.nodes.at(number).mode & kType,
                               static_cast<u16>(name.size()), static_cast<u16>(size)};
        std::memcpy(bytes.data() + used, &record, sizeof(record));
        std::memcpy(bytes.data() + used + sizeof(record), name.data(), name.size());
        used += size;
    }
    return {Error::ok, used};
}

}  // namespace pith::fs_test
