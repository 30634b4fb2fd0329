// SPDX-License-Identifier: MIT
// gdb on a stopped QEMU, in the foreground of our terminal.
#pragma once

#include <sys/types.h>

#include <string>

#include "tools/runner/options.hpp"

namespace pith::tools {

/// A private directory for the socket between gdb and QEMU, removed with what is in it.
class SocketDirectory {
  public:
    SocketDirectory();
    SocketDirectory(const SocketDirectory&) = delete;
    SocketDirectory& operator=(const SocketDirectory&) = delete;
    ~SocketDirectory();
    std::string socket() const { return path_ + "/gdb"; }

  private:
    std::string path_;
};

/// A running gdb with the kernel's symbols; its command `component NAME` loads those of a component.
class Debugger {
  public:
    Debugger(const Options& options, const std::string& socket);
    Debugger(const Debugger&) = delete;
    Debugger& operator=(const Debugger&) = delete;
    ~Debugger();
    int process() const { return process_; }  ///< readable when it has ended

  private:
    pid_t pid_ = -1;
    int process_ = -1;
};

}  // namespace pith::tools
