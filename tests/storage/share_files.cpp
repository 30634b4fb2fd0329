// SPDX-License-Identifier: MIT
// The host's side of tests/storage/share_test: `share_files make DIR` makes the folder, `share_files check DIR` looks at what the guest has made of it.
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "tests/storage/share_pattern.hpp"

namespace {

using namespace pith::test;
using pith::u32;
using pith::u64;
using pith::usize;

std::string pattern(u64 which, u64 bytes) {
    std::string text(bytes, 0);
    for (u64 i = 0; i < bytes / 8; i++) {
        const u64 word = share_word(which, i);
        std::memcpy(text.data() + i * 8, &word, 8);
    }
    return text;
}

void put(const std::string& path, const std::string& content) {
    std::ofstream(path, std::ios::binary) << content;
}

std::string get(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

int failures = 0;
void expect(bool good, const std::string& what) {
    if (good) return;
    std::printf("not so: %s\n", what.c_str());
    failures++;
}

std::set<std::string> names(const std::string& path) {
    std::set<std::string> found;
    DIR* const directory = ::opendir(path.c_str());
    if (directory == nullptr) return found;
    while (const dirent* entry = ::readdir(directory))
        if (std::string_view(entry->d_name) != "." && std::string_view(entry->d_name) != "..")
            found.insert(entry->d_name);
    ::closedir(directory);
    return found;
}

int make(const std::string& root) {
    put(root + "/hello", "hello, guest\n");
    ::chmod((root + "/hello").c_str(), 0640);
    put(root + "/big", pattern(1, kBigSize));
    std::string deep = root + "/deep";
    ::mkdir(deep.c_str(), 0755);
    for (int level = 0; level < 20; level++)
        ::mkdir((deep += "/level" + std::to_string(level)).c_str(), 0755);
    put(deep + "/bottom", "at the bottom\n");
    ::symlink("deep/level0", (root + "/link").c_str());
    ::link((root + "/hello").c_str(), (root + "/deep/hello").c_str());
    put(root + "/odd \n\x01\xff name", "odd\n");
    put(root + "/" + std::string(255, 'l'), "long\n");
    ::mkdir((root + "/many").c_str(), 0755);
    for (u32 i = 0; i < kMany; i++) put(root + "/many/file" + std::to_string(i), "");
    ::mkfifo((root + "/pipe").c_str(), 0644);
    return 0;
}

void check_load(const std::string& root) {
    const std::string text = get(root + "/expected");
    expect(text.size() == kLoadFiles * sizeof(LoadFile), "the file expected is there");
    if (text.size() != kLoadFiles * sizeof(LoadFile)) return;
    std::set<std::string> wanted;
    for (u32 i = 0; i < kLoadFiles; i++) {
        LoadFile file;
        std::memcpy(&file, text.data() + i * sizeof(file), sizeof(file));
        if (file.blocks == ~u32{0}) continue;
        wanted.insert(file.name);
        std::string content;
        for (u32 block = 0; block < file.blocks; block++)
            content += file.versions[block] == 0 ? std::string(kBlock, 0)
                                                 : pattern(file.versions[block], kBlock);
        expect(get(root + "/load/" + file.name) == content,
               std::string("load/") + file.name + " is as the guest wrote it");
    }
    expect(names(root + "/load") == wanted, "load has these files, and no others");
}

int check(const std::string& root) {
    struct stat info{}, other{};
    if (::lstat((root + "/made/pipe").c_str(), &info) == 0) {
        expect(S_ISFIFO(info.st_mode), "made/pipe is one");
        ::unlink((root + "/made/pipe").c_str());
    }
    expect(get(root + "/hello") == "hello, guest\nand host\n", "hello was appended to");
    expect(get(root + "/big") == pattern(1, kBigSize), "big is as it was");
    expect(get(root + "/made/big") == pattern(2, kBigSize), "made/big is what was written");
    expect(get(root + "/made/renamed") == "a file\n", "made/renamed");
    expect(get(root + "/made/odd \xfe\n") == "odd too\n", "a name with odd bytes");
    expect(names(root + "/made") == std::set<std::string>{"big", "renamed", "odd \xfe\n", "symbolic", "hard",
                                                          "closed", "times", "directory"},
           "made has these files, and no others");
    char target[64] = {};
    expect(::readlink((root + "/made/symbolic").c_str(), target, 63) > 0 && std::string(target) == "renamed",
           "made/symbolic leads to renamed");
    expect(::stat((root + "/made/hard").c_str(), &info) == 0 &&
               ::stat((root + "/made/renamed").c_str(), &other) == 0 && info.st_ino == other.st_ino,
           "made/hard is the same file");
    expect(::stat((root + "/made/closed").c_str(), &info) == 0 && (info.st_mode & 07777) == 0444 &&
               info.st_size == 8,
           "made/closed has its mode and content");
    expect(::stat((root + "/made/times").c_str(), &info) == 0 && info.st_mtim.tv_sec == 1'000'000'000 &&
               info.st_mtim.tv_nsec == 5,
           "made/times has its time");
    expect(::stat(root.c_str(), &other) == 0 && ::lstat((root + "/made/directory").c_str(), &info) == 0 &&
               S_ISDIR(info.st_mode) && info.st_uid == other.st_uid && (info.st_mode & 07777) == 0751,
           "made/directory is one, of the folder's owner");
    for (const std::string& name : names(root))
        expect(!name.starts_with(".pith"), "nothing is left of files that were held: " + name);
    check_load(root);
    return failures == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    return std::strcmp(argv[1], "make") == 0 ? make(argv[2]) : check(argv[2]);
}
