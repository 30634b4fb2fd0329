// SPDX-License-Identifier: MIT
// Suite size: how much kernel there is.
//   text        bytes of the image's .text but those of boot code: code as linked, with the padding between functions
//   text_boot   bytes of boot code: what runs only before the first user instruction of its CPU, since nothing that is
//               entered later leads to it
//   lines_...   lines with code on them: neither empty nor comment alone; .cpp, .hpp and .S
#include <filesystem>
#include <map>
#include <set>

#include "tools/base/host.hpp"
#include "tools/measure/reachable.hpp"
#include "tools/measure/source_lines.hpp"
#include "tools/measure/suite.hpp"

namespace pith::tools {

namespace {

namespace fs = std::filesystem;

constexpr u64 kSel4Text = 76 * 1024;  ///< without its boot code
constexpr u64 kMostText = 64 * 1024;
constexpr u64 kMostLines = 10'000;

/// What is entered after boot: the sections of the stubs of arch/x86_64/entry.S and ipc.S.
constexpr const char* kEntrySection = ".text.entry";
/// What the linker has made of all C++ files together.
constexpr const char* kWholeProgram = "/kernel/pith-kernel.elf.lto.o";
/// Runs before everything else, in functions without sizes.
constexpr const char* kBootAssembly = "arch/x86_64/boot.S.o";

/// Bytes of boot code in the kernel's image: boot.S, and every function that can't be reached from the entry stubs.
u64 boot_text(const BenchTree& tree, const ElfImage& kernel) {
    std::vector<ElfImage> objects;
    u64 bytes = 0;
    objects.emplace_back(tree.build + kWholeProgram);
    const std::string folder = tree.build + "/kernel/CMakeFiles/pith_kernel.dir";
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
        const std::string path = entry.path().string();
        if (!path.ends_with(".S.o")) continue;
        objects.emplace_back(path);
        if (path.ends_with(kBootAssembly)) bytes += objects.back().code_size();
    }
    if (bytes == 0) fail(1, "{} has no {}", folder, kBootAssembly);
    const std::set<std::string> later = reachable_functions(objects, kEntrySection);
    // A function may have several names, any of which can lead to it.
    std::map<u64, u64> sizes;
    for (const ElfFunction& function : kernel.functions()) sizes[function.address] = function.size;
    for (const ElfFunction& function : kernel.functions())
        if (later.contains(function.name)) sizes.erase(function.address);
    for (const auto& [address, size] : sizes) bytes += size;
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

Row bounded(Row row, u64 most) {
    row.most = most;
    return row;
}

}  // namespace

Measured measure_size(const BenchTree& tree) {
    const ElfImage kernel(tree.build + "/kernel/pith-kernel.elf");
    const u64 boot = boot_text(tree, kernel);
    const u64 text = kernel.code_size() - boot;
    const u64 core = lines_below(tree.root + "/kernel/core");
    const u64 arch = lines_below(tree.root + "/kernel/arch/x86_64") +
                     lines_below(tree.root + "/kernel/platform");
    return {
        {bounded(size_row("text", "bytes", text, {{"sel4", kSel4Text}}), kMostText),
         size_row("text_boot", "bytes", boot), size_row("lines_core", "lines", core),
         size_row("lines_arch", "lines", arch), bounded(size_row("lines", "lines", core + arch), kMostLines)},
        {std::format("size: text {} of at most {} bytes, lines {} of at most {}", text, kMostText,
                     core + arch, kMostLines)}};
}

}  // namespace pith::tools
