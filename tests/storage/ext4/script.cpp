// SPDX-License-Identifier: MIT
#include "tests/storage/ext4/script.hpp"

#include <sys/stat.h>

namespace pith::test {

using enum Fs::Operation;

namespace {

constexpr u64 kMost = 200'000;  ///< bytes of a file

}  // namespace

std::string Script::data(const Step& step) {
    std::string data(step.length, '\0');
    for (usize i = 0; i < data.size(); i++)
        data[i] = static_cast<char>((step.offset + i) * 31 + step.seed + (step.offset + i) / 512);
    return data;
}

Script::Script(u64 seed, usize steps) : state_((seed + 1) * 0x9e37'79b9'7f4a'7c15), made_(1) {
    made_[0].mode = 0040755;
    while (steps_.size() < steps) static_cast<void>(step());
    for (u32 file = 0; file < made_.size(); file++)
        if (made_[file].held) steps_.push_back({.operation = release, .file = file});
}

/// A handle of that type; 0 for the root, or where there is none.
u32 Script::any(u32 type, bool named) {
    std::vector<u32> found;
    for (u32 i = 0; i < made_.size(); i++)
        if ((made_[i].mode & 0170000) == type && (made_[i].links != 0 || (!named && made_[i].held)))
            found.push_back(i);
    return found.empty() ? 0 : found[below(found.size())];
}

bool Script::below_itself(u32 directory, u32 moved) const {
    for (; directory != 0; directory = made_[directory].parent)
        if (directory == moved) return true;
    return moved == 0;
}

bool Script::step() {
    switch (below(18)) {
        case 0: return make(0040000);
        case 1:
        case 2:
        case 3: return make(0100000);
        case 4: return make(0120000);
        case 5: return make(below(2) == 0 ? 0010000 : 0020000);
        case 6: return link();
        case 7:
        case 8: return remove();
        case 9: return rename();
        case 10: steps_.push_back({.operation = commit}); return true;
        case 16: return exchange();
        case 17: return make_unnamed();
        default: return change_content();
    }
}

bool Script::make(u32 type) {
    const u32 directory = any_directory();
    Step step{.operation = type == 0120000 ? create_link : create,
              .file = directory,
              .name = new_name(),
              .mode = type | static_cast<u32>(below(01000))};
    if (made_[directory].entries.contains(step.name)) {
        step.wanted = Error::exists;
        if (type == 0120000) step.other_name = "target";
        steps_.push_back(step);
        return true;
    }
    Made made{.mode = step.mode, .parent = directory};
    if (type == 0120000) {
        made.content = step.other_name = std::string(1 + below(below(2) == 0 ? 50 : 900), 't');
        made.mode = type | 0777;
    }
    if (type == 0020000) step.seed = static_cast<u32>(below(300));
    step.makes = static_cast<u32>(made_.size());
    made_[directory].entries[step.name] = step.makes;
    made_.push_back(made);
    steps_.push_back(step);
    return true;
}

bool Script::link() {
    const u32 file = any(0100000, below(2) == 0), directory = any_directory();
    Step step{.operation = Fs::Operation::link, .file = file, .other = directory, .name = new_name()};
    if (file == 0 || made_[directory].entries.contains(step.name)) return false;
    made_[directory].entries[step.name] = file;
    made_[file].links++;
    steps_.push_back(step);
    return true;
}

void Script::lose(u32 file, Step& step) {
    Made& made = made_[file];
    step.victim = file;
    if (S_ISDIR(made.mode)) made.links = 0;
    else made.links--;
    if (made.links != 0) return;
    if (S_ISREG(made.mode) && below(2) == 0) {
        made.held = true;
        step.flags |= Fs::kHold;
        step.loses = file;
    }
}

bool Script::remove() {
    const u32 directory = any_directory();
    auto& entries = made_[directory].entries;
    if (entries.empty()) {
        if (directory == 0) return false;
        auto& above = made_[made_[directory].parent].entries;
        for (auto at = above.begin(); at != above.end(); ++at) {
            if (at->second != directory) continue;
            Step step{.operation = remove_directory, .file = made_[directory].parent, .name = at->first};
            lose(directory, step);
            above.erase(at);
            steps_.push_back(step);
            return true;
        }
        return false;
    }
    const auto at = std::next(entries.begin(), static_cast<long>(below(entries.size())));
    Step step{.operation = unlink, .file = directory, .name = at->first};
    if (S_ISDIR(made_[at->second].mode)) {
        step.wanted = Error::wrong_type;
    } else {
        lose(at->second, step);
        entries.erase(at);
    }
    steps_.push_back(step);
    return true;
}

bool Script::rename() {
    const u32 from = any_directory(), to = any_directory();
    auto& entries = made_[from].entries;
    if (entries.empty()) return false;
    const auto at = std::next(entries.begin(), static_cast<long>(below(entries.size())));
    const u32 file = at->second;
    if (S_ISDIR(made_[file].mode) && below_itself(to, file)) return false;
    Step step{.operation = Fs::Operation::rename,
              .file = from,
              .other = to,
              .name = at->first,
              .other_name = new_name(),
              .flags = Fs::kReplace};
    auto& targets = made_[to].entries;
    if (!S_ISDIR(made_[file].mode) && !targets.empty() && below(2) == 0) {
        const auto victim = std::next(targets.begin(), static_cast<long>(below(targets.size())));
        if (S_ISDIR(made_[victim->second].mode) || victim->second == file) return false;
        step.other_name = victim->first;
        lose(victim->second, step);
    } else if (targets.contains(step.other_name)) {
        return false;
    }
    entries.erase(at);
    targets[step.other_name] = file;
    made_[file].parent = to;
    steps_.push_back(step);
    return true;
}

bool Script::exchange() {
    const u32 from = any_directory(), to = any_directory();
    auto &entries = made_[from].entries, &others = made_[to].entries;
    if (entries.empty() || others.empty()) return false;
    const auto one = std::next(entries.begin(), static_cast<long>(below(entries.size())));
    const auto two = std::next(others.begin(), static_cast<long>(below(others.size())));
    Step step{.operation = Fs::Operation::exchange,
              .file = from,
              .other = to,
              .name = one->first,
              .other_name = two->first};
    const auto into_itself = [&](u32 moved, u32 directory) {
        return S_ISDIR(made_[moved].mode) && below_itself(directory, moved);
    };
    if (from != to && one->second != two->second &&
        (into_itself(one->second, to) || into_itself(two->second, from))) {
        step.wanted = Error::invalid;
    } else {
        std::swap(one->second, two->second);
        made_[one->second].parent = from;
        made_[two->second].parent = to;
    }
    steps_.push_back(step);
    return true;
}

/// It is held as if it had been unlinked: gets a name, or is released, some time.
bool Script::make_unnamed() {
    const u32 directory = any_directory();
    Made made{.mode = 0100000 | static_cast<u32>(below(01000)), .links = 0, .held = true};
    Step step{.operation = create_unnamed, .file = directory, .mode = made.mode};
    step.makes = step.loses = static_cast<u32>(made_.size());
    made_.push_back(made);
    steps_.push_back(step);
    return true;
}

bool Script::change_content() {
    const u32 file = any(0100000, false);
    if (file == 0) return false;
    Made& made = made_[file];
    Step step{.operation = write, .file = file};
    const u64 kind = below(10);
    if (made.held && kind < 3) {
        step.operation = release;
        made.held = false;
    } else if (kind < 5) {
        step.offset = below(kMost);
        step.length = 1 + below(below(3) == 0 ? 120'000 : 5000);
        step.seed = static_cast<u32>(random());
        if (made.content.size() < step.offset + step.length) made.content.resize(step.offset + step.length);
        made.content.replace(step.offset, step.length, data(step));
    } else if (kind < 7) {
        step.operation = truncate;
        step.offset = below(3) == 0 ? 0 : below(kMost);
        made.content.resize(step.offset);
    } else if (kind < 8 && below(2) == 0) {
        step.operation = punch;
        step.offset = below(kMost);
        step.length = 1 + below(50'000);
        for (u64 at = step.offset; at < step.offset + step.length && at < made.content.size(); at++)
            made.content[at] = '\0';
    } else if (kind < 8) {
        step.operation = allocate;
        step.offset = below(kMost);
        step.length = 1 + below(50'000);
        if (below(2) == 0) step.flags = Fs::kKeepSize;
        else if (made.content.size() < step.offset + step.length)
            made.content.resize(step.offset + step.length);
    } else {
        step.operation = set_attributes;
        step.flags = Fs::kSetMode;
        step.mode = static_cast<u32>(below(01000));
        made.mode = (made.mode & 0170000) | step.mode;
    }
    steps_.push_back(step);
    return true;
}

}  // namespace pith::test
