// SPDX-License-Identifier: MIT
#include "tests/host/ext4_server/client.hpp"

#include <algorithm>
#include <cstring>

namespace pith::ext4fs::test {

using enum Fs::Operation;

namespace {

constexpr usize kWindow = 256 << 10;

std::string describe(const Step& step, Error error) {
    return "operation " + std::to_string(static_cast<u32>(step.operation)) + " '" + step.name.substr(0, 20) +
           "' of " + std::to_string(step.file) + ": error " + std::to_string(static_cast<u32>(error));
}

}  // namespace

Life::Life(const Script& script, const Remains& remains, u64 seed)
    : script_(script),
      disk_(remains.disk),
      client_(remains.client),
      window_(kWindow),
      session_(*this, CommitRecords(records_), window_, {.cache_blocks = 96}),
      random_(seed) {
    std::ranges::copy(remains.records, records_);
}

void Life::remember() {
    Moment moment{disk_.events().size(), {}, client_};
    std::ranges::copy(records_, moment.records);
    moments_.push_back(std::move(moment));
}

Remains Life::die(usize moment, const std::function<bool()>& survives) const {
    const Moment& at = moments_[moment];
    // Of the request itself any part may be done.
    const usize end = moment + 1 < moments_.size() ? moments_[moment + 1].events : disk_.events().size();
    Remains remains{disk_.cut(end > at.events && survives() ? end : at.events, survives), {}, at.client};
    std::ranges::copy(at.records, remains.records);
    return remains;
}

void Life::complete(const Fs::Completion& completion) {
    completed_.push_back(completion);
    client_.committed = std::max(client_.committed, completion.committed);
    std::erase_if(client_.kept, [&](const auto& one) { return one.first <= client_.committed; });
    if (answered_) std::exchange(answered_, {})();
}

void Life::read(const Fs::Completion& completion, u64 place, std::span<const ext4::Piece> pieces) {
    for (const ext4::Piece& piece : pieces) {
        if (piece.device == ext4::Piece::kHole) std::memset(window_.data() + place, 0, piece.length);
        else std::memcpy(window_.data() + place, disk_.content().data() + piece.device, piece.length);
        place += piece.length;
    }
    Fs::Completion filled = completion;
    session_.fill(filled);
    complete(filled);
}

Fs::Completion Life::send(Fs::Submission request, std::string_view content) {
    std::memcpy(window_.data(), content.data(), content.size());
    if (request.place_size == 0) request.place_size = kWindow;
    completed_.clear();
    session_.carry_out(request);
    if (completed_.size() != 1) return {request.id, static_cast<u32>(Error::protocol), 0, 0, 0, 0};
    return completed_.front();
}

std::string Life::attach() {
    const Fs::Attach where{0, 0, disk_.size() / 512, 0};
    Fs::Submission request{};
    request.operation = static_cast<u32>(Fs::Operation::attach);
    const auto done = send(request, {reinterpret_cast<const char*>(&where), sizeof where});
    if (done.error != 0) return "attach: error " + std::to_string(done.error);
    Fs::Attached attached;
    std::memcpy(&attached, window_.data(), sizeof attached);
    client_.ids[0] = attached.root;
    if (attached.committed < client_.committed) return "what was committed is not any more";
    if (attached.committed != done.committed) return "two numbers of what is committed";
    client_.attached = true;
    return {};
}

/// Sends change `number`, for the first time or again.
std::string Life::perform(u64 number, usize index, bool answered) {
    const Step& step = script_.steps()[index];
    Fs::Submission request{};
    request.id = number;
    request.operation = static_cast<u32>(step.operation);
    request.flags = step.flags | (answered ? Fs::kAnswered : 0);
    request.file = client_.ids[step.file];
    request.other = client_.ids[step.other];
    request.offset = step.offset;
    request.length = step.length;
    request.mode = step.mode;
    request.device = u64{step.seed} << 32 | 7;
    request.user = 1000;
    request.group = 70'000;
    request.time = {1'700'000'000 + static_cast<i64>(index), 0, 0};
    std::string content;
    if (step.operation == Fs::Operation::write) {
        content = Script::data(step);
    } else {
        request.name_size = static_cast<u16>(step.name.size());
        request.other_size = static_cast<u16>(step.other_name.size());
        content = step.name + step.other_name;
    }
    if (step.operation != commit) {
        request.change = number;
        client_.kept[number] = {index, answered};
        if (answered && step.makes != 0) request.answer = client_.ids[step.makes];
    }
    // What the client learns, it learns by the completion: what comes after that may be cut off by a death.
    std::string wrong;
    answered_ = [&] {
        const Fs::Completion& done = completed_.back();
        const auto error = static_cast<Error>(done.error);
        if (error != step.wanted) wrong = describe(step, error);
        if (error == Error::ok && step.operation == Fs::Operation::write && done.value != step.length)
            wrong = "a short write";
        if (error == Error::ok && step.makes != 0) {
            Fs::Attributes made;
            std::memcpy(&made, window_.data(), sizeof made);
            if (answered && made.id != client_.ids[step.makes]) wrong = "made again as another file";
            client_.ids[step.makes] = made.id;
        }
        if (step.loses != 0) client_.held.emplace(step.loses, number);
        if (const auto held = client_.held.find(step.file);
            step.operation == release && held != client_.held.end()) {
            client_.released[number] = {step.file, held->second};
            client_.held.erase(held);
        }
        if (const auto kept = client_.kept.find(number); kept != client_.kept.end()) {
            kept->second.answered = error == Error::ok;
            // One that failed has had no effect.
            if (error != Error::ok) client_.kept.erase(kept);
        }
    };
    const Fs::Completion done = send(request, content);
    if (done.error == static_cast<u32>(Error::protocol)) return "not one completion";
    if (step.operation == commit && wrong.empty() && done.committed != client_.last)
        return "committed, but not all";
    return wrong;
}

std::string Life::resume() {
    const Knowledge before = client_;
    if (std::string wrong = attach(); !wrong.empty()) return wrong;
    if (client_.committed > client_.last) return "more is committed than was done";
    std::vector<Knowledge::Hold> holds;
    for (const auto& [handle, since] : before.held) holds.push_back({handle, since});
    for (const auto& [number, released] : before.released)
        if (number > client_.committed) holds.push_back(released);
    for (const Knowledge::Hold& each : holds) {
        if (each.since > client_.committed) continue;
        Fs::Submission request{};
        request.operation = static_cast<u32>(hold);
        request.file = client_.ids[each.file];
        if (const auto done = send(request); done.error != 0)
            return "hold: error " + std::to_string(done.error);
    }
    for (const auto& [number, kept] : before.kept) {
        if (number <= client_.committed) {
            if (!kept.answered) return "committed without having been answered";
            continue;
        }
        if (std::string wrong = perform(number, kept.step, kept.answered); !wrong.empty())
            return "again: " + wrong;
    }
    Fs::Submission request{};
    request.operation = static_cast<u32>(recovered);
    const auto done = send(request);
    return done.error == 0 ? std::string() : "recovered: error " + std::to_string(done.error);
}

std::string Life::run() {
    begin();
    if (std::string wrong = client_.attached ? resume() : attach(); !wrong.empty()) return wrong;
    while (client_.next_step < script_.steps().size()) {
        const usize index = client_.next_step++;
        const bool change = script_.steps()[index].operation != commit;
        if (change) client_.last++;
        if (std::string wrong = perform(client_.last, index, false); !wrong.empty())
            return "step " + std::to_string(index) + ": " + wrong;
        if (random_() % 20 == 0) session_.commit();
    }
    Fs::Submission request{};
    request.operation = static_cast<u32>(detach);
    const auto done = send(request);
    return done.error == 0 ? std::string() : "detach: error " + std::to_string(done.error);
}

}  // namespace pith::ext4fs::test
