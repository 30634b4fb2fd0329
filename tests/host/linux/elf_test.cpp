// SPDX-License-Identifier: MIT
// The ELF and script readers, with good files, every truncation of one, and a hundred thousand damaged ones.
#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "servers/linux/elf.hpp"  // after the headers that use the errno macros

namespace pith::lx {
namespace {

class Bytes : public ElfReader {
  public:
    explicit Bytes(std::vector<u8> bytes) : bytes_(std::move(bytes)) {}
    u64 size() const override { return bytes_.size(); }
    bool read(u64 offset, void* to, usize size) override {
        if (offset > bytes_.size() || size > bytes_.size() - offset) return false;
        std::memcpy(to, bytes_.data() + offset, size);
        return true;
    }

  private:
    std::vector<u8> bytes_;
};

std::vector<u8> program() {
    std::vector<u8> file(0x3000, 0);
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, "\177ELF\2\1\1", 7);
    header.e_type = ET_EXEC;
    header.e_machine = EM_X86_64;
    header.e_entry = 0x401000;
    header.e_phoff = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 3;
    Elf64_Phdr headers[3] = {};
    headers[0] = {PT_LOAD, PF_R | PF_X, 0, 0x400000, 0, 0x1800, 0x1800, 0x1000};
    headers[1] = {PT_LOAD, PF_R | PF_W, 0x1800, 0x402800, 0, 0x400, 0x9000, 0x1000};
    headers[2] = {PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0, 0, 16};
    std::memcpy(file.data(), &header, sizeof header);
    std::memcpy(file.data() + sizeof header, headers, sizeof headers);
    return file;
}

TEST(Elf, Good) {
    Bytes file(program());
    const auto image = parse_elf(file);
    ASSERT_TRUE(image.ok());
    EXPECT_EQ(image->segments.size(), 2u);
    EXPECT_EQ(image->entry, 0x401000u);
    EXPECT_EQ(image->header_address, 0x400040u);
    EXPECT_EQ(image->low, 0x400000u);
    EXPECT_EQ(image->high, 0x40c000u);
    EXPECT_FALSE(image->position_independent);
    EXPECT_FALSE(image->executable_stack);
    EXPECT_EQ(image->segments[1].prot, 3);
}

TEST(Elf, EveryTruncation) {
    const auto whole = program();
    for (usize size = 0; size < 0x1c00; ++size) {
        Bytes file(std::vector<u8>(whole.begin(), whole.begin() + static_cast<long>(size)));
        EXPECT_EQ(parse_elf(file).error(), Errno::ENOEXEC) << size;
    }
}

TEST(Elf, DamagedNeverCrashes) {
    const auto whole = program();
    std::mt19937 random(1);
    for (int i = 0; i < 100'000; ++i) {
        auto bytes = whole;
        for (int k = 0; k < 4; ++k) bytes[random() % 0x100] = static_cast<u8>(random());
        Bytes file(bytes);
        const auto image = parse_elf(file);
        if (!image.ok()) continue;
        for (const auto& segment : image->segments) {
            EXPECT_LE(segment.offset + segment.file_size, bytes.size());
            EXPECT_LE(segment.file_size, segment.memory_size);
            EXPECT_LE(segment.address + segment.memory_size, 0x7fff'ffff'f000u);
        }
    }
}

Script script(std::string_view text) {
    const auto result = parse_script({reinterpret_cast<const u8*>(text.data()), text.size()});
    return result.ok() ? result.value() : Script{"error", ""};
}

TEST(Script, Lines) {
    EXPECT_EQ(script("#!/bin/sh\necho").interpreter, "/bin/sh");
    EXPECT_EQ(script("#! /bin/sh -e x \nfoo").interpreter, "/bin/sh");
    EXPECT_EQ(script("#! /bin/sh -e x \nfoo").argument, "-e x");
    EXPECT_EQ(script("#!/bin/sh").interpreter, "/bin/sh");
    EXPECT_EQ(script("#!\n").interpreter, "error");
    EXPECT_EQ(script("#").interpreter, "error");
    EXPECT_EQ(script("#!" + std::string(300, 'x')).interpreter, "error");
}

}  // namespace
}  // namespace pith::lx
