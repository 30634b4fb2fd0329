// SPDX-License-Identifier: MIT
#include "tests/host/ext4/model.hpp"

#include <algorithm>
#include <functional>

namespace pith::ext4::test {

namespace {

std::string number(u64 value) { return std::to_string(value); }
std::string text(Error error) { return "error " + number(static_cast<u64>(error)); }

NodePointer copy_node(const NodePointer& node, std::map<const Node*, NodePointer>& made) {
    NodePointer& to = made[node.get()];
    if (to != nullptr) return to;
    to = std::make_shared<Node>(*node);
    const NodePointer result = to;
    for (auto& [name, entry] : result->entries) entry = copy_node(entry, made);
    return result;
}

std::string compare_file(FileSystem& system, FileId id, const Node& node, const std::string& path) {
    std::vector<u8> content(node.content.size() + 1);
    const Result<usize> read = system.read(id, 0, content);
    if (!read.ok()) return path + ": read: " + text(read.error());
    if (read.value() != node.content.size())
        return path + ": " + number(read.value()) + " bytes, not " + number(node.content.size());
    for (usize i = 0; i < node.content.size(); i++)
        if (content[i] != node.content[i])
            return path + ": byte " + number(i) + " of " + number(node.content.size()) + " is " +
                   number(content[i]) + ", not " + number(node.content[i]);
    return "";
}

std::string compare_link(FileSystem& system, FileId id, const Node& node, const std::string& path) {
    std::vector<char> target(5000);
    const Result<usize> read = system.read_link(id, target);
    if (!read.ok()) return path + ": read_link: " + text(read.error());
    return std::equal(node.content.begin(), node.content.end(), target.begin(),
                      target.begin() + static_cast<long>(read.value()))
               ? ""
               : path + ": another target";
}

}  // namespace

NodePointer copy(const NodePointer& root) {
    std::map<const Node*, NodePointer> made;
    return copy_node(root, made);
}

namespace {

/// Of the content of a file: which have to be right.
using Settled = std::function<bool(u32 inode)>;

std::string list_names(FileSystem& system, FileId directory, const std::string& path,
                       std::map<std::string, u8>& listed) {
    std::string wrong;
    // A few at a time, as a server would.
    for (u64 cookie = 0, more = 1; more != 0;) {
        u64 count = 0;
        more = 0;
        const Result<> done = system.list(directory, cookie, [&](const Listed& entry) {
            if (!listed.emplace(entry.name, entry.type).second)
                wrong = path + ": twice: " + std::string(entry.name);
            cookie = entry.next;
            more = 1;
            return ++count < 7;
        });
        if (!done.ok()) return path + ": list: " + text(done.error());
        if (!wrong.empty()) return wrong;
    }
    if (listed.erase(".") != 1 || listed.erase("..") != 1) return path + ": no . or ..";
    if (path == "/") listed.erase("lost+found");
    return "";
}

std::string compare_tree(FileSystem& system, FileId directory, const Node& node, const std::string& path,
                         const Settled& settled) {
    std::map<std::string, u8> listed;
    if (std::string wrong = list_names(system, directory, path, listed); !wrong.empty()) return wrong;
    for (const auto& [name, type] : listed)
        if (!node.entries.contains(name)) return path + ": should not be there: " + name;
    for (const auto& [name, entry] : node.entries) {
        const std::string full = path + (path == "/" ? "" : "/") + name;
        if (!listed.contains(name)) return full + ": not listed";
        const Result<FileId> id = system.lookup(directory, name);
        if (!id.ok()) return full + ": lookup: " + text(id.error());
        if (id.value() != entry->id) return full + ": another file";
        const Result<Attributes> attributes = system.attributes(id.value());
        if (!attributes.ok()) return full + ": attributes: " + text(attributes.error());
        std::string difference;
        if (entry->kind == Node::file && settled(entry->id.inode))
            difference = compare_file(system, id.value(), *entry, full);
        if (entry->kind == Node::link) difference = compare_link(system, id.value(), *entry, full);
        if (entry->kind == Node::directory)
            difference = compare_tree(system, id.value(), *entry, full, settled);
        if (!difference.empty()) return difference;
    }
    return "";
}

}  // namespace

std::string compare(FileSystem& system, FileId directory, const Node& node, const std::string& path) {
    return compare_tree(system, directory, node, path, [](u32) { return true; });
}

std::string compare_settled(FileSystem& system, FileId directory, const Node& node,
                            const std::map<u32, u64>& latest, u64 step, const std::string& path) {
    return compare_tree(system, directory, node, path, [&](u32 inode) {
        const auto touched = latest.find(inode);
        return touched == latest.end() || touched->second < step;
    });
}

void collect_touched(const Node& node, std::map<u32, u64>& touched) {
    for (const auto& [name, entry] : node.entries) {
        if (entry->kind == Node::file) {
            u64& step = touched[entry->id.inode];
            step = std::max(step, entry->touched);
        }
        if (entry->kind == Node::directory) collect_touched(*entry, touched);
    }
}

std::string Actor::name() {
    std::string name = "f" + number(below(60));
    if (below(4) == 0) name += std::string(below(200), static_cast<char>('a' + below(26)));
    return name;
}

NodePointer Actor::any_directory() {
    NodePointer at = root_;
    while (below(3) != 0) {
        std::vector<NodePointer> below_it;
        for (const auto& [name, node] : at->entries)
            if (node->kind == Node::directory) below_it.push_back(node);
        if (below_it.empty()) break;
        at = below_it[below(below_it.size())];
    }
    return at;
}

bool Actor::any_entry(Place& place) {
    place.directory = any_directory();
    if (place.directory->entries.empty()) return false;
    auto at = place.directory->entries.begin();
    std::advance(at, below(place.directory->entries.size()));
    place.name = at->first;
    place.node = at->second;
    return true;
}

bool Actor::contains(const NodePointer& tree, const NodePointer& node) {
    if (tree == node) return true;
    return std::ranges::any_of(tree->entries, [&](const auto& entry) {
        return entry.second->kind == Node::directory && contains(entry.second, node);
    });
}

std::string Actor::expect(const std::string& what, Error got, Error wanted) {
    last_ = what;
    if (got == Error::no_space) {
        full_++;
        return "";
    }
    if (got == Error::io || got == Error::access) {
        failed_ = true;
        return "";
    }
    return got == wanted ? "" : what + ": " + text(got) + ", not " + text(wanted);
}

std::string Actor::create() {
    const NodePointer directory = any_directory();
    const std::string name = this->name();
    const Result<FileId> made = system_->create(directory->id, name, {.mode = 0100644});
    const bool there = directory->entries.contains(name);
    if (made.ok() && !there)
        directory->entries[name] = std::make_shared<Node>(Node{Node::file, {}, {}, made.value()});
    return expect("create " + name, made.error(), there ? Error::exists : Error::ok);
}

std::string Actor::make_directory() {
    const NodePointer directory = any_directory();
    const std::string name = this->name();
    const Result<FileId> made = system_->make_directory(directory->id, name, {.mode = 0755});
    const bool there = directory->entries.contains(name);
    if (made.ok() && !there)
        directory->entries[name] = std::make_shared<Node>(Node{Node::directory, {}, {}, made.value()});
    return expect("make_directory " + name, made.error(), there ? Error::exists : Error::ok);
}

std::string Actor::make_link() {
    const NodePointer directory = any_directory();
    const std::string name = this->name();
    const std::string target(1 + below(below(3) == 0 ? 900 : 80), static_cast<char>('a' + below(26)));
    const Result<FileId> made = system_->make_link(directory->id, name, target, {});
    const bool there = directory->entries.contains(name);
    if (made.ok() && !there)
        directory->entries[name] = std::make_shared<Node>(
            Node{Node::link, {target.begin(), target.end()}, {}, made.value()});
    return expect("make_link " + name, made.error(), there ? Error::exists : Error::ok);
}

std::string Actor::link() {
    Place place;
    if (!any_entry(place)) return "";
    const NodePointer directory = any_directory();
    const std::string name = this->name();
    const Result<> done = system_->link(place.node->id, directory->id, name);
    const bool there = directory->entries.contains(name);
    Error wanted = there ? Error::exists : Error::ok;
    if (place.node->kind == Node::directory) wanted = Error::wrong_type;
    if (done.ok()) directory->entries[name] = place.node;
    return expect("link " + place.name + " to " + name, done.error(), wanted);
}

std::string Actor::write() {
    Place place;
    if (!any_entry(place) || place.node->kind != Node::file) return "";
    std::vector<u8>& content = place.node->content;
    const u64 offset = below(3) == 0 ? content.size() : below(most_),
              size = 1 + below(below(4) == 0 ? most_ : 3000);
    std::vector<u8> data(size);
    for (u8& byte : data) byte = static_cast<u8>(random_());
    place.node->touched = count_;
    const Result<usize> written = system_->write(place.node->id, offset, data);
    if (written.ok()) {
        if (content.size() < offset + written.value()) content.resize(offset + written.value());
        std::copy_n(data.begin(), written.value(), content.begin() + static_cast<long>(offset));
        if (written.value() != size) full_++;
    }
    return expect("write " + place.name + " " + number(offset) + " " + number(size), written.error(),
                  Error::ok);
}

std::string Actor::truncate() {
    Place place;
    if (!any_entry(place)) return "";
    const bool file = place.node->kind == Node::file;
    const u64 size = below(3) == 0 ? 0 : below(most_);
    place.node->touched = count_;
    const Result<> done = system_->truncate(place.node->id, size);
    if (done.ok() && file) place.node->content.resize(size);
    return expect("truncate " + place.name + " " + number(size), done.error(),
                  file ? Error::ok : Error::wrong_type);
}

std::string Actor::allocate() {
    Place place;
    if (!any_entry(place) || place.node->kind != Node::file) return "";
    const u64 offset = below(most_), size = 1 + below(most_ / 2);
    const bool keep = below(2) == 0;
    place.node->touched = count_;
    const Result<> done = system_->allocate(place.node->id, offset, size, keep);
    if (done.ok() && !keep && place.node->content.size() < offset + size)
        place.node->content.resize(offset + size);
    if (!done.ok() && done.error() == Error::no_space) {
        const Result<Attributes> attributes = system_->attributes(place.node->id);
        if (!attributes.ok()) return "attributes: " + text(attributes.error());
        place.node->content.resize(attributes.value().size);
    }
    return expect("allocate " + place.name + " " + number(offset) + " " + number(size), done.error(),
                  Error::ok);
}

std::string Actor::punch() {
    Place place;
    if (!any_entry(place) || place.node->kind != Node::file) return "";
    std::vector<u8>& content = place.node->content;
    const u64 offset = below(most_), size = 1 + below(below(3) == 0 ? most_ : 3000);
    place.node->touched = count_;
    const Result<> done = system_->punch(place.node->id, offset, size);
    const u64 start = std::min<u64>(offset, content.size()),
              end = std::min<u64>(offset + size, content.size());
    if (done.ok())
        std::fill(content.begin() + static_cast<long>(start), content.begin() + static_cast<long>(end),
                  u8{0});
    return expect("punch " + place.name + " " + number(offset) + " " + number(size), done.error(), Error::ok);
}

std::string Actor::remove() {
    Place place;
    if (!any_entry(place)) return "";
    const bool directory = place.node->kind == Node::directory,
               by_rmdir = below(8) == 0 ? !directory : directory;
    const Result<> done = by_rmdir ? system_->remove_directory(place.directory->id, place.name)
                                   : system_->unlink(place.directory->id, place.name);
    Error wanted = Error::ok;
    if (by_rmdir != directory) wanted = Error::wrong_type;
    else if (directory && !place.node->entries.empty()) wanted = Error::occupied;
    if (done.ok()) place.directory->entries.erase(place.name);
    return expect("remove " + place.name, done.error(), wanted);
}

std::string Actor::rename() {
    Place place;
    if (!any_entry(place)) return "";
    const NodePointer to = any_directory();
    std::string name = this->name();
    if (below(3) == 0 && !to->entries.empty()) {
        auto at = to->entries.begin();
        std::advance(at, below(to->entries.size()));
        name = at->first;
    }
    const bool replace = below(4) != 0, directory = place.node->kind == Node::directory;
    const auto there = to->entries.find(name);
    const NodePointer victim = there == to->entries.end() ? nullptr : there->second;
    const Result<> done = system_->rename(place.directory->id, place.name, to->id, name, replace);
    Error wanted = Error::ok;
    if (directory && place.directory != to && contains(place.node, to)) wanted = Error::invalid;
    else if (victim != nullptr && !replace) wanted = Error::exists;
    else if (victim != nullptr && victim != place.node) {
        if ((victim->kind == Node::directory) != directory) wanted = Error::wrong_type;
        else if (!victim->entries.empty()) wanted = Error::occupied;
    }
    if (done.ok() && victim != place.node) {
        place.directory->entries.erase(place.name);
        to->entries[name] = place.node;
    }
    return expect("rename " + place.name + " to " + name, done.error(), wanted);
}

std::string Actor::exchange() {
    Place one, two;
    if (!any_entry(one) || !any_entry(two)) return "";
    const Result<> done = system_->exchange(one.directory->id, one.name, two.directory->id, two.name);
    const bool moves = one.directory != two.directory;
    const auto into_itself = [&](const Place& moved, const Place& place) {
        return moves && moved.node->kind == Node::directory && contains(moved.node, place.directory);
    };
    const bool bad = one.node != two.node && (into_itself(one, two) || into_itself(two, one));
    if (done.ok()) {
        one.directory->entries[one.name] = two.node;
        two.directory->entries[two.name] = one.node;
    }
    return expect("exchange " + one.name + " and " + two.name, done.error(),
                  bad ? Error::invalid : Error::ok);
}

/// A file without a name, with something in it; mostly it gets one, else it goes.
std::string Actor::create_unnamed() {
    const NodePointer directory = any_directory();
    const std::string name = this->name();
    const Result<FileId> made = system_->create_unnamed(directory->id, {.mode = 0100600});
    std::string wrong = expect("create_unnamed", made.error(), Error::ok);
    if (!made.ok()) return wrong;
    std::vector<u8> data(1 + below(3000));
    for (u8& byte : data) byte = static_cast<u8>(random_());
    const Result<usize> written = system_->write(made.value(), 0, data);
    wrong = expect("write without a name", written.error(), Error::ok);
    if (written.ok() && below(4) != 0) {
        data.resize(written.value());
        const bool there = directory->entries.contains(name);
        const Result<> done = system_->link(made.value(), directory->id, name);
        if (done.ok())
            directory->entries[name] = std::make_shared<Node>(
                Node{Node::file, data, {}, made.value(), count_});
        wrong = expect("link to " + name, done.error(), there ? Error::exists : Error::ok);
    }
    const Result<> released = system_->release(made.value());
    return wrong.empty() ? expect("release", released.error(), Error::ok) : wrong;
}

std::string Actor::read() {
    Place place;
    if (!any_entry(place) || place.node->kind != Node::file) return "";
    const std::vector<u8>& content = place.node->content;
    const u64 offset = below(most_), size = below(5000);
    std::vector<u8> data(size);
    const Result<usize> got = system_->read(place.node->id, offset, data);
    const u64 there = offset >= content.size() ? 0 : std::min<u64>(size, content.size() - offset);
    if (got.ok() &&
        (got.value() != there || !std::equal(data.begin(), data.begin() + static_cast<long>(there),
                                             content.begin() + static_cast<long>(there == 0 ? 0 : offset))))
        return "read " + place.name + ": something else";
    return expect("read " + place.name, got.error(), Error::ok);
}

std::string Actor::step() {
    count_++;
    switch (below(25)) {
        case 0:
        case 1:
        case 2: return create();
        case 3: return make_directory();
        case 4: return make_link();
        case 5: return link();
        case 6:
        case 7:
        case 8:
        case 9:
        case 10:
        case 11: return write();
        case 12:
        case 13: return truncate();
        case 14: return allocate();
        case 20:
        case 21: return punch();
        case 22: return create_unnamed();
        case 23: return exchange();
        case 15:
        case 16: return remove();
        case 17:
        case 18: return rename();
        default: return read();
    }
}

}  // namespace pith::ext4::test
