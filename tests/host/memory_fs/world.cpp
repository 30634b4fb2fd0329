// SPDX-License-Identifier: MIT
#include "tests/host/memory_fs/world.hpp"

#include <algorithm>
#include <utility>

namespace pith::memory_fs::test {

using enum Fs::Operation;

void World::begin(std::optional<u64> stores) {
    left_ = stores;
    session_.reset();
    const Image::Hook hook{[](void* world) {
                               auto& left = static_cast<World*>(world)->left_;
                               if (left && (*left)-- == 0) {
                                   left.reset();
                                   throw Death();
                               }
                           },
                           this};
    store_ = std::make_unique<Store>(std::span(reinterpret_cast<u8*>(memory.data()), memory.size() * 8),
                                     hook);
    static_cast<void>(store_->open());
    session_ = std::make_unique<Session>(static_cast<Session::Port&>(*this), *store_, window_);
}

void World::complete(const Fs::Completion& completion) {
    completed_.push_back(completion);
    client.committed = std::max(client.committed, completion.committed);
    if (client.committed == client.last) client.kept.reset();
    if (answered_) std::exchange(answered_, {})();
}

Fs::Completion World::send(Fs::Submission request, std::string_view content) {
    std::ranges::copy(content, window_.begin());
    if (request.place_size == 0) request.place_size = kWindow;
    completed_.clear();
    session_->carry_out(request);
    if (completed_.size() != 1) return {request.id, static_cast<u32>(Error::protocol), 0, 0, 0, 0};
    return completed_.front();
}

std::string World::send_change(u64 number, const Step& step, bool answered) {
    Fs::Submission request{};
    request.id = number;
    request.operation = static_cast<u32>(step.operation);
    request.flags = step.flags | (answered ? Fs::kAnswered : 0);
    request.file = client.ids[step.file];
    request.other = client.ids[step.other];
    request.offset = step.offset;
    request.length = step.length;
    request.mode = step.mode;
    request.device = u64{step.seed} << 32 | 7;
    request.user = 1000;
    request.group = 70'000;
    request.time = {1'700'000'000 + static_cast<i64>(number), 0, 0};
    std::string content = step.name + step.other_name;
    if (step.operation == write) {
        content = Script::data(step);
    } else {
        request.name_size = static_cast<u16>(step.name.size());
        request.other_size = static_cast<u16>(step.other_name.size());
    }
    if (step.operation != commit) request.change = number;
    if (answered && step.makes != 0) request.answer = client.ids[step.makes];
    // What the client learns, it learns by the completion: what comes after that may be cut off by a death.
    std::string wrong;
    answered_ = [&] {
        const Fs::Completion& done = completed_.back();
        const auto error = static_cast<Error>(done.error);
        client.answered = true;
        if (error != step.wanted)
            wrong = "operation " + std::to_string(request.operation) + " of " + std::to_string(step.file) +
                    ": error " + std::to_string(done.error);
        if (done.committed >= number && step.operation != commit) wrong = "committed before it was answered";
        if (error != Error::ok) return;
        if (step.operation == write && done.value != step.length) wrong = "a short write";
        if (step.makes != 0) {
            Fs::Attributes made;
            std::memcpy(&made, window_.data(), sizeof made);
            if (answered && made.id != client.ids[step.makes]) wrong = "made again as another file";
            client.ids[step.makes] = made.id;
        }
        if (step.operation == create_unnamed) client.held.emplace(step.makes, number);
        if (step.loses != 0) client.held.emplace(step.loses, number);
        if (const auto held = client.held.find(step.file);
            step.operation == release && held != client.held.end()) {
            client.released = *held;
            client.held.erase(held);
        }
    };
    const Fs::Completion done = send(request, content);
    if (done.error == static_cast<u32>(Error::protocol)) return "not one completion";
    if (step.operation == commit && done.committed != client.last) return "committed, but not all";
    return wrong;
}

std::string World::resume(u64 session) {
    answered_ = {};
    session_->open(session);
    Fs::Submission request{};
    request.operation = static_cast<u32>(attach);
    const Fs::Attach where{};
    const Client before = client;
    auto done = send(request, {reinterpret_cast<const char*>(&where), sizeof where});
    if (done.error != 0) return "attach: error " + std::to_string(done.error);
    Fs::Attached attached;
    std::memcpy(&attached, window_.data(), sizeof attached);
    client.ids[0] = attached.root;
    if (attached.committed < before.committed) return "what was committed is not any more";
    if (attached.committed > before.last) return "more is committed than was done";
    if (attached.committed == before.last && before.kept && !before.answered)
        return "committed without having been answered";
    if (attached.committed + 1 < before.last) return "what was answered long ago is not committed";
    auto holds = before.held;
    if (before.released && before.last > attached.committed) holds.insert(*before.released);
    for (const auto& [file, since] : holds) {
        if (since > attached.committed) continue;
        request = {};
        request.operation = static_cast<u32>(hold);
        request.file = client.ids[file];
        if (done = send(request); done.error != 0) return "hold: error " + std::to_string(done.error);
    }
    if (before.kept && attached.committed < before.last)
        if (std::string wrong = send_change(before.last, *before.kept, before.answered); !wrong.empty())
            return "again: " + wrong;
    request = {};
    request.operation = static_cast<u32>(recovered);
    done = send(request);
    return done.error == 0 ? std::string() : "recovered: error " + std::to_string(done.error);
}

std::string World::perform(const Step& step) {
    if (step.operation == commit) return send_change(0, step, false);
    client.released.reset();
    client.kept = step;
    client.answered = false;
    return send_change(++client.last, step, false);
}

void World::describe(Fs::FileId id, const std::string& path, std::string& to) {
    Fs::Submission request{};
    request.file = id;
    request.operation = static_cast<u32>(attributes);
    if (send(request).error != 0) return void(to += path + " is gone\n");
    Fs::Attributes of;
    std::memcpy(&of, window_.data(), sizeof of);
    to += path + ' ';
    for (const u64 each :
         {of.id.number, of.id.generation, u64{of.mode}, u64{of.links}, u64{of.user}, of.device, of.size,
          of.sectors, static_cast<u64>(of.modified.seconds), static_cast<u64>(of.changed.seconds)})
        to += std::to_string(each) + ' ';
    const u32 type = of.mode & 0170000;
    if (type == 0100000) {
        std::string content;
        for (request.operation = static_cast<u32>(read), request.length = kWindow;;
             request.offset += kWindow) {
            const auto done = send(request);
            content.append(reinterpret_cast<const char*>(window_.data()), done.value);
            if (done.value < kWindow) break;
        }
        to += std::to_string(std::hash<std::string>()(content));
    } else if (type == 0120000) {
        request.operation = static_cast<u32>(read_link);
        const auto done = send(request);
        to.append(reinterpret_cast<const char*>(window_.data()), done.value);
    }
    to += '\n';
    if (type != 0040000) return;
    std::map<std::string, u64> entries;
    request.operation = static_cast<u32>(list);
    request.place_size = 512;
    for (;;) {
        const auto done = send(request);
        if (done.error != 0 || done.value == 0) break;
        for (usize at = 0; at < done.value;) {
            Fs::Entry entry;
            std::memcpy(&entry, window_.data() + at, sizeof entry);
            entries.emplace(
                std::string(reinterpret_cast<const char*>(window_.data() + at + sizeof entry), entry.length),
                entry.number);
            request.offset = entry.next;
            at += entry.size;
        }
    }
    for (const auto& [name, number] : entries) {
        Fs::Submission find{};
        find.file = id;
        find.operation = static_cast<u32>(lookup);
        find.name_size = static_cast<u16>(name.size());
        if (send(find, name).error != 0) {
            to += path + name + " is not found\n";
            continue;
        }
        std::memcpy(&of, window_.data(), sizeof of);
        if (of.id.number != number) to += path + name + " is another file\n";
        describe(of.id, path + name + '/', to);
    }
}

std::string World::digest() {
    std::string all;
    describe(client.ids[0], "/", all);
    for (const auto& [file, since] : client.held) describe(client.ids[file], "held/", all);
    Fs::Submission request{};
    request.operation = static_cast<u32>(statistics);
    static_cast<void>(send(request));
    Fs::Statistics of;
    std::memcpy(&of, window_.data(), sizeof of);
    return all + std::to_string(of.free) + " pages, " + std::to_string(of.free_files) + " files are free\n";
}

}  // namespace pith::memory_fs::test
