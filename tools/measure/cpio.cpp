// SPDX-License-Identifier: MIT
#include "tools/measure/cpio.hpp"

#include <format>
#include <utility>

namespace pith::tools {

namespace {

constexpr u32 kDirectory = 0040000, kRegular = 0100000;
constexpr usize kAlignment = 4;

void pad(std::string& bytes) { bytes.append((kAlignment - bytes.size() % kAlignment) % kAlignment, '\0'); }

}  // namespace

void CpioArchive::add_directory(std::string_view path) { add(path, "", kDirectory | 0755); }

void CpioArchive::add_file(std::string_view path, std::string_view content, u32 mode) {
    add(path, content, kRegular | mode);
}

void CpioArchive::add(std::string_view path, std::string_view content, u32 mode) {
    bytes_ += "070701";
    // ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
    for (const usize field :
         {usize{++inode_}, usize{mode}, usize{0}, usize{0}, usize{1}, usize{0}, content.size(), usize{0},
          usize{0}, usize{0}, usize{0}, path.size() + 1, usize{0}})
        bytes_ += std::format("{:08x}", field);
    bytes_ += path;
    bytes_ += '\0';
    pad(bytes_);
    bytes_ += content;
    pad(bytes_);
}

std::string CpioArchive::finish() && {
    add("TRAILER!!!", "", 0);
    return std::move(bytes_);
}

}  // namespace pith::tools
