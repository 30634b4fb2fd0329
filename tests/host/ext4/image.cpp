// SPDX-License-Identifier: MIT
#include "tests/host/ext4/image.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

namespace pith::ext4::test {

namespace {

const std::string kPath = "PATH=$PATH:/usr/sbin:/sbin ";

/// In memory where the machine has such a place.
struct Folder {
    std::string path;
    Folder() {
        const bool shared = access("/dev/shm", W_OK) == 0;
        std::string name = std::string(shared ? "/dev/shm" : "/tmp") + "/pith-ext4-XXXXXX";
        if (mkdtemp(name.data()) == nullptr) std::abort();
        path = name;
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() { std::filesystem::remove_all(path); }
};

void store(const std::string& path, const std::vector<u8>& content) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(content.data()), static_cast<std::streamsize>(content.size()));
}

std::vector<u8> load(const std::string& path) {
    std::vector<u8> content(std::filesystem::file_size(path));
    std::ifstream file(path, std::ios::binary);
    file.read(reinterpret_cast<char*>(content.data()), static_cast<std::streamsize>(content.size()));
    return content;
}

}  // namespace

std::string scratch(const std::string& name) {
    static const Folder folder;
    return folder.path + "/" + name;
}

std::string run(const std::string& command, int& status) {
    FILE* pipe = popen((kPath + command + " 2>&1").c_str(), "r");
    if (pipe == nullptr) std::abort();
    std::string output;
    char buffer[4096];
    for (size_t got; (got = fread(buffer, 1, sizeof buffer, pipe)) > 0;) output.append(buffer, got);
    const int ended = pclose(pipe);
    status = WIFEXITED(ended) ? WEXITSTATUS(ended) : 255;
    return output;
}

std::vector<u8> make_image(u64 kilobytes, const std::string& options) {
    static std::map<std::string, std::vector<u8>> made;
    const std::string key = std::to_string(kilobytes) + " " + options;
    if (const auto there = made.find(key); there != made.end()) return there->second;
    const std::string path = scratch("made");
    std::filesystem::remove(path);
    int status = 0;
    const std::string output = run(
        "mke2fs -q -F -t ext4 -U 01234567-89ab-cdef-0123-456789abcdef -E "
        "hash_seed=fedcba98-7654-3210-fedc-ba9876543210 " +
            options + " " + path + " " + std::to_string(kilobytes) + "k",
        status);
    if (status != 0) {
        std::fprintf(stderr, "mke2fs: %s\n", output.c_str());
        std::abort();
    }
    return made[key] = load(path);
}

std::string e2fsck(std::vector<u8>& image, const std::string& options, std::string* said) {
    const std::string path = scratch("checked");
    store(path, image);
    int status = 0;
    const std::string output = run("e2fsck " + options + " " + path, status);
    if (said != nullptr) *said = output;
    const bool repair = options.find('n') == std::string::npos;
    if (repair) image = load(path);
    const bool right = status == 0 || (repair && status == 1);
    return right ? "" : "e2fsck " + options + " ends with " + std::to_string(status) + ":\n" + output;
}

std::string debugfs(std::vector<u8>& image, const std::string& request, bool write) {
    const std::string path = scratch("debugged");
    store(path, image);
    int status = 0;
    std::string output = run(std::string("debugfs ") + (write ? "-w " : "") + "-R '" + request + "' " + path,
                             status);
    if (write) image = load(path);
    return output;
}

}  // namespace pith::ext4::test
