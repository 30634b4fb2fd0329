// SPDX-License-Identifier: MIT
// A file or directory of the build directory that is gone with the object, however a measurement ends.
#pragma once

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <format>
#include <string>
#include <system_error>

#include "tools/measure/suite.hpp"

namespace pith::tools {

class Scratch {
  public:
    /// The file is not there yet.
    Scratch(const BenchTree& tree, const char* name)
        : path_(std::format("{}/bench-{}.{}.{}", tree.build, name, ::getpid(), number_++)) {
        std::filesystem::remove_all(path_);
    }
    ~Scratch() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    const std::string& path() const { return path_; }

  private:
    static inline std::atomic<unsigned> number_ = 0;  // suites run beside each other
    std::string path_;
};

}  // namespace pith::tools
