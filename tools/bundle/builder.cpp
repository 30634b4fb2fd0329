// SPDX-License-Identifier: MIT
#include "tools/bundle/builder.hpp"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "lib/os/symbols.hpp"
#include "tools/base/host.hpp"

namespace pith::tools {

namespace {

constexpr std::string_view kRootPrefix = "rootfs/";

u64 page_up(u64 value) { return (value + abi::kPageSize - 1) & ~(abi::kPageSize - 1); }

std::vector<u8> bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

std::vector<std::string> directory_names(const std::string& path) {
    DIR* directory = ::opendir(path.c_str());
    if (directory == nullptr) fail(kUsage, "{}", error_text(path));
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(directory)) {
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") names.emplace_back(name);
    }
    ::closedir(directory);
    return names;
}

}  // namespace

std::string guest_path(std::string_view path) {
    std::string result;
    while (!path.empty()) {
        const usize slash = std::min(path.find('/'), path.size());
        const std::string_view part = path.substr(0, slash);
        path.remove_prefix(std::min(slash + 1, path.size()));
        if (part.empty() || part == ".") continue;
        if (part == "..") fail(kUsage, "a guest path may not contain '..'");
        if (!result.empty()) result += '/';
        result += part;
    }
    return result;
}

void BundleBuilder::add_parents(std::string_view path, i64 mtime) {
    for (usize slash = path.find('/'); slash != std::string_view::npos; slash = path.find('/', slash + 1)) {
        const std::string name = std::string(kRootPrefix) + std::string(path.substr(0, slash));
        items_.try_emplace(name, Item{abi::BundleKind::directory, 0755, mtime, {}});
    }
}

void BundleBuilder::add_file(std::string_view path, std::vector<u8> content, u32 mode, i64 mtime) {
    const std::string name = guest_path(path);
    add_parents(name, mtime);
    items_.insert_or_assign(std::string(kRootPrefix) + name,
                            Item{abi::BundleKind::file, mode, mtime, std::move(content)});
}

void BundleBuilder::add_directory(std::string_view path, u32 mode, i64 mtime) {
    const std::string name = guest_path(path);
    add_parents(name, mtime);
    items_.insert_or_assign(std::string(kRootPrefix) + name,
                            Item{abi::BundleKind::directory, mode, mtime, {}});
}

void BundleBuilder::add_symlink(std::string_view path, std::string_view target, i64 mtime) {
    const std::string name = guest_path(path);
    add_parents(name, mtime);
    items_.insert_or_assign(std::string(kRootPrefix) + name,
                            Item{abi::BundleKind::symlink, 0777, mtime, bytes_of(target)});
}

void BundleBuilder::add_host_path(const std::string& host_path, std::string_view path) {
    struct stat status{};
    if (::lstat(host_path.c_str(), &status) != 0) fail(kUsage, "{}", error_text(host_path));
    const u32 mode = status.st_mode & 07777;
    if (S_ISREG(status.st_mode)) {
        add_file(path, read_file(host_path), mode, status.st_mtime);
    } else if (S_ISLNK(status.st_mode)) {
        char target[4096];
        const ssize_t length = ::readlink(host_path.c_str(), target, sizeof(target));
        if (length < 0) fail(kUsage, "{}", error_text(host_path));
        add_symlink(path, std::string_view(target, static_cast<usize>(length)), status.st_mtime);
    } else if (S_ISDIR(status.st_mode)) {
        add_directory(path, mode, status.st_mtime);
        for (const std::string& name : directory_names(host_path)) {
            add_host_path(host_path + "/" + name, std::string(path) + "/" + name);
        }
    } else {
        fail(kUsage, "{}: neither a file, a directory nor a symbolic link", host_path);
    }
}

void BundleBuilder::add_component(std::string_view name, const std::string& elf_path) {
    std::vector<u8> content = read_file(elf_path);
    std::vector<u8> symbols = symbol_table(content);
    items_.insert_or_assign(
        "component/" + std::string(name),
        Item{abi::BundleKind::component, 0555, 0, loadable_part(std::move(content), elf_path)});
    add_data(std::string(kSymbolsPrefix) + std::string(name), std::move(symbols));
}

void BundleBuilder::add_data(std::string_view name, std::vector<u8> content) {
    items_.insert_or_assign(std::string(name), Item{abi::BundleKind::data, 0444, 0, std::move(content)});
}

std::vector<u8> BundleBuilder::finish() const {
    // Header, entries, names, the targets of links (equal ones once), then the contents, each page aligned.
    std::string names;
    std::string targets;
    std::map<std::string, usize> target_offsets;
    for (const auto& [name, item] : items_) {
        names += name;
        if (item.kind != abi::BundleKind::symlink) continue;
        const std::string target(item.content.begin(), item.content.end());
        if (target_offsets.try_emplace(target, targets.size()).second) targets += target;
    }
    const u64 targets_start = sizeof(abi::BundleHeader) + items_.size() * sizeof(abi::BundleEntry) +
                              names.size();
    u64 offset = page_up(targets_start + targets.size());

    std::vector<abi::BundleEntry> entries;
    u32 name_offset = 0;
    for (const auto& [name, item] : items_) {
        abi::BundleEntry entry{};
        entry.size = item.content.size();
        entry.name_offset = name_offset;
        entry.name_length = static_cast<u32>(name.size());
        entry.kind = item.kind;
        entry.mode = item.mode;
        entry.mtime = item.mtime;
        if (item.kind == abi::BundleKind::symlink) {
            entry.offset = targets_start + target_offsets.at({item.content.begin(), item.content.end()});
        } else {
            entry.offset = offset;
            offset += page_up(entry.size);
        }
        entries.push_back(entry);
        name_offset += entry.name_length;
    }

    std::vector<u8> segment(offset);
    const abi::BundleHeader header{abi::kBundleMagic, offset, static_cast<u32>(items_.size()),
                                   static_cast<u32>(names.size()), 0};
    const auto put = [&segment](u64 at, const void* from, usize size) {
        if (size != 0) std::memcpy(segment.data() + at, from, size);
    };
    put(0, &header, sizeof(header));
    put(sizeof(header), entries.data(), entries.size() * sizeof(abi::BundleEntry));
    put(targets_start - names.size(), names.data(), names.size());
    put(targets_start, targets.data(), targets.size());
    usize index = 0;
    for (const auto& [name, item] : items_) {
        const abi::BundleEntry& entry = entries[index++];
        if (item.kind != abi::BundleKind::symlink)
            put(entry.offset, item.content.data(), item.content.size());
    }
    return segment;
}

}  // namespace pith::tools
