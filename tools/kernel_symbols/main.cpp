// SPDX-License-Identifier: MIT
// kernel_symbols NM_OUTPUT ASSEMBLER_FILE: turns the list of functions of the kernel's first link (llvm-nm -n -C) into the
// section .symbols of the second, whose layout kernel/arch/x86_64/panic.cpp describes.
#include <cstdint>
#include <fstream>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

namespace {

constexpr std::uint64_t kKernelBase = 0xffffffff80000000;

/// A name without its parameters: `pith::core::Pool::create`.
std::string shorten(const std::string& name) {
    int templates = 0;
    for (std::size_t i = 0; i < name.size(); i++) {
        if (name.compare(i, 11, "(anonymous ") == 0) {
            i = name.find(')', i);
            if (i == std::string::npos) break;
            continue;
        }
        if (name.compare(i, 8, "operator") == 0) return name;
        if (name[i] == '<') templates++;
        if (name[i] == '>') templates--;
        if (name[i] == '(' && templates == 0) return name.substr(0, i);
    }
    return name;
}

std::string quote(const std::string& text) {
    std::string result;
    for (char c : text) {
        if (c == '"' || c == '\\') result += '\\';
        result += c;
    }
    return result;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::cerr << "usage: kernel_symbols NM_OUTPUT ASSEMBLER_FILE\n";
        return 2;
    }
    std::ifstream in(argv[1]);
    std::ofstream out(argv[2]);
    std::vector<std::pair<std::uint64_t, std::string>> functions;
    for (std::string line; std::getline(in, line);) {
        if (line.size() < 20) continue;
        char kind = line[17];
        if (kind != 't' && kind != 'T' && kind != 'w' && kind != 'W') continue;
        std::uint64_t address = std::stoull(line.substr(0, 16), nullptr, 16);
        if (address < kKernelBase || (!functions.empty() && functions.back().first == address)) continue;
        functions.emplace_back(address, shorten(line.substr(19)));
    }
    out << ".section .symbols, \"a\"\n.global kernel_symbols\n.align 4\nkernel_symbols:\n.long "
        << functions.size() << "\n";
    std::size_t offset = 0;
    for (const auto& [address, name] : functions) {
        out << ".long " << address - kKernelBase << ", " << offset << "\n";
        offset += name.size() + 1;
    }
    for (const auto& [address, name] : functions) out << ".asciz \"" << quote(name) << "\"\n";
    out << ".section .note.GNU-stack, \"\", @progbits\n";
    out.flush();
    if (!in.eof() || !out || functions.empty()) {
        std::cerr << "kernel_symbols: cannot read " << argv[1] << " or write " << argv[2] << "\n";
        return 1;
    }
    return 0;
}
