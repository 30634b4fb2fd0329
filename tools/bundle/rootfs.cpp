// SPDX-License-Identifier: MIT
#include "tools/bundle/rootfs.hpp"

#include <sys/stat.h>
#include <sys/wait.h>

#include <cstdio>
#include <sstream>

#include "tools/base/host.hpp"

namespace pith::tools {

namespace {

struct Directory {
    const char* path;
    u32 mode;
};
constexpr Directory kDirectories[] = {
    {"bin", 0755}, {"sbin", 0755}, {"usr/bin", 0755},        {"usr/sbin", 0755}, {"usr/local/bin", 0755},
    {"lib", 0755}, {"dev", 0755},  {"usr/local/sbin", 0755}, {"etc", 0755},      {"home", 0755},
    {"mnt", 0755}, {"opt", 0755},  {"proc", 0555},           {"root", 0700},     {"run", 0755},
    {"sys", 0555}, {"tmp", 01777}, {"var/log", 0755},        {"var/tmp", 01777}, {"srv", 0755},
};

/// The applets of a busybox as paths ("bin/cat").
std::string applet_paths(const std::string& busybox) {
    std::string command = "'";
    for (const char c : busybox) command += c == '\'' ? std::string("'\\''") : std::string(1, c);
    command += "' --list-full";
    FILE* pipe = ::popen(command.c_str(), "re");
    if (pipe == nullptr) fail(1, "{}", error_text(busybox));
    std::string text;
    char chunk[4096];
    while (const usize count = std::fread(chunk, 1, sizeof(chunk), pipe)) text.append(chunk, count);
    if (::pclose(pipe) != 0 || text.empty()) fail(1, "{}: does not list its applets", busybox);
    return text;
}

void add_busybox(BundleBuilder& bundle, const std::string& busybox) {
    struct stat status{};
    if (::stat(busybox.c_str(), &status) != 0) fail(kUsage, "{}", error_text(busybox));
    std::istringstream applets(applet_paths(busybox));
    for (std::string path; std::getline(applets, path);) {
        if (path != "bin/busybox" && path != "linuxrc")
            bundle.add_symlink(path, "/bin/busybox", status.st_mtime);
    }
    bundle.add_file("bin/busybox", read_file(busybox), 0755, status.st_mtime);
}

}  // namespace

void add_root_file_system(BundleBuilder& bundle, const std::string& skeleton, const std::string& programs,
                          const std::string& busybox) {
    for (const Directory& directory : kDirectories) bundle.add_directory(directory.path, directory.mode, 0);
    if (!busybox.empty()) add_busybox(bundle, busybox);
    for (const std::string& source : {skeleton, programs}) {
        struct stat status{};
        if (source.empty() || ::stat(source.c_str(), &status) != 0) continue;
        bundle.add_host_path(source, "");
    }
    for (const Directory& directory : kDirectories) bundle.add_directory(directory.path, directory.mode, 0);
    bundle.add_symlink("etc/mtab", "/proc/mounts", 0);
}

}  // namespace pith::tools
