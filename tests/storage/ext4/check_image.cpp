// SPDX-License-Identifier: MIT
// ext4_check IMAGE DIRECTORY SEED STEPS: whether a file system holds what ext4_test's script has left in a directory of it.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include "tests/storage/ext4/compare.hpp"

namespace pith {

void assertion_failed(const char* text) {
    std::fprintf(stderr, "assertion failed: %s\n", text);
    std::abort();
}

}  // namespace pith

namespace {

using namespace pith;

class Image final : public ext4::BlockDevice {
  public:
    explicit Image(const char* path) {
        std::ifstream file(path, std::ios::binary);
        content_.assign(std::istreambuf_iterator<char>(file), {});
    }
    u64 size() const override { return content_.size() / kSectorSize * kSectorSize; }
    bool read_only() const override { return false; }
    Result<> read(u64 offset, void* to, usize size) override {
        std::memcpy(to, content_.data() + offset, size);
        return {};
    }
    Result<> write(u64, const void*, usize) override { return Error::io; }
    Result<> flush() override { return {}; }

  private:
    std::vector<char> content_;
};

std::string check(char** arguments) {
    Image image(arguments[1]);
    auto mounted = ext4::FileSystem::mount(image, {.read_only = true});
    if (!mounted.ok()) return "it can't be mounted";
    ext4::FileSystem& system = *mounted.value();
    const auto directory = system.lookup(system.root().value(), arguments[2]);
    if (!directory.ok()) return "there is no such directory";
    const test::Script script(std::strtoull(arguments[3], nullptr, 10),
                              std::strtoull(arguments[4], nullptr, 10));
    std::map<u32, u32> seen;
    return test::compare(system, directory.value(), script, 0, seen);
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 5) return 2;
    const std::string wrong = check(arguments);
    if (!wrong.empty()) std::printf("%s\n", wrong.c_str());
    return wrong.empty() ? 0 : 1;
}
