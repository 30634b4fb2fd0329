// SPDX-License-Identifier: MIT
// One QEMU process. It dies with us whatever kills us: the kernel sends it SIGKILL when our main thread is gone.
// Its serial line and debug console are sockets of ours; nothing of it has a name that another run could meet.
#pragma once

#include <sys/types.h>

#include <string>

#include "tools/runner/options.hpp"

namespace pith::tools {

/// An anonymous file for the RAM of a machine that is traced: as much as the options say, and room for the trace.
int make_memory(const Options& options);

class Qemu {
  public:
    /// Starts it. `initrd` is a descriptor (make_initrd); with options.debug it waits for gdb on `gdb_socket`. `memory`
    /// is the file that is to be its RAM (make_memory), or -1.
    Qemu(const Options& options, int initrd, const std::string& gdb_socket, int memory = -1);
    Qemu(const Qemu&) = delete;
    Qemu& operator=(const Qemu&) = delete;
    ~Qemu();

    int serial() const { return serial_; }    ///< COM1, both ways
    int console() const { return console_; }  ///< port 0xe9, from the guest
    int errors() const { return errors_; }    ///< QEMU's own stderr
    int process() const { return process_; }  ///< readable when it has ended
    pid_t pid() const { return pid_; }

    void kill();
    /// Waits for its end; its exit code, or 128 + signal.
    int wait();

  private:
    int serial_ = -1, console_ = -1, errors_ = -1, process_ = -1;
    pid_t pid_ = -1;
    int status_ = -1;
};

}  // namespace pith::tools
