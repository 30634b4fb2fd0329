// SPDX-License-Identifier: MIT
#include "tools/runner/debugger.hpp"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <vector>

#include "tools/base/host.hpp"

namespace pith::tools {

SocketDirectory::SocketDirectory() {
    char name[] = "/tmp/pith-XXXXXX";
    if (::mkdtemp(name) == nullptr) fail(1, "{}", error_text("mkdtemp"));
    path_ = name;
}

SocketDirectory::~SocketDirectory() {
    ::unlink(socket().c_str());
    ::unlink((socket() + ".commands").c_str());
    ::rmdir(path_.c_str());
}

Debugger::Debugger(const Options& options, const std::string& socket) {
    // Components share their addresses, so only one component's symbols make sense at a time.
    const std::string define = std::format(
        "python\n"
        "class Component(gdb.Command):\n"
        "    '''component NAME: symbols of a component, in place of the last one's'''\n"
        "    last = None\n"
        "    def __init__(self): super().__init__('component', gdb.COMMAND_FILES)\n"
        "    def invoke(self, name, from_tty):\n"
        "        if Component.last: gdb.execute('remove-symbol-file ' + Component.last)\n"
        "        Component.last = '{}/' + name + '.elf'\n"
        "        gdb.execute('add-symbol-file ' + Component.last)\n"
        "Component()\n"
        "end\n",
        options.symbols);
    const std::string script = socket + ".commands";
    write_file(script, define);
    const std::string connect = "target remote " + socket;
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) fail(1, "{}", error_text("fork"));
    if (pid_ > 0) {
        process_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
        if (process_ < 0) fail(1, "{}", error_text("pidfd_open"));
        return;
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execlp("gdb", "gdb", "-q", "-x", script.c_str(), "-ex", "set confirm off", "-ex",
             "set architecture i386:x86-64", "-ex", connect.c_str(), options.kernel.c_str(), nullptr);
    ::perror("gdb");
    ::_exit(127);
}

Debugger::~Debugger() {
    int status = 0;
    ::kill(pid_, SIGTERM);
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {}
    ::close(process_);
}

}  // namespace pith::tools
