// SPDX-License-Identifier: MIT
#include "servers/linux/exec.hpp"

#include <string.h>

#include <algorithm>

#include "servers/linux/address_space.hpp"
#include "servers/linux/elf.hpp"
#include "servers/linux/futex.hpp"
#include "servers/linux/posix_timers.hpp"
#include "servers/linux/program_stack.hpp"
#include "servers/linux/services.hpp"
#include "servers/linux/vfs/file_table.hpp"
#include "servers/linux/vfs/vfs.hpp"
#include "servers/linux/wait_here.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr u32 kMaxScripts = 4;

/// Reads a program through its page cache. What is not there is told in `missing`: all is begun anew when it has been fetched.
class SourceReader : public ElfReader {
  public:
    SourceReader(Ref<PageSource> source, u64 size, MissingPage& missing)
        : source_(std::move(source)), size_(size), missing_(missing) {}
    u64 size() const override { return size_; }
    bool read(u64 offset, void* to, usize size) override {
        if (offset > size_ || size > size_ - offset) return false;
        auto* out = static_cast<u8*>(to);
        while (size > 0) {
            auto frame = source_->page(offset / kPageSize, false);
            if (frame.error() == Errno::EAGAIN) missing_ = {source_, offset / kPageSize};
            if (!frame.ok()) return false;
            const usize length = std::min<usize>(size, kPageSize - offset % kPageSize);
            memcpy(out, frame->data() + offset % kPageSize, length);
            out += length;
            offset += length;
            size -= length;
        }
        return true;
    }

  private:
    Ref<PageSource> source_;
    u64 size_;
    MissingPage& missing_;
};

/// A program that is ready to run, in its own memory.
struct LoadedProgram {
    Ref<AddressSpace> memory;
    Ref<File> file;
    std::string path;
    ProgramStack stack;
    u64 entry = 0;
    Credentials credentials;
};

SysResult<> map_segment(AddressSpace& memory, const ElfSegment& segment, u64 bias,
                        const Ref<PageSource>& source, const std::string& name, MissingPage& missing) {
    const u64 start = page_floor(segment.address + bias);
    const u64 file_end = segment.address + bias + segment.file_size;
    const u64 end = page_ceil(segment.address + bias + segment.memory_size);
    MapRequest request;
    request.fixed = true;
    request.prot = segment.prot;
    u64 anonymous = start;
    if (segment.file_size > 0) {
        request.address = start;
        request.length = page_ceil(file_end) - start;
        request.source = source;
        request.source_page = page_floor(segment.offset) / kPageSize;
        request.name = name;
        PITH_TRY(memory.map(request));
        anonymous = page_ceil(file_end);
        // The rest of the last page belongs to .bss.
        if (segment.memory_size > segment.file_size && (segment.prot & 2) != 0 && file_end < anonymous) {
            const u64 last = (segment.offset + segment.file_size) / kPageSize;
            if (source->page(last, false).error() == Errno::EAGAIN) {
                missing = {source, last};
                return Errno::EAGAIN;
            }
            PITH_CHECK(clear_out(memory, file_end, anonymous - file_end));
        }
    }
    if (anonymous < end) {
        MapRequest bss;
        bss.fixed = true;
        bss.prot = segment.prot;
        bss.address = anonymous;
        bss.length = end - anonymous;
        PITH_TRY(memory.map(bss));
    }
    return {};
}

/// Maps all segments; gives the bias.
SysResult<u64> map_image(AddressSpace& memory, const ElfImage& image, const Ref<PageSource>& source, u64 base,
                         const std::string& name, MissingPage& missing) {
    u64 bias = 0;
    if (image.position_independent) {
        if (base == 0) {
            // Below the other mappings: find a hole, then use it.
            MapRequest probe;
            probe.length = image.high - image.low + image.alignment;
            base = PITH_TRY(memory.map(probe));
            PITH_CHECK(memory.unmap(base, page_ceil(probe.length)));
        }
        if (image.alignment > kPageSize) base = (base + image.alignment - 1) & ~(image.alignment - 1);
        bias = base - image.low;
    }
    for (const ElfSegment& segment : image.segments)
        PITH_CHECK(map_segment(memory, segment, bias, source, name, missing));
    return bias;
}

struct Opened {
    Ref<File> file;
    Ref<PageSource> source;
    u64 size = 0;
};

SysResult<Opened> open_program(Thread& thread, i32 directory, const std::string& path, u32 flags) {
    Opened opened;
    opened.file = PITH_TRY(thread.zone().vfs->open_program(thread, directory, path, flags));
    auto source = opened.file->pages();
    if (!source.ok()) return Errno::EACCES;
    opened.source = std::move(source).value();
    opened.size = static_cast<u64>(opened.file->inode().size());
    return opened;
}

/// Follows `#!` lines until there is a program: `request` gets the arguments that the interpreter sees.
SysResult<Opened> find_program(Thread& thread, ExecRequest& request, MissingPage& missing) {
    std::string path = request.path;
    if (path.empty() || request.directory >= 0) {
        if (!path.starts_with('/') && request.directory >= 0)
            path = "/dev/fd/" + std::to_string(request.directory) + (path.empty() ? "" : "/" + path);
    }
    Opened opened = PITH_TRY(open_program(thread, request.directory, request.path, request.flags));
    for (u32 depth = 0;; ++depth) {
        u8 head[256] = {};
        SourceReader reader(opened.source, opened.size, missing);
        const usize length = std::min<u64>(opened.size, sizeof head);
        if (length < 3 || !reader.read(0, head, length)) return Errno::ENOEXEC;
        if (head[0] != '#' || head[1] != '!') break;
        if (depth > kMaxScripts) return Errno::ELOOP;
        const Script script = PITH_TRY(parse_script({head, length}));
        std::vector<std::string> arguments{script.interpreter};
        if (!script.argument.empty()) arguments.push_back(script.argument);
        arguments.push_back(path);
        if (request.arguments.size() > 1)
            arguments.insert(arguments.end(), request.arguments.begin() + 1, request.arguments.end());
        request.arguments = std::move(arguments);
        path = script.interpreter;
        opened = PITH_TRY(open_program(thread, -100, path, 0));
    }
    request.path = path;
    return opened;
}

void apply_setuid(Thread& thread, const File& file, Credentials& credentials) {
    credentials = thread.process.credentials;
    const Inode& inode = file.inode();
    if ((file.path.mount->flags & kMountNoSetuid) != 0) return;
    if ((inode.mode & S_SETUID) != 0) credentials.euid = credentials.fsuid = inode.uid;
    if ((inode.mode & (S_SETGID | 010)) == (S_SETGID | 010)) credentials.egid = credentials.fsgid = inode.gid;
    credentials.suid = credentials.euid;
    credentials.sgid = credentials.egid;
}

struct LoadedInterpreter {
    u64 base = 0;  ///< AT_BASE
    u64 entry = 0;
};

/// The dynamic linker that a program names. EIO: it is shorter than a header; ELIBBAD: it is no program.
SysResult<LoadedInterpreter> load_interpreter(Thread& thread, AddressSpace& memory, const std::string& path,
                                              MissingPage& missing) {
    if (path.empty()) return Errno::EACCES;  // as the working directory would be, which it names on Linux
    const Opened linker = PITH_TRY(open_program(thread, -100, path, 0));
    if (linker.size < kElfHeaderSize) return Errno::EIO;
    SourceReader reader(linker.source, linker.size, missing);
    const auto image = parse_elf(reader);
    if (!image.ok()) return Errno::ELIBBAD;
    const std::string name = path_name(linker.file->path, thread.process.fs->root);
    const u64 base = PITH_TRY(map_image(memory, *image, linker.source, 0, name, missing));
    return LoadedInterpreter{base, image.value().entry + base};
}

SysResult<LoadedProgram> load_resident(Thread& thread, ExecRequest request, MissingPage& missing) {
    Process& process = thread.process;
    LoadedProgram program;
    Opened opened = PITH_TRY(find_program(thread, request, missing));
    SourceReader reader(opened.source, opened.size, missing);
    const ElfImage image = PITH_TRY(parse_elf(reader));
    program.memory = PITH_TRY(AddressSpace::create(thread.zone().frames, thread.zone().frames.pool()));
    AddressSpace& memory = *program.memory;
    memory.limit_as = process.limit(Resource::as).soft;
    memory.limit_data = process.limit(Resource::data).soft;
    memory.limit_stack = process.limit(Resource::stack).soft;
    const Ref<FsContext> fs = process.fs;
    program.path = path_name(opened.file->path, fs->root);
    StackRequest stack;
    stack.vdso = PITH_TRY(thread.zone().vdso->map(memory));
    const u64 bias = PITH_TRY(map_image(memory, image, opened.source, kPieBase, program.path, missing));
    memory.start_brk(page_ceil(image.high + bias));
    apply_setuid(thread, *opened.file, program.credentials);

    stack.program_headers = image.header_address != 0 ? image.header_address + bias : 0;
    stack.header_count = image.header_count;
    stack.header_size = image.header_size;
    stack.entry = program.entry = image.entry + bias;
    stack.executable = image.executable_stack;
    stack.secure = program.credentials.euid != process.credentials.uid ||
                   program.credentials.egid != process.credentials.gid;
    stack.credentials = &program.credentials;
    stack.path = request.path;
    thread.zone().random(stack.random, sizeof stack.random);
    if (image.has_interpreter) {
        const LoadedInterpreter linker = PITH_TRY(
            load_interpreter(thread, memory, image.interpreter, missing));
        stack.interpreter_base = linker.base;
        program.entry = linker.entry;
    }
    program.stack = PITH_TRY(build_stack(memory, stack, request.arguments, request.environment));
    program.file = opened.file;
    return program;
}

/// Begun anew for each name and each page that a disk has to be asked for.
Task<SysResult<LoadedProgram>> load(Thread& thread, const ExecRequest& request) {
    while (true) {
        MissingPage missing;
        SysResult<LoadedProgram> program = load_resident(thread, request, missing);
        if (program.error() == kWalkWaits) {
            PITH_CO_CHECK(co_await thread.zone().vfs->finish_lookup(thread));
        } else if (missing.source && !program.ok() && !thread.fatal_signal_pending()) {
            const DeviceWait waiting(thread);
            PITH_CO_CHECK(PITH_AWAIT(missing.source->fetch(missing.index)));
        } else {
            thread.zone().vfs->drop_lookup(thread);
            co_return program;
        }
    }
}

void set_name(Thread& thread, const std::string& path) {
    const usize slash = path.rfind('/');
    const std::string base = (slash == std::string::npos ? path : path.substr(slash + 1)).substr(0, 15);
    thread.process.name = base;
    memset(thread.name, 0, sizeof thread.name);
    memcpy(thread.name, base.data(), base.size());
    thread.publish_name();
}

void set_registers(Thread& thread, const LoadedProgram& program) {
    abi::ForeignState& state = *thread.state;
    memset(&state, 0, sizeof state);
    state.rip = program.entry;
    state.rsp = program.stack.pointer;
    state.rflags = 0x202;
}

/// What exec keeps and what it does not.
void change_over(Thread& thread, LoadedProgram& program, const std::string& path) {
    Process& process = thread.process;
    process.executable = program.file;
    process.executable_path = program.path;
    process.arguments_start = program.stack.arguments_start;
    process.arguments_end = program.stack.arguments_end;
    process.environment_start = program.stack.environment_start;
    process.environment_end = program.stack.environment_end;
    process.auxv = program.stack.auxv;
    process.credentials = program.credentials;
    process.executed = true;
    process.dumpable = true;
    set_name(thread, path);
    thread.alt_stack = {};
    thread.clear_tid = 0;
    thread.robust_list = 0;
    if (process.files->ref_count() > 1) process.files = process.files->copy();
    process.files->close_for_exec();
    auto actions = Ref<SignalActions>::make();
    for (i32 signo = 1; signo <= kSignals; ++signo)
        if ((*process.actions)[signo].handler == kSigIgnore) (*actions)[signo].handler = kSigIgnore;
    process.actions = actions;
    delete std::exchange(process.timers, nullptr);
    set_registers(thread, program);
    if (Thread* waiter = std::exchange(process.vfork_waiter, nullptr))
        if (waiter->sleep != nullptr) waiter->sleep->wake();
}

/// All other threads end; the one that is left becomes the leader.
Task<SysResult<u64>> end_other_threads(Thread& thread) {
    Process& process = thread.process;
    const std::vector<Thread*> all = process.threads;
    for (Thread* other : all) {
        if (other == &thread || other->dead) continue;
        other->dying = true;
        if (!other->at_event || other->parked) exit_thread(*other);
        else if (other->sleep != nullptr) other->sleep->interrupt(true);
    }
    while (process.threads.size() > 1) {
        QueueSleep sleep(thread, process.exit_event, 0, false);
        PITH_CO_CHECK(co_await sleep);
    }
    if (thread.tid != process.pid) {
        thread.zone().threads.erase(thread.tid);
        thread.tid = process.pid;
        thread.zone().threads[thread.tid] = &thread;
    }
    co_return u64{0};
}

/// A kernel Thread in the new Space takes the place of the old one.
SysResult<> replace_kernel_thread(Thread& thread, LoadedProgram& program) {
    Process& process = thread.process;
    Ref<AddressSpace> old_memory = process.memory;
    const HandleIndex old_handle = thread.handle;
    const u32 old_slot = thread.state_slot;
    abi::ForeignState* const old_state = thread.state;
    const u64 spent = thread.cpu_time();
    process.memory = program.memory;
    if (const auto made = thread.create_kernel_thread(); !made.ok()) {
        process.memory = old_memory;
        thread.handle = old_handle;
        thread.state_slot = old_slot;
        thread.state = old_state;
        return made.error();
    }
    if (old_memory) {
        // Of the locks that the old program held, and of its end, those who share them learn.
        process.memory = std::move(old_memory);
        release_futexes(thread);
        process.memory = program.memory;
    }
    if (old_handle != 0) {
        static_cast<void>(Handle<pith::Thread>(old_handle).destroy());
        thread.zone().states.free(old_slot);
        thread.usage.user_time += spent;
    }
    return {};
}

}  // namespace

Task<SysResult<u64>> execute(Thread& thread, ExecRequest request) {
    const std::string path = request.path;
    LoadedProgram program = PITH_CO_TRY(co_await load(thread, request));
    if (thread.process.threads.size() > 1) PITH_CO_TRY(co_await end_other_threads(thread));
    PITH_CO_CHECK(replace_kernel_thread(thread, program));
    thread.interrupt_sent = false;
    change_over(thread, program, path.empty() ? program.path : path);
    co_return u64{0};
}

SysResult<> execute_first(Thread& thread, const ExecRequest& request) {
    const std::string path = request.path;
    LoadedProgram program = PITH_TRY(wait_here(thread.zone().services->loop, load(thread, request)));
    PITH_CHECK(replace_kernel_thread(thread, program));
    change_over(thread, program, path);
    return {};
}

namespace {

/// The strings of a NULL-terminated array of pointers. E2BIG over `room` bytes, which is lessened.
SysResult<std::vector<std::string>> get_strings(Thread& thread, u64 array, u64& room) {
    std::vector<std::string> strings;
    if (array == 0) return strings;
    for (u64 at = array;; at += 8) {
        const u64 pointer = PITH_TRY(get<u64>(thread, at));
        if (pointer == 0) return strings;
        strings.push_back(PITH_TRY(get_string(thread, pointer, kMaxArgument, Errno::E2BIG)));
        const u64 size = strings.back().size() + 1 + sizeof(u64);
        if (size > room) return Errno::E2BIG;
        room -= size;
    }
}

SysResult<ExecRequest> get_request(Thread& thread, u64 path, u64 arguments, u64 environment) {
    ExecRequest request;
    request.path = PITH_TRY(get_path(thread, path));
    u64 room = std::clamp<u64>(thread.process.limit(Resource::stack).soft / 4, 128 << 10, 6 << 20);
    request.arguments = PITH_TRY(get_strings(thread, arguments, room));
    request.environment = PITH_TRY(get_strings(thread, environment, room));
    if (request.arguments.empty()) request.arguments.emplace_back();
    return request;
}

Task<SysResult<u64>> execute_call(Thread& thread, ExecRequest request) {
    const u64 result = PITH_CO_TRY(co_await execute(thread, std::move(request)));
    // The call ends in another program: all its registers come from the state page.
    thread.call_number = -1;
    thread.new_program = true;
    co_return result;
}

}  // namespace

Outcome sys_execve(Thread& thread, const SyscallArgs& args) {
    auto request = get_request(thread, args.a0, args.a1, args.a2);
    if (!request.ok()) return request.error();
    if (request->path.empty()) return Errno::ENOENT;
    return run(thread, execute_call(thread, std::move(request).value()));
}

Outcome sys_execveat(Thread& thread, const SyscallArgs& args) {
    auto request = get_request(thread, args.a1, args.a2, args.a3);
    if (!request.ok()) return request.error();
    request->directory = static_cast<i32>(args.a0);
    request->flags = static_cast<u32>(args.a4);
    if ((request->flags & ~0x1100u) != 0) return Errno::EINVAL;
    if (request->path.empty() && (request->flags & 0x1000) == 0) return Errno::ENOENT;
    return run(thread, execute_call(thread, std::move(request).value()));
}

}  // namespace pith::lx
