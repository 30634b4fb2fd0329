// SPDX-License-Identifier: MIT
#include "servers/linux/service_update.hpp"

#include <elf.h>

#include <algorithm>
#include <cstring>

#include "lib/os/mapping.hpp"
#include "lib/os/start_info.hpp"
#include "servers/linux/services.hpp"
#include "servers/linux/vfs/open.hpp"
#include "servers/linux/vfs/vfs.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr u64 kLargest = 16 << 20;

Task<SysResult<Ref<File>>> open_file(Thread& thread, std::string path) {
    Vfs& vfs = *thread.zone().vfs;
    while (true) {
        SysResult<Ref<File>> file = PITH_AWAIT(
            open_path(thread, kAtCwd, path, O_READ_ONLY | O_LARGE_FILE, 0));
        if (file.error() != kWalkWaits) {
            vfs.drop_lookup(thread);
            co_return file;
        }
        PITH_CO_CHECK(co_await vfs.finish_lookup(thread));
    }
}

/// Bytes from the start of the file; fewer: it ends there.
Task<SysResult<usize>> read_start(Thread& thread, Ref<File> file, u8* to, usize size) {
    usize done = 0;
    while (done < size) {
        const usize part = PITH_CO_TRY(
            PITH_AWAIT(file->read(thread, UserIo::kernel(to + done, size - done), static_cast<i64>(done))));
        if (part == 0) break;
        done += part;
    }
    co_return done;
}

/// Where what is loaded ends; 0: it is no ELF file. The supervisor looks more closely.
u64 loaded_end(const u8* start, usize size) {
    Elf64_Ehdr header;
    if (size < sizeof header) return 0;
    std::memcpy(&header, start, sizeof header);
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_phentsize != sizeof(Elf64_Phdr) ||
        header.e_phoff > size || header.e_phnum > (size - header.e_phoff) / sizeof(Elf64_Phdr))
        return 0;
    u64 end = header.e_phoff + header.e_phnum * sizeof(Elf64_Phdr);
    for (usize i = 0; i < header.e_phnum; ++i) {
        Elf64_Phdr segment;
        std::memcpy(&segment, start + header.e_phoff + i * sizeof segment, sizeof segment);
        if (segment.p_type != PT_LOAD) continue;
        if (segment.p_offset > kLargest || segment.p_filesz > kLargest - segment.p_offset) return 0;
        end = std::max(end, segment.p_offset + segment.p_filesz);
    }
    return end;
}

}  // namespace

Task<SysResult<>> update_service(Thread& thread, std::string name, std::string path) {
    Ref<File> file = PITH_CO_TRY(co_await open_file(thread, std::move(path)));
    u8 start[kPageSize / 4];
    const usize started = PITH_CO_TRY(co_await read_start(thread, file, start, sizeof start));
    const u64 size = loaded_end(start, started);
    if (size == 0) co_return Errno::ENOEXEC;
    auto memory = MappedMemory::create(own_pool(), size);
    if (!memory.ok()) co_return Errno::ENOMEM;
    if (PITH_CO_TRY(co_await read_start(thread, file, memory->as<u8>(), size)) != size)
        co_return Errno::ENOEXEC;
    pith::Process::Update update{};
    std::memcpy(update.name, name.data(), std::min(name.size(), sizeof update.name - 1));
    update.size = size;
    ReceivedHandles none;
    HandleList handles;
    handles.add(memory->memory(), rights(abi::MemoryRight::read));
    auto done = thread.zone().services->process.call(update, handles, none);
    if (done.ok()) co_return SysResult<>();
    co_return done.error() == Error::protocol ? Errno::ENOEXEC : to_errno(done.error());
}

}  // namespace pith::lx
