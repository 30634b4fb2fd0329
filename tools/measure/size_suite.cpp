// SPDX-License-Identifier: MIT
// Suite size: how much kernel there is.
//   text        bytes of the image's .text but those of boot code: code as linked, with the padding between functions
//   text_boot   bytes of boot code: what runs only before the first user instruction, by the source files below
//   lines_...   lines with code on them: neither empty nor comment alone; .cpp, .hpp and .S
#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

#include "tools/base/host.hpp"
#include "tools/measure/elf_image.hpp"
#include "tools/measure/source_lines.hpp"
#include "tools/measure/suite.hpp"

namespace pith::tools {

namespace {

namespace fs = std::filesystem;

constexpr u64 kSel4Text = 76 * 1024;  ///< without its boot code
constexpr u64 kMostText = 64 * 1024;
constexpr u64 kMostLines = 10'000;

/// Sources of boot code, from kernel/.
constexpr std::array kBootSources = {
    "arch/x86_64/boot.S",     "arch/x86_64/boot.cpp",   "arch/x86_64/kernel_map.cpp",
    "arch/x86_64/memory.cpp", "arch/x86_64/smp.cpp",    "core/boot.cpp",
    "core/elf.cpp",           "platform/acpi/acpi.cpp",
};
/// Functions in them that run later too: part of their (mangled) names.
constexpr std::array kLater = {"kernel_devices", "reserved_physical", "ticks_to_nanoseconds",
                               "clock_changed"};

/// Bytes of boot code in the kernel's image.
u64 boot_text(const BenchTree& tree, const ElfImage& kernel) {
    std::set<std::string> names;
    u64 bytes = 0;
    for (const std::string source : kBootSources) {
        const ElfImage object(std::format("{}/kernel/CMakeFiles/pith_kernel.dir/{}.o", tree.build, source));
        if (source.ends_with(".S")) {  // its functions have no sizes
            bytes += object.code_size();
            continue;
        }
        for (const ElfFunction& function : object.functions()) {
            const bool later = std::ranges::any_of(
                kLater, [&](const char* part) { return function.name.find(part) != std::string::npos; });
            if (!later) names.insert(function.name);
        }
    }
    for (const ElfFunction& function : kernel.functions())
        if (names.contains(function.name)) bytes += function.size;
    return bytes;
}

u64 lines_below(const std::string& folder) {
    static const std::set<std::string> kExtensions = {".cpp", ".hpp", ".S"};
    u64 lines = 0;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
        if (entry.is_regular_file() && kExtensions.contains(entry.path().extension())) {
            const std::vector<u8> content = read_file(entry.path());
            lines += lines_of_code({reinterpret_cast<const char*>(content.data()), content.size()});
        }
    }
    return lines;
}

Row size_row(const char* name, const char* unit, u64 value, std::map<std::string, u64> peers = {}) {
    return make_row("size", name, unit, {value}, std::move(peers));
}

}  // namespace

Measured measure_size(const BenchTree& tree) {
    const ElfImage kernel(tree.build + "/kernel/pith-kernel.elf");
    const u64 boot = boot_text(tree, kernel);
    const u64 text = kernel.code_size() - boot;
    const u64 core = lines_below(tree.root + "/kernel/core");
    const u64 arch = lines_below(tree.root + "/kernel/arch/x86_64") +
                     lines_below(tree.root + "/kernel/platform");
    return {{size_row("text", "bytes", text, {{"sel4", kSel4Text}}), size_row("text_boot", "bytes", boot),
             size_row("lines_core", "lines", core), size_row("lines_arch", "lines", arch),
             size_row("lines", "lines", core + arch)},
            {std::format("size: text {} of at most {} bytes, lines {} of at most {}", text, kMostText,
                         core + arch, kMostLines)}};
}

}  // namespace pith::tools
