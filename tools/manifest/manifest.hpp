// SPDX-License-Identifier: MIT
// Manifests and systems as read from TOML, every value checked and in the compiled form's units. The schema is the
// one in docs/components.md.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "protocol/composition.hpp"

namespace pith::tools {

/// Where something was said, for messages: "file:line".
struct Place {
    std::string file;
    u32 line = 0;
    std::string text() const { return file + ":" + std::to_string(line); }
};

struct Need {
    std::string protocol;
    std::string as;
    bool optional = false;
    bool routed = false;  ///< by [routes] alone
    Place place;
};

struct Device {
    std::string name;
    DeviceKind kind = DeviceKind::interrupt;
    u32 flags = 0;
    u64 base = 0;
    u64 size = 1;
    Place place;
};

using Parameters = std::map<std::string, std::string>;

struct Manifest {
    std::string name;
    Place place;
    std::vector<std::string> provides;
    std::vector<Need> needs;
    std::vector<Device> devices;
    Parameters parameters;
    CompositionComponent values{};  ///< the numbers; strings and ranges are filled in by the compiler
};

struct Route {
    std::string client;
    std::string need;  ///< the protocol, or what it is needed as
    std::string supplier;
    Place place;
};

struct ComponentUse {
    std::string name;
    Place place;
};

struct System {
    std::string name;
    Place place;
    std::vector<ComponentUse> components;
    std::vector<Route> routes;
    std::map<std::string, Parameters> parameters;
    std::map<std::string, Place> parameter_places;
    u64 memory_pages = 0;  ///< what all quotas together may take; 0: not said
    Place memory_place;
};

/// Read and check one file. Fail with kUsage and "file:line: what". `shown` is the path that messages name.
Manifest read_manifest(const std::string& path, const std::string& shown);
System read_system(const std::string& path, const std::string& shown);
/// Takes components out of a system, with their parameters and routes; those that it doesn't have are none of its business.
void leave_out(System& system, const std::vector<std::string>& names);

/// All manifests of a source tree, by component name.
using Catalogue = std::map<std::string, Manifest, std::less<>>;
Catalogue read_catalogue(const std::string& tree);

}  // namespace pith::tools
