// SPDX-License-Identifier: MIT
#include "servers/linux/init.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "protocol/run.hpp"
#include "servers/linux/address_space.hpp"
#include "servers/linux/exec.hpp"
#include "servers/linux/net/inet/network.hpp"
#include "servers/linux/services.hpp"
#include "servers/linux/shutdown.hpp"
#include "servers/linux/vfs/file_table.hpp"
#include "servers/linux/vfs/fs_context.hpp"
#include "servers/linux/vfs/tty/console.hpp"
#include "servers/linux/vfs/vfs.hpp"
#include "servers/linux/wait_here.hpp"

namespace pith::lx {

namespace {

constexpr std::string_view kPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr u32 kDirectory = 0200000;

/// What run/config asks for.
struct Run {
    std::vector<std::string> arguments;
    std::vector<std::string> environment;
    std::string term = "dumb";
    bool interactive() const { return arguments.empty(); }
};

Run parse_run(std::string_view config) {
    Run run;
    while (const auto record = run::next_record(config)) {
        if (record->key == "arg") run.arguments.emplace_back(record->value);
        if (record->key == "env") run.environment.emplace_back(record->value);
        if (record->key == "term") run.term = record->value;
    }
    return run;
}

void add_default(std::vector<std::string>& environment, std::string_view name, std::string_view value) {
    const std::string prefix = std::string(name) + '=';
    const bool there = std::ranges::any_of(environment,
                                           [&](const auto& text) { return text.starts_with(prefix); });
    if (!there) environment.push_back(prefix + std::string(value));
}

std::string find_variable(const std::vector<std::string>& environment, std::string_view name) {
    const std::string prefix = std::string(name) + '=';
    for (const auto& text : environment)
        if (text.starts_with(prefix)) return text.substr(prefix.size());
    return {};
}

/// The names to try for a command, as execvp does.
std::vector<std::string> candidates(const std::string& command, const std::string& path) {
    if (command.find('/') != std::string::npos || command.empty()) return {command};
    std::vector<std::string> names;
    for (usize start = 0; start <= path.size();) {
        const usize end = std::min(path.find(':', start), path.size());
        const std::string folder = path.substr(start, end - start);
        names.push_back(folder.empty() ? command : folder + '/' + command);
        start = end + 1;
    }
    return names;
}

Process& make_process(Zone& zone, Pid pid, Process* parent, const char* name) {
    Process& process = *(zone.processes[pid] = std::make_unique<Process>(zone, pid));
    process.group = process.session = pid;
    process.name = name;
    process.parent = parent;
    process.actions = Ref<SignalActions>::make();
    process.files = Ref<FileTable>::make();
    process.fs = zone.vfs->first_context();
    process.start_time = zone.now();
    process.death_signal = kSigChld;
    if (parent != nullptr) parent->children.push_back(&process);
    zone.last_pid = std::max(zone.last_pid, pid);
    return process;
}

void tell(Thread& thread, const std::string& text) {
    File* file = thread.process.files->find(2);
    std::string line = "pith: " + text + '\n';
    if (file != nullptr) static_cast<void>(file->write(thread, UserIo::kernel(line.data(), line.size()), 0));
}

const char* describe(Errno error) {
    switch (error) {
        case Errno::ENOENT: return "not found";
        case Errno::EACCES: return "permission denied";
        case Errno::ENOEXEC: return "not an executable program";
        case Errno::ENOMEM: return "out of memory";
        case Errno::E2BIG: return "argument list too long";
        case Errno::EISDIR: return "is a directory";
        default: return "cannot be executed";
    }
}

/// The superuser's shell by /etc/passwd; /bin/sh where that doesn't say.
std::string login_shell(Thread& thread) {
    constexpr const char* kDefault = "/bin/sh";
    constexpr usize kMost = 4096;  // the superuser comes first
    SysResult<Ref<File>> file = thread.zone().vfs->open(thread, kAtCwd, "/etc/passwd", 0);
    if (!file.ok()) return kDefault;
    std::string text(kMost, '\0');
    const auto read = [](Thread& reader, Ref<File> from, UserIo to) -> Task<SysResult<usize>> {
        co_return PITH_AWAIT(from->read(reader, std::move(to), 0));
    };
    const SysResult<usize> size = wait_here(
        thread.zone().services->loop, read(thread, file.value(), UserIo::kernel(text.data(), text.size())));
    text.resize(size.ok() ? size.value() : 0);
    for (usize start = 0; start < text.size();) {
        const usize end = std::min(text.find('\n', start), text.size());
        const std::string line = text.substr(start, end - start);
        if (line.starts_with("root:")) {
            const std::string shell = line.substr(line.rfind(':') + 1);
            return shell.starts_with('/') ? shell : kDefault;
        }
        start = end + 1;
    }
    return kDefault;
}

/// Loads the command; the exit status if that fails.
u32 load_command(Thread& thread, const Run& run) {
    ExecRequest request;
    request.arguments = run.arguments;
    request.environment = run.environment;
    const std::string command = run.interactive() ? login_shell(thread) : run.arguments.front();
    if (run.interactive()) request.arguments = {'-' + command.substr(command.rfind('/') + 1)};
    Errno error = Errno::ENOENT;
    for (const std::string& name : candidates(command, find_variable(run.environment, "PATH"))) {
        request.path = name;
        const auto done = execute_first(thread, request);
        if (done.ok()) return 0;
        if (done.error() == Errno::ENOENT || done.error() == Errno::ENOTDIR) continue;
        error = done.error();
        if (error == Errno::ENOEXEC) break;
        if (error != Errno::EACCES) break;
    }
    tell(thread, command + ": " + describe(error));
    return error == Errno::ENOENT ? 127 : 126;
}

/// After a death of the server: it is no mistake of the command's that it begins again.
void tell_of_restart(const Zone& zone, const Run& run) {
    const std::string text = "linux has started again: all of its programs have ended, " +
                             (run.interactive()
                                  ? "and a new shell is run"
                                  : "and '" + run.arguments.front() + "' is run from its beginning");
    Log::Write record{};
    // Whoever asked for chaos is told of everything at the end.
    record.severity = static_cast<u32>(zone.services->chaos.valid() ? Severity::notice : Severity::crash);
    record.length = static_cast<u32>(std::min(text.size(), Log::kMaxText));
    std::memcpy(record.text, text.data(), record.length);
    if (zone.services->log.valid()) static_cast<void>(zone.services->log.call(record));
}

/// Who kills components while the command runs may begin. After a death of this server it has begun, and may be waiting for us.
void begin_chaos(const Zone& zone) {
    constexpr abi::Time kMoment = kMillisecond;
    const abi::Time deadline = zone.reborn ? zone.now() + kMoment : abi::kNoDeadline;
    if (zone.services->chaos.valid()) static_cast<void>(zone.services->chaos.call(Chaos::Begin{}, deadline));
}

}  // namespace

SysResult<> start_init(Zone& zone, std::string_view run_config) {
    Run run = parse_run(run_config);
    add_default(run.environment, "PATH", kPath);
    add_default(run.environment, "HOME", "/root");
    add_default(run.environment, "USER", "root");
    add_default(run.environment, "LOGNAME", "root");
    add_default(run.environment, "SHELL", "/bin/sh");
    add_default(run.environment, "TERM", run.term);

    zone.init = &make_process(zone, 1, nullptr, "init");
    (*zone.init->actions)[kSigChld].handler = kSigIgnore;
    Process& process = make_process(zone, 2, zone.init, "init");
    auto* thread = new Thread(process, 2);
    zone.threads[2] = thread;
    process.threads.push_back(thread);
    zone.main = 2;
    if (auto root = zone.vfs->open(*thread, -100, "/root", kDirectory); root.ok())
        process.fs->working = (*root)->path;
    zone.network->write_name_servers(*thread);
    if (zone.reborn) tell_of_restart(zone, run);
    const auto opened = zone.vfs->open_standard(*thread);
    u32 status = 126;
    if (opened.ok()) status = load_command(*thread, run);
    else tell(*thread, "cannot open the console");
    if (status != 0) {
        end_zone(zone, EndKind::exited, status);
        return {};
    }
    if (zone.vfs->console) zone.vfs->console->ready();
    begin_chaos(zone);
    thread->at_event = false;
    thread->go_on(Return::state, 0);
    return {};
}

}  // namespace pith::lx
