// SPDX-License-Identifier: MIT
#include "tools/base/host.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace pith::tools {

namespace {

/// A descriptor that is closed at the end of its scope.
class Descriptor {
  public:
    explicit Descriptor(int number) : number_(number) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (number_ >= 0) ::close(number_);
    }
    int get() const { return number_; }

  private:
    int number_;
};

}  // namespace

int guarded_main(const char* program, const std::function<int()>& body) {
    try {
        return body();
    } catch (const Failure& failure) {
        std::fprintf(stderr, "%s: %s\n", program, failure.what());
        return failure.status;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s: internal error: %s\n", program, error.what());
        return 1;
    }
}

std::string error_text(std::string_view what) { return std::format("{}: {}", what, std::strerror(errno)); }

std::vector<u8> read_file(const std::string& path) {
    Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status{};
    if (file.get() < 0 || ::fstat(file.get(), &status) != 0) fail(kUsage, "{}", error_text(path));
    if (!S_ISREG(status.st_mode)) fail(kUsage, "{}: not a regular file", path);
    std::vector<u8> content(static_cast<usize>(status.st_size));
    usize done = 0;
    while (done < content.size()) {
        const ssize_t count = ::read(file.get(), content.data() + done, content.size() - done);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) fail(kUsage, "{}", error_text(path));
        if (count == 0) fail(kUsage, "{}: became shorter while it was read", path);
        done += static_cast<usize>(count);
    }
    return content;
}

std::string read_text(const std::string& path) {
    const std::vector<u8> content = read_file(path);
    return {content.begin(), content.end()};
}

void write_file(const std::string& path, std::string_view content) {
    const std::string temporary = std::format("{}.{}.tmp", path, ::getpid());
    {
        Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
        if (file.get() < 0) fail(1, "{}", error_text(temporary));
        while (!content.empty()) {
            const ssize_t count = ::write(file.get(), content.data(), content.size());
            if (count < 0 && errno == EINTR) continue;
            if (count < 0) {
                const std::string text = error_text(temporary);
                ::unlink(temporary.c_str());
                fail(1, "{}", text);
            }
            content.remove_prefix(static_cast<usize>(count));
        }
    }
    if (::rename(temporary.c_str(), path.c_str()) != 0) fail(1, "{}", error_text(path));
}

void write_file(const std::string& path, const std::vector<u8>& content) {
    write_file(path, std::string_view(reinterpret_cast<const char*>(content.data()), content.size()));
}

}  // namespace pith::tools
