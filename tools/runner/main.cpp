// SPDX-License-Identifier: MIT
// pith_run: one run of a system in QEMU. `./pith run` and `./pith debug` check the usage, build, and end up here.
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "tools/base/host.hpp"
#include "tools/runner/config.hpp"
#include "tools/runner/debugger.hpp"
#include "tools/runner/session.hpp"
#include "tools/trace/report.hpp"

namespace {

using namespace pith::tools;

/// The signals that we handle, blocked and turned into a descriptor. One that is ignored (nohup) stays ignored.
int signal_descriptor() {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGCONT}) ::sigaddset(&set, signal);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    const int descriptor = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (descriptor < 0) fail(1, "{}", error_text("signalfd"));
    return descriptor;
}

int debug(const Options& options, Terminal& terminal, int signals) {
    SocketDirectory directory;
    const int initrd = make_initrd(options, terminal.streams());
    Qemu qemu(options, initrd, directory.socket());
    ::close(initrd);
    // QEMU makes the socket before anything else; if it can't, it ends and the session says why.
    pollfd ended{qemu.process(), POLLIN, 0};
    while (::access(directory.socket().c_str(), F_OK) != 0 && ::poll(&ended, 1, 1) == 0) {}
    Debugger debugger(options, directory.socket());
    return Session(options, terminal, qemu, signals).run(debugger.process());
}

/// What a run that has ended leaves: the timeline in its file, the tables on stderr.
void report(const Options& options, int memory) {
    const std::string tables = report_trace(memory, Protocols(read_file(options.bundle)), options.trace);
    ::close(memory);
    std::fputs(tables.c_str(), stderr);
}

int run(int argc, char** argv) {
    const Options options = parse_options(argc, argv);
    const int signals = signal_descriptor();
    Terminal terminal;
    if (options.debug) return debug(options, terminal, signals);
    for (;;) {
        const int initrd = make_initrd(options, terminal.streams());
        const int memory = options.trace.empty() ? -1 : make_memory(options);
        if (!options.bare) terminal.set_raw();
        Qemu qemu(options, initrd, "", memory);
        ::close(initrd);
        Session session(options, terminal, qemu, signals);
        const int status = session.run();
        terminal.restore();
        if (memory >= 0) report(options, memory);
        // A reboot of an interactive system boots it again; one that a command asks for ends the run.
        if (!session.reboot() || !options.command.empty()) return status;
    }
}

}  // namespace

int main(int argc, char** argv) {
    return guarded_main("pith", [&] { return run(argc, argv); });
}
