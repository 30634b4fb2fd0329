// SPDX-License-Identifier: MIT
#include "tests/host/share/fake_host.hpp"

#include <algorithm>
#include <cstring>

namespace pith::test {

using namespace virtio_9p;

namespace {

constexpr u32 kNotFound = 2, kBadFid = 22, kExists = 17, kNotDirectory = 20, kIsDirectory = 21, kInvalid = 22,
              kNotEmpty = 39, kRefused = 1, kUnknown = 95;

bool below(const Node& node, const Node* what) {
    if (&node == what) return true;
    return std::ranges::any_of(node.entries, [&](const auto& entry) { return below(*entry.second, what); });
}

}  // namespace

class FakeHost::Reply {
  public:
    template <typename T>
    Reply& put(T value) {
        const auto* bytes = reinterpret_cast<const u8*>(&value);
        fields.insert(fields.end(), bytes, bytes + sizeof(T));
        return *this;
    }
    Reply& text(const std::string& text) {
        put(static_cast<u16>(text.size()));
        fields.insert(fields.end(), text.begin(), text.end());
        return *this;
    }
    Reply& qid(const Node& node) {
        return put(static_cast<u8>(node.directory() ? 0x80 : 0)).put(u32{0}).put(node.number);
    }
    std::vector<u8> fields;
    std::string data;  ///< of a read
};

FakeHost::FakeHost() : root_(std::make_shared<Node>(Node{7, 0040755})) {
    for (auto& place : requests_) place.resize(4608);
    for (auto& place : replies_) place.resize(7680);
}

NodeP FakeHost::at(const std::string& path) const {
    NodeP node = root_;
    for (usize from = 0; from < path.size() && node;) {
        const usize end = std::min(path.find('/', from), path.size());
        const auto entry = node->entries.find(path.substr(from, end - from));
        node = entry == node->entries.end() ? nullptr : entry->second;
        from = end + 1;
    }
    return node;
}

NodeP FakeHost::add(const std::string& path, u32 mode, const std::string& content) {
    const usize slash = path.rfind('/');
    const NodeP parent = slash == std::string::npos ? root_ : at(path.substr(0, slash));
    auto node = std::make_shared<Node>(Node{++numbers_, mode});
    node->content = content;
    parent->entries[slash == std::string::npos ? path : path.substr(slash + 1)] = node;
    return node;
}

void FakeHost::dump(const Node& node, const std::string& path, std::string& text) {
    text += path + " " + std::to_string(node.number) + " " + std::to_string(node.mode) + " " +
            std::to_string(node.user) + " " + std::to_string(node.links) + " " + node.content + "\n";
    for (const auto& [name, entry] : node.entries) dump(*entry, path + "/" + name, text);
}

std::string FakeHost::dump() const {
    std::string text;
    dump(*root_, "", text);
    return text;
}

void FakeHost::reset() {
    waiting_.clear();
    fids_.clear();
}

bool FakeHost::send(u32 slot, u32 size, Data out, Data in) {
    waiting_.push_back({slot, size, out, in});
    return true;
}

Node* FakeHost::node(u32 fid) {
    const auto found = fids_.find(fid);
    return found == fids_.end() ? nullptr : found->second.node.get();
}

FakeHost::Answer FakeHost::answer(usize which) {
    const Sent sent = waiting_[which];
    waiting_.erase(waiting_.begin() + static_cast<long>(which));
    answered_++;
    Reply reply;
    const auto& request = requests_[sent.slot];
    u16 tag = 0;
    std::memcpy(&tag, request.data() + 5, 2);
    u8 type = answer_to(static_cast<Type>(request[4]));
    if (const u32 error = carry_out(sent, reply); error != 0) {
        type = answer_to(Type::error);
        reply.fields.clear();
        reply.data.clear();
        reply.put(error);
    }
    auto& place = replies_[sent.slot];
    const u32 size = static_cast<u32>(kHeaderSize + reply.fields.size() + reply.data.size());
    std::memcpy(place.data(), &size, 4);
    place[4] = type;
    std::memcpy(place.data() + 5, &tag, 2);
    std::ranges::copy(reply.fields, place.begin() + kHeaderSize);
    std::ranges::copy(reply.data, window_.begin() + static_cast<long>(sent.in.offset));
    return {sent.slot, size};
}

u32 FakeHost::carry_out(const Sent& sent, Reply& reply) {
    Reader in(std::span<const u8>(requests_[sent.slot]).first(sent.size));
    in.get<u32>();
    const Type type = static_cast<Type>(in.get<u8>());
    in.get<u16>();
    switch (type) {
        case Type::version:
            fids_.clear();
            reply.put(in.get<u32>()).text("9P2000.L");
            return 0;
        case Type::attach:
            fids_[in.get<u32>()] = {root_};
            reply.qid(*root_);
            return 0;
        case Type::walk: return walk(in, reply);
        case Type::clunk: return fids_.erase(in.get<u32>()) == 1 ? 0 : kBadFid;
        case Type::lcreate:
        case Type::symlink:
        case Type::mkdir:
        case Type::mknod:
        case Type::link: return make(in, type, reply);
        case Type::renameat: return rename(in);
        case Type::unlinkat: return unlink(in);
        case Type::setattr: return set(in);
        case Type::readdir: return list(in, reply);
        default: break;
    }
    const u32 fid = in.get<u32>();
    Node* const file = node(fid);
    if (file == nullptr) return kBadFid;
    const bool open = fids_[fid].open;
    switch (type) {
        case Type::lopen:
            if (open) return kInvalid;
            fids_[fid].open = true;
            reply.qid(*file).put(u32{0});
            return 0;
        case Type::getattr:
            reply.put(u64{0x7ff})
                .qid(*file)
                .put(file->mode)
                .put(file->user)
                .put(file->group)
                .put(u64{file->links})
                .put(u64{0});
            reply.put(u64{file->content.size()}).put(u64{4096}).put(u64{8});
            for (int i = 0; i < 4; i++) reply.put(static_cast<u64>(file->modified)).put(u64{0});
            reply.put(u64{0}).put(u64{0});
            return 0;
        case Type::statfs:
            reply.put(u32{1})
                .put(u32{8192})
                .put(u64{1000})
                .put(u64{500})
                .put(u64{400})
                .put(u64{99})
                .put(u64{50})
                .put(u64{3})
                .put(u32{255});
            return 0;
        case Type::readlink: reply.text(file->content); return 0;
        case Type::fsync:
            if (!open) return kInvalid;
            file->synced++;
            return 0;
        case Type::read: {
            const u64 offset = in.get<u64>();
            const u32 count = in.get<u32>();
            if (!open || count != sent.in.length) return kInvalid;
            reply.data = offset >= file->content.size() ? "" : file->content.substr(offset, count);
            reply.put(static_cast<u32>(reply.data.size()));
            return 0;
        }
        case Type::write: {
            const u64 offset = in.get<u64>();
            const u32 count = in.get<u32>();
            if (!open || count != sent.out.length) return kInvalid;
            if (file->content.size() < offset + count) file->content.resize(offset + count);
            std::ranges::copy(window_.subspan(sent.out.offset, count),
                              file->content.begin() + static_cast<long>(offset));
            reply.put(count);
            return 0;
        }
        default: return kUnknown;
    }
}

u32 FakeHost::walk(Reader& in, Reply& reply) {
    const u32 from = in.get<u32>(), to = in.get<u32>();
    const u16 count = in.get<u16>();
    if (node(from) == nullptr || fids_.contains(to)) return kBadFid;
    NodeP at = fids_[from].node;
    std::vector<NodeP> steps;
    for (u32 i = 0; i < count; i++) {
        const std::string name(in.text());
        if (!at->directory()) return kNotDirectory;
        const auto entry = at->entries.find(name);
        if (entry == at->entries.end()) break;
        steps.push_back(at = entry->second);
    }
    if (count != 0 && steps.empty()) return kNotFound;
    if (steps.size() == count) fids_[to] = {at};
    reply.put(static_cast<u16>(steps.size()));
    for (const NodeP& step : steps) reply.qid(*step);
    return 0;
}

u32 FakeHost::make(Reader& in, Type type, Reply& reply) {
    const u32 fid = in.get<u32>();
    Node* const directory = node(fid);
    if (directory == nullptr) return kBadFid;
    if (!directory->directory()) return kNotDirectory;
    const u32 linked = type == Type::link ? in.get<u32>() : 0;
    const std::string name(in.text());
    if (name.empty()) return kInvalid;
    if (directory->entries.contains(name)) return kExists;
    NodeP made;
    if (type == Type::link) {
        if (links_refused) return kRefused;
        if (node(linked) == nullptr) return kBadFid;
        if (node(linked)->directory()) return kRefused;
        made = fids_[linked].node;
        made->links++;
    } else {
        made = std::make_shared<Node>(Node{++numbers_, 0});
        if (type == Type::symlink) made->mode = 0120777, made->content = in.text();
        if (type == Type::lcreate) in.get<u32>(), made->mode = 0100000 | in.get<u32>();
        if (type == Type::mkdir) made->mode = 0040000 | in.get<u32>();
        if (type == Type::mknod) made->mode = in.get<u32>();
        reply.qid(*made);
    }
    directory->entries[name] = made;
    if (type == Type::lcreate) {
        reply.put(u32{0});
        fids_[fid] = {made, true};
    }
    return 0;
}

u32 FakeHost::set(Reader& in) {
    Node* const file = node(in.get<u32>());
    if (file == nullptr) return kBadFid;
    const u32 valid = in.get<u32>(), mode = in.get<u32>(), user = in.get<u32>(), group = in.get<u32>();
    const u64 size = in.get<u64>();
    in.get<u64>(), in.get<u64>();
    const u64 modified = in.get<u64>();
    if ((valid & 2) != 0 && user != file->user && user == 4711) return kRefused;
    if ((valid & 1) != 0) file->mode = (file->mode & 0170000) | mode;
    if ((valid & 2) != 0) file->user = user;
    if ((valid & 4) != 0) file->group = group;
    if ((valid & 8) != 0) file->content.resize(size);
    if ((valid & 0x100) != 0) file->modified = static_cast<i64>(modified);
    return 0;
}

u32 FakeHost::rename(Reader& in) {
    Node* const from = node(in.get<u32>());
    const std::string name(in.text());
    Node* const to = node(in.get<u32>());
    const std::string new_name(in.text());
    if (from == nullptr || to == nullptr) return kBadFid;
    const auto entry = from->entries.find(name);
    if (entry == from->entries.end()) return kNotFound;
    const NodeP moving = entry->second;
    if (below(*moving, to)) return kInvalid;
    if (const auto there = to->entries.find(new_name); there != to->entries.end()) {
        if (there->second == moving) return 0;
        if (!there->second->entries.empty()) return kNotEmpty;
        there->second->links--;
    }
    from->entries.erase(entry);
    to->entries[new_name] = moving;
    return 0;
}

u32 FakeHost::unlink(Reader& in) {
    Node* const directory = node(in.get<u32>());
    const std::string name(in.text());
    const bool folder = in.get<u32>() == 0x200;
    if (directory == nullptr) return kBadFid;
    const auto entry = directory->entries.find(name);
    if (entry == directory->entries.end()) return kNotFound;
    if (entry->second->directory() != folder) return folder ? kNotDirectory : kIsDirectory;
    if (!entry->second->entries.empty()) return kNotEmpty;
    entry->second->links--;
    directory->entries.erase(entry);
    return 0;
}

u32 FakeHost::list(Reader& in, Reply& reply) {
    const u32 fid = in.get<u32>();
    const u64 cookie = in.get<u64>();
    const u32 count = in.get<u32>();
    Node* const directory = node(fid);
    if (directory == nullptr || !fids_[fid].open || !directory->directory()) return kBadFid;
    Reply entries;
    std::vector<std::pair<std::string, const Node*>> all{{".", directory}, {"..", directory}};
    for (const auto& [name, entry] : directory->entries) all.emplace_back(name, entry.get());
    for (u64 i = cookie; i < all.size(); i++) {
        Reply entry;
        entry.qid(*all[i].second)
            .put(u64{i + 1})
            .put(static_cast<u8>(all[i].second->mode >> 12))
            .text(all[i].first);
        if (entries.fields.size() + entry.fields.size() > count) break;
        entries.fields.insert(entries.fields.end(), entry.fields.begin(), entry.fields.end());
    }
    reply.put(static_cast<u32>(entries.fields.size()));
    reply.fields.insert(reply.fields.end(), entries.fields.begin(), entries.fields.end());
    return 0;
}

}  // namespace pith::test
