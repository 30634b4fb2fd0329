// SPDX-License-Identifier: MIT
// The bundle's builder, read back by the rules of abi/boot.hpp; and bad ELF files.
#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "tools/base/host.hpp"
#include "tools/bundle/builder.hpp"

namespace pith::tools {
namespace {

struct Entry {
    abi::BundleKind kind;
    u32 mode;
    i64 mtime;
    std::string content;
};

std::map<std::string, Entry> read_back(const std::vector<u8>& segment) {
    abi::BundleHeader header;
    std::memcpy(&header, segment.data(), sizeof(header));
    EXPECT_EQ(header.magic, abi::kBundleMagic);
    EXPECT_EQ(header.size, segment.size());
    EXPECT_EQ(segment.size() % abi::kPageSize, 0u);
    const usize names = sizeof(header) + header.entries * sizeof(abi::BundleEntry);
    std::map<std::string, Entry> entries;
    for (u32 index = 0; index < header.entries; ++index) {
        abi::BundleEntry entry;
        std::memcpy(&entry, segment.data() + sizeof(header) + index * sizeof(entry), sizeof(entry));
        EXPECT_LE(entry.name_offset + entry.name_length, header.names_size);
        EXPECT_LE(entry.offset + entry.size, segment.size());
        if (entry.kind != abi::BundleKind::symlink) EXPECT_EQ(entry.offset % abi::kPageSize, 0u);
        const char* base = reinterpret_cast<const char*>(segment.data());
        entries.emplace(
            std::string(base + names + entry.name_offset, entry.name_length),
            Entry{entry.kind, entry.mode, entry.mtime, std::string(base + entry.offset, entry.size)});
    }
    return entries;
}

std::vector<u8> bytes(std::string_view text) { return {text.begin(), text.end()}; }

/// A minimal executable: one segment of 16 bytes, then 100 bytes of what a linker puts behind it.
std::vector<u8> small_elf() {
    std::vector<u8> file(sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr) + 16 + 100, 0x55);
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_type = ET_EXEC;
    header.e_machine = EM_X86_64;
    header.e_phoff = sizeof(header);
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 1;
    header.e_shoff = 200;
    header.e_shnum = 3;
    Elf64_Phdr segment{};
    segment.p_type = PT_LOAD;
    segment.p_offset = sizeof(header) + sizeof(segment);
    segment.p_filesz = 16;
    std::memcpy(file.data(), &header, sizeof(header));
    std::memcpy(file.data() + sizeof(header), &segment, sizeof(segment));
    return file;
}

TEST(Bundle, HoldsWhatWasAdded) {
    BundleBuilder bundle;
    bundle.add_file("/bin//tool", bytes("content"), 0755, 42);
    bundle.add_symlink("bin/link", "/bin/tool", 43);
    bundle.add_symlink("bin/other", "/bin/tool", 44);
    bundle.add_directory("tmp", 01777, 45);
    bundle.add_data("run/config", bytes("arg=x"));
    const auto entries = read_back(bundle.finish());
    ASSERT_EQ(entries.size(), 6u);
    EXPECT_EQ(entries.at("rootfs/bin").kind, abi::BundleKind::directory);
    EXPECT_EQ(entries.at("rootfs/bin/tool").content, "content");
    EXPECT_EQ(entries.at("rootfs/bin/tool").mode, 0755u);
    EXPECT_EQ(entries.at("rootfs/bin/tool").mtime, 42);
    EXPECT_EQ(entries.at("rootfs/bin/link").content, "/bin/tool");
    EXPECT_EQ(entries.at("rootfs/bin/other").content, "/bin/tool");
    EXPECT_EQ(entries.at("rootfs/tmp").mode, 01777u);
    EXPECT_EQ(entries.at("run/config").kind, abi::BundleKind::data);
}

TEST(Bundle, LaterOneReplaces) {
    BundleBuilder bundle;
    bundle.add_file("a", bytes("first"), 0644, 1);
    bundle.add_file("a", bytes("second"), 0600, 2);
    EXPECT_EQ(read_back(bundle.finish()).at("rootfs/a").content, "second");
}

TEST(Bundle, EmptyOneIsValid) { EXPECT_TRUE(read_back(BundleBuilder().finish()).empty()); }

TEST(Bundle, GuestPaths) {
    EXPECT_EQ(guest_path("/a/./b//c/"), "a/b/c");
    EXPECT_EQ(guest_path("/"), "");
    EXPECT_THROW(guest_path("a/../b"), Failure);
}

TEST(Bundle, MissingHostFile) {
    BundleBuilder bundle;
    EXPECT_THROW(bundle.add_host_path("/no/such/file", "x"), Failure);
    EXPECT_THROW(bundle.add_component("x", "/no/such/file"), Failure);
    EXPECT_THROW(bundle.add_host_path("/dev/null", "x"), Failure);
}

TEST(Elf, IsCutBehindItsSegments) {
    const std::vector<u8> part = loadable_part(small_elf(), "x");
    EXPECT_EQ(part.size(), sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr) + 16);
    Elf64_Ehdr header;
    std::memcpy(&header, part.data(), sizeof(header));
    EXPECT_EQ(header.e_shoff, 0u);
    EXPECT_EQ(header.e_shnum, 0);
}

TEST(Elf, EveryTruncationIsRefused) {
    const std::vector<u8> file = small_elf();
    for (usize size = 0; size < sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr) + 16; ++size) {
        EXPECT_THROW(loadable_part({file.begin(), file.begin() + static_cast<i64>(size)}, "x"), Failure)
            << size;
    }
}

TEST(Elf, WrongKindsAreRefused) {
    EXPECT_THROW(
        loadable_part(bytes("#!/bin/sh\necho this is longer than an ELF header is, by far, and no ELF\n"),
                      "x"),
        Failure);
    for (const auto& [offset, value] : std::map<usize, u8>{{0, 0},
                                                           {EI_CLASS, ELFCLASS32},
                                                           {EI_DATA, ELFDATA2MSB},
                                                           {16, ET_REL},
                                                           {16, ET_DYN},
                                                           {18, EM_386},
                                                           {54, 1}}) {
        std::vector<u8> file = small_elf();
        file[offset] = value;
        EXPECT_THROW(loadable_part(file, "x"), Failure) << offset;
    }
    // Offsets so large that their sums overflow.
    for (const usize offset : {usize{32}, sizeof(Elf64_Ehdr) + 8, sizeof(Elf64_Ehdr) + 32}) {
        std::vector<u8> file = small_elf();
        std::memset(file.data() + offset, 0xff, 8);
        EXPECT_THROW(loadable_part(file, "x"), Failure) << offset;
    }
}

}  // namespace
}  // namespace pith::tools
