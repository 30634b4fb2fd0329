// SPDX-License-Identifier: MIT
// Puts a system's manifests together: every name is looked up, every need routed, cycles and quotas that can't be met
// are found. What comes out can be compiled or drawn.
#pragma once

#include <string>
#include <vector>

#include "tools/manifest/manifest.hpp"

namespace pith::tools {

/// A need of a component and who supplies it.
struct Link {
    const Need* need = nullptr;
    u32 supplier = kSupplierNone;
    u32 label = 0;
};

struct ResolvedComponent {
    const Manifest* manifest = nullptr;
    std::vector<Link> links;
    Parameters parameters;
};

struct Resolved {
    std::string name;
    std::vector<ResolvedComponent> components;
};

/// Fails with kUsage, "file:line: what". `catalogue` must outlive the result.
Resolved resolve(const System& system, const Catalogue& catalogue);

/// The bytes of protocol/composition.hpp.
std::vector<u8> compile(const Resolved& system);

/// The capability graph in the DOT language.
std::string draw(const Resolved& system);

}  // namespace pith::tools
