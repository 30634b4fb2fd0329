// SPDX-License-Identifier: MIT
#include "tools/runner/config.hpp"

#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "protocol/run.hpp"
#include "tools/base/host.hpp"
#include "tools/bundle/builder.hpp"

namespace pith::tools {

namespace {

constexpr u64 kFixedEpoch = 1'700'000'000'000'000'000;  ///< 2023-11-14 22:13:20, with --icount

class ConfigWriter {
  public:
    void add(std::string_view key, std::string_view value) {
        if (value.find('\0') != std::string_view::npos) return;
        bytes_.insert(bytes_.end(), key.begin(), key.end());
        bytes_.push_back('=');
        bytes_.insert(bytes_.end(), value.begin(), value.end());
        bytes_.push_back(0);
    }
    std::vector<u8> take() { return std::move(bytes_); }

  private:
    std::vector<u8> bytes_;
};

std::string seed(bool fixed) {
    u8 bytes[32];
    for (usize index = 0; index < sizeof(bytes); ++index) bytes[index] = static_cast<u8>(index);
    if (!fixed && ::getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
        fail(1, "{}", error_text("getrandom"));
    std::string digits;
    for (const u8 byte : bytes) digits += std::format("{:02x}", byte);
    return digits;
}

u64 epoch(bool fixed) {
    timespec now{};
    if (fixed || ::clock_gettime(CLOCK_REALTIME, &now) != 0) return kFixedEpoch;
    return static_cast<u64>(now.tv_sec) * 1'000'000'000 + static_cast<u64>(now.tv_nsec);
}

std::vector<u8> run_config(const Options& options, const Streams& streams) {
    constexpr std::string_view kNames[] = {"stdin", "stdout", "stderr"};
    ConfigWriter config;
    for (const std::string& argument : options.command) config.add("arg", argument);
    for (const std::string& variable : options.environment) config.add("env", variable);
    for (usize index = 0; index < 3; ++index)
        config.add(kNames[index], streams.tty[index] ? "tty" : "stream");
    const char* term = std::getenv("TERM");
    config.add("rows", std::to_string(streams.rows));
    config.add("columns", std::to_string(streams.columns));
    config.add("term", term != nullptr && *term != '\0' ? term : "dumb");
    if (!options.rootfs.empty()) config.add("root", "/dev/vda");
    if (!options.share.empty()) config.add("share", "/share");
    config.add("log", options.log ? "1" : "0");
    if (options.chaos != 0) config.add("chaos", std::to_string(options.chaos));
    for (const std::string& target : options.chaos_targets) config.add("chaos_target", target);
    for (const std::string& spared : options.chaos_spared) config.add("chaos_spared", spared);
    for (const std::string& fault : options.chaos_faults) config.add("chaos_fault", fault);
    if (!options.chaos_log.empty()) config.add("chaos_log", "1");
    if (options.chaos_seed != 0) config.add("chaos_seed", std::to_string(options.chaos_seed));
    if (options.icount) config.add("clock", "skips");
    config.add("seed", seed(options.icount));
    config.add("epoch", std::to_string(epoch(options.icount)));
    return config.take();
}

void write_all(int file, const std::vector<u8>& content) {
    usize done = 0;
    while (done < content.size()) {
        const ssize_t count = ::write(file, content.data() + done, content.size() - done);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) fail(1, "{}", error_text("writing the boot bundle"));
        done += static_cast<usize>(count);
    }
}

}  // namespace

int make_initrd(const Options& options, const Streams& streams) {
    BundleBuilder overlay;
    overlay.add_data(run::kConfigName, run_config(options, streams));
    for (const Added& added : options.added) overlay.add_host_path(added.host_path, added.guest_path);
    const int file = ::memfd_create("pith-bundle", MFD_CLOEXEC);
    if (file < 0) fail(1, "{}", error_text("memfd_create"));
    write_all(file, read_file(options.bundle));
    write_all(file, overlay.finish());
    return file;
}

}  // namespace pith::tools
