// SPDX-License-Identifier: MIT
// The supervisor. See README.md.
#include "servers/supervisor/services.hpp"

int main() {
    static pith::supervisor::System system;
    static pith::supervisor::Services services(system);
    system.begin();
    system.loop().run();
}
