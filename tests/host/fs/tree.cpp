// SPDX-License-Identifier: MIT
#include "tests/host/fs/tree.hpp"

#include <algorithm>

namespace pith::fs_test {

namespace {
std::pair<u64, u64> key(Fs::FileId id) { return {id.number, id.generation}; }
}  // namespace

Tree::Tree() { nodes[1] = {{1, 1}, kDirectory | 0755, 1, 0, {}, {}, 0}; }

Node* Tree::get(Fs::FileId file) {
    const auto at = nodes.find(file.number);
    return at != nodes.end() && at->second.id == file ? &at->second : nullptr;
}

const Node* Tree::find(Fs::FileId file) const { return const_cast<Tree*>(this)->get(file); }

const Node* Tree::lookup(Fs::FileId directory, const std::string& name) const {
    const Node* const node = find(directory);
    if (node == nullptr) return nullptr;
    const auto at = node->entries.find(name);
    return at == node->entries.end() ? nullptr : &nodes.at(at->second);
}

Fs::Attributes Tree::attributes(const Node& node) {
    Fs::Attributes found{};
    found.id = node.id;
    found.mode = node.mode;
    found.links = node.links;
    found.user = node.user;
    found.size = node.data.size();
    found.changed.seconds = node.changed;
    return found;
}

void Tree::reap() {
    std::erase_if(nodes, [&](const auto& each) {
        return each.second.links == 0 && !held.contains(key(each.second.id));
    });
}

void Tree::unlinked(Node& node, bool hold) {
    if (hold) held.insert(key(node.id));
    if (--node.links == 0 && !held.contains(key(node.id))) nodes.erase(node.id.number);
}

/// 0: it is taken.
Fs::FileId Tree::new_id(const Fs::Submission& change) {
    u64 number = 2;
    while (nodes.contains(number)) ++number;
    Fs::FileId id{number, generation + 1};
    if ((change.flags & Fs::kAnswered) != 0) {
        id = change.answer;
        // What an earlier life had let go of after `recovered`, which has not come yet in this one.
        if (const auto at = nodes.find(id.number);
            at != nodes.end() && at->second.links == 0 && !held.contains(key(at->second.id)))
            nodes.erase(at);
        if (nodes.contains(id.number)) return {};
    }
    generation = std::max(generation, id.generation);
    return id;
}

Outcome Tree::make_unnamed(const Fs::Submission& change) {
    const Fs::FileId id = new_id(change);
    if (id.number == 0) return {Error::io};
    const Node& made = nodes[id.number] = {id, change.mode, 0, change.user, {}, {}, change.time.seconds};
    hold(id);
    return {Error::ok, 0, attributes(made)};
}

Outcome Tree::make(const Fs::Submission& change, Node& directory, const std::string& name,
                   std::string_view target) {
    if (directory.entries.contains(name)) return {Error::exists};
    const Fs::FileId id = new_id(change);
    if (id.number == 0) return {Error::io};
    const bool link = change.operation == static_cast<u32>(Fs::Operation::create_link);
    Node node{
        id, link ? kLink | 0777 : change.mode, 1, change.user, std::string(target), {}, change.time.seconds};
    directory.entries[name] = id.number;
    nodes[id.number] = node;
    return {Error::ok, 0, attributes(node)};
}

bool Tree::below(u64 directory, u64 node) const {
    return directory == node || std::ranges::any_of(nodes.at(directory).entries, [&](const auto& entry) {
               return nodes.at(entry.second).directory() && below(entry.second, node);
           });
}

Outcome Tree::rename(const Fs::Submission& change, Node& from, const std::string& name,
                     const std::string& new_name) {
    Node* const to = get(change.other);
    if (to == nullptr) return {Error::bad_handle};
    if (!to->directory()) return {Error::wrong_type};
    const auto at = from.entries.find(name);
    if (at == from.entries.end()) return {Error::not_found};
    Node& moved = nodes.at(at->second);
    if (moved.directory() && below(moved.id.number, to->id.number)) return {Error::invalid};
    if (const auto there = to->entries.find(new_name); there != to->entries.end()) {
        if ((change.flags & Fs::kReplace) == 0) return {Error::exists};
        Node& old = nodes.at(there->second);
        if (&old == &moved) return {};
        if (old.directory() != moved.directory()) return {Error::wrong_type};
        if (!old.entries.empty()) return {Error::occupied};
        if (old.directory()) nodes.erase(old.id.number);
        else unlinked(old, (change.flags & Fs::kHold) != 0);
    }
    to->entries[new_name] = moved.id.number;
    from.entries.erase(name);
    moved.changed = change.time.seconds;
    return {};
}

Outcome Tree::exchange(const Fs::Submission& change, Node& from, const std::string& name,
                       const std::string& other) {
    Node* const to = get(change.other);
    if (to == nullptr) return {Error::bad_handle};
    if (!to->directory()) return {Error::wrong_type};
    const auto first = from.entries.find(name), second = to->entries.find(other);
    if (first == from.entries.end() || second == to->entries.end()) return {Error::not_found};
    Node& one = nodes.at(first->second);
    Node& two = nodes.at(second->second);
    if (&one == &two) return {};
    if (to != &from && ((one.directory() && below(one.id.number, to->id.number)) ||
                        (two.directory() && below(two.id.number, from.id.number))))
        return {Error::invalid};
    std::swap(first->second, second->second);
    one.changed = two.changed = change.time.seconds;
    return {};
}

Outcome Tree::apply(const Fs::Submission& change, std::string_view names, std::string_view data) {
    const auto operation = static_cast<Fs::Operation>(change.operation);
    if (operation == Fs::Operation::release) {
        held.erase(key(change.file));
        reap();
        return {};
    }
    Node* const file = get(change.file);
    if (file == nullptr) return {Error::bad_handle};
    const std::string name(names.substr(0, change.name_size));
    const std::string other(names.substr(change.name_size));
    const bool in_directory = operation == Fs::Operation::create ||
                              operation == Fs::Operation::create_unnamed ||
                              operation == Fs::Operation::exchange ||
                              operation == Fs::Operation::create_link || operation == Fs::Operation::unlink ||
                              operation == Fs::Operation::remove_directory ||
                              operation == Fs::Operation::rename;
    if (in_directory != file->directory() && operation != Fs::Operation::set_attributes)
        return {Error::wrong_type};
    switch (operation) {
        case Fs::Operation::create: return make(change, *file, name, {});
        case Fs::Operation::create_link: return make(change, *file, name, other);
        case Fs::Operation::create_unnamed: return make_unnamed(change);
        case Fs::Operation::rename: return rename(change, *file, name, other);
        case Fs::Operation::exchange: return exchange(change, *file, name, other);
        case Fs::Operation::link: {
            Node* const directory = get(change.other);
            if (directory == nullptr) return {Error::bad_handle};
            if (!directory->directory()) return {Error::wrong_type};
            if (directory->entries.contains(name)) return {Error::exists};
            if (file->links == 0 && !held.contains(key(file->id))) return {Error::not_found};
            ++file->links;
            directory->entries[name] = file->id.number;
            return {Error::ok, 0, attributes(*file)};
        }
        case Fs::Operation::unlink:
        case Fs::Operation::remove_directory: {
            const auto at = file->entries.find(name);
            if (at == file->entries.end()) return {Error::not_found};
            Node& node = nodes.at(at->second);
            if (node.directory() != (operation == Fs::Operation::remove_directory))
                return {Error::wrong_type};
            if (!node.entries.empty()) return {Error::occupied};
            file->entries.erase(at);
            unlinked(node, (change.flags & Fs::kHold) != 0);
            return {};
        }
        case Fs::Operation::set_attributes:
            if ((change.flags & Fs::kSetMode) != 0) file->mode = (file->mode & kType) | (change.mode & 07777);
            if ((change.flags & Fs::kSetUser) != 0) file->user = change.user;
            break;
        case Fs::Operation::write:
            if (file->data.size() < change.offset + data.size())
                file->data.resize(change.offset + data.size());
            file->data.replace(change.offset, data.size(), data);
            return {Error::ok, data.size(), {}};
        case Fs::Operation::truncate: file->data.resize(change.offset); break;
        case Fs::Operation::allocate:
            if ((change.flags & Fs::kKeepSize) == 0 && file->data.size() < change.offset + change.length)
                file->data.resize(change.offset + change.length);
            break;
        case Fs::Operation::punch:
            for (u64 at = change.offset; at < change.offset + change.length && at < file->data.size(); ++at)
                file->data[at] = '\0';
            break;
        default: return {Error::invalid};
    }
    file->changed = change.time.seconds;
    return {};
}

std::string Tree::compare(const Tree& other, std::map<u64, Fs::FileId> ids) const {
    // What is reached by a name is found again under that name.
    std::map<u64, std::string> where{{1, "/"}};
    ids[1] = {1, 1};
    for (bool more = true; more;) {
        more = false;
        for (const auto& [number, path] : std::map(where)) {
            const Node& here = nodes.at(number);
            const Node* const there = other.find(ids.at(number));
            if (there == nullptr) return path + " is missing";
            if (here.entries.size() != there->entries.size()) return path + " has other entries";
            for (const auto& [name, child] : here.entries) {
                const Node* const found = other.lookup(there->id, name);
                if (found == nullptr) return path + name + " is missing";
                const auto known = ids.find(child);
                if (known != ids.end() && known->second != found->id) return path + name + " is another file";
                ids[child] = found->id;
                more |= where.emplace(child, path + name + "/").second;
            }
        }
    }
    for (const auto& [number, here] : nodes) {
        if (!ids.contains(number)) continue;  // unlinked before anybody knew it
        const Node* const there = other.find(ids.at(number));
        const std::string path = where.contains(number) ? where.at(number) : "held " + std::to_string(number);
        if (there == nullptr) return path + " is missing";
        if (here.mode != there->mode || here.links != there->links || here.user != there->user ||
            here.changed != there->changed)
            return path + " has other attributes";
        if (here.data != there->data) return path + " has other data";
    }
    if (nodes.size() != other.nodes.size()) return "there are other unlinked files";
    return {};
}

}  // namespace pith::fs_test
