// SPDX-License-Identifier: MIT
// A library that QEMU runs with where ports are forwarded to the guest: its user network listens on them with room for one connection that it
// has not yet taken, so that of several clients who connect at once all but the first wait for seconds, or are reset. With it there is
// room for a hundred, which is what the guest's own servers have.
#include <dlfcn.h>

#include <algorithm>

extern "C" __attribute__((visibility("default"))) int listen(int socket, int backlog) {
    constexpr int kLeast = 128;
    using Listen = int (*)(int, int);
    static const Listen real = reinterpret_cast<Listen>(::dlsym(RTLD_NEXT, "listen"));
    return real(socket, std::max(backlog, kLeast));
}
