// SPDX-License-Identifier: MIT
#include "tools/manifest/resolve.hpp"

#include <algorithm>
#include <numeric>
#include <set>

#include "protocol/device.hpp"
#include "protocol/name.hpp"
#include "protocol/process.hpp"
#include "tools/base/host.hpp"

namespace pith::tools {

namespace {

constexpr std::string_view kSupervisor = "supervisor";
constexpr std::string_view kRoot = "root";

template <typename... Arguments>
[[noreturn]] void error(const Place& place, std::format_string<Arguments...> format,
                        Arguments&&... arguments) {
    fail(kUsage, "{}: {}", place.text(), std::format(format, std::forward<Arguments>(arguments)...));
}

bool supervisor_provides(std::string_view protocol) {
    return protocol == Process::kName || protocol == Name::kName || protocol == Lifecycle::kName;
}

class Resolver {
  public:
    Resolver(const System& system, const Catalogue& catalogue) : system_(system), catalogue_(catalogue) {}

    Resolved resolve() {
        result_.name = system_.name;
        take_components();
        check_protocol_numbers();
        check_routes();
        for (ResolvedComponent& component : result_.components) link(component);
        check_cycles();
        check_memory();
        check_cpu();
        check_devices();
        return std::move(result_);
    }

  private:
    std::optional<u32> index_of(std::string_view name) const {
        for (u32 index = 0; index < result_.components.size(); ++index) {
            if (result_.components[index].manifest->name == name) return index;
        }
        return std::nullopt;
    }

    static bool provides(const Manifest& manifest, const std::string& protocol) {
        return std::ranges::find(manifest.provides, protocol) != manifest.provides.end();
    }

    void take_components() {
        for (const ComponentUse& use : system_.components) {
            if (use.name == kRoot || use.name == kSupervisor) {
                error(use.place, "'{}' is part of every system: do not list it", use.name);
            }
            const auto found = catalogue_.find(use.name);
            if (found == catalogue_.end()) error(use.place, "unknown component '{}'", use.name);
            if (found->second.values.memory_pages == 0) {
                error(found->second.place, "[needs] is missing: system '{}' lists '{}'", system_.name,
                      use.name);
            }
            if (index_of(use.name)) error(use.place, "component '{}' is listed twice", use.name);
            result_.components.push_back({&found->second, {}, found->second.parameters});
        }
        if (result_.components.empty()) error(system_.place, "the system has no components");
        if (result_.components.size() > kMaxComponents) {
            error(system_.place, "the system has more than {} components", kMaxComponents);
        }
        for (const auto& [name, parameters] : system_.parameters) {
            const auto index = index_of(name);
            if (!index)
                error(system_.parameter_places.at(name), "[parameters.{}]: no such component here", name);
            for (const auto& [key, value] : parameters) {
                result_.components[*index].parameters.insert_or_assign(key, value);
            }
        }
    }

    void check_protocol_numbers() const {
        std::map<u16, std::string> numbers;
        const auto check = [&numbers](const std::string& protocol, const Place& place) {
            const auto [other, fresh] = numbers.emplace(protocol_number(protocol), protocol);
            if (!fresh && other->second != protocol) {
                error(place, "protocols '{}' and '{}' have the same number: rename one", protocol,
                      other->second);
            }
        };
        for (const char* name : {Process::kName, Name::kName, Lifecycle::kName}) check(name, system_.place);
        for (const ResolvedComponent& component : result_.components) {
            for (const std::string& name : component.manifest->provides)
                check(name, component.manifest->place);
        }
    }

    void check_routes() const {
        std::set<std::pair<std::string, std::string>> seen;
        for (const Route& route : system_.routes) {
            const auto client = index_of(route.client);
            if (!client) error(route.place, "route from '{}': no such component here", route.client);
            const auto& needs = result_.components[*client].manifest->needs;
            if (std::ranges::find(needs, route.need, &Need::as) == needs.end()) {
                error(route.place, "'{}' does not need '{}'", route.client, route.need);
            }
            if (!seen.emplace(route.client, route.need).second) {
                error(route.place, "'{}.{}' is routed twice", route.client, route.need);
            }
        }
    }

    const Route* route_of(const Manifest& client, const Need& need) const {
        for (const Route& route : system_.routes) {
            if (route.client == client.name && route.need == need.as) return &route;
        }
        return nullptr;
    }

    u32 routed_supplier(const Route& route, const Need& need) const {
        if (route.supplier == kSupervisor && supervisor_provides(need.protocol)) return kSupplierSupervisor;
        const auto index = index_of(route.supplier);
        if (!index) error(route.place, "route to '{}': no such component here", route.supplier);
        if (!provides(*result_.components[*index].manifest, need.protocol)) {
            error(route.place, "'{}' does not provide '{}'", route.supplier, need.protocol);
        }
        return *index;
    }

    u32 only_supplier(const Manifest& client, const Need& need) const {
        if (supervisor_provides(need.protocol)) return kSupplierSupervisor;
        std::vector<u32> found;
        std::string names;
        for (u32 index = 0; index < result_.components.size() && !need.routed; ++index) {
            const Manifest& manifest = *result_.components[index].manifest;
            if (!provides(manifest, need.protocol)) continue;
            found.push_back(index);
            names += (names.empty() ? "" : ", ") + manifest.name;
        }
        if (found.size() == 1) return found.front();
        if (found.empty() && need.optional) return kSupplierNone;
        if (found.size() > 1) {
            error(need.place,
                  "'{}' needs '{}', which several components of system '{}' provide ({}): [routes] must say "
                  "which",
                  client.name, need.protocol, system_.name, names);
        }
        const bool known = std::ranges::any_of(
            catalogue_, [&need](const auto& entry) { return provides(entry.second, need.protocol); });
        if (!known) error(need.place, "unknown protocol '{}': no component provides it", need.protocol);
        error(need.place, "missing route: '{}' needs '{}', which no component of system '{}' ({}) provides",
              client.name, need.protocol, system_.name, system_.place.file);
    }

    void link(ResolvedComponent& component) const {
        for (const Need& need : component.manifest->needs) {
            const Route* route = route_of(*component.manifest, need);
            Link link{
                &need,
                route != nullptr ? routed_supplier(*route, need) : only_supplier(*component.manifest, need),
                0};
            link.label = static_cast<u32>(std::ranges::count_if(component.links, [&link](const Link& other) {
                return other.supplier == link.supplier && other.need->protocol == link.need->protocol;
            }));
            component.links.push_back(link);
        }
    }

    /// Calls wait for their answers: a circle of suppliers would wait for itself.
    void check_cycles() const {
        std::vector<u32> path;
        std::vector<bool> done(result_.components.size());
        for (u32 index = 0; index < result_.components.size(); ++index) visit(index, path, done);
    }

    void visit(u32 index, std::vector<u32>& path, std::vector<bool>& done) const {
        if (const auto start = std::ranges::find(path, index); start != path.end()) {
            std::string names;
            for (auto at = start; at != path.end(); ++at)
                names += result_.components[*at].manifest->name + " -> ";
            const Manifest& client = *result_.components[path.back()].manifest;
            Place place = client.place;
            for (const Link& link : result_.components[path.back()].links) {
                if (link.supplier == index) place = link.need->place;
            }
            error(place, "cycle: {}{}", names, result_.components[index].manifest->name);
        }
        if (done[index]) return;
        path.push_back(index);
        for (const Link& link : result_.components[index].links) {
            if (link.supplier < kSupplierNone) visit(link.supplier, path, done);
        }
        path.pop_back();
        done[index] = true;
    }

    void check_memory() const {
        u64 sum = 0;
        const Manifest* rest = nullptr;
        for (const ResolvedComponent& component : result_.components) {
            const Manifest& manifest = *component.manifest;
            sum += u64{manifest.values.memory_pages} + manifest.values.keep_pages;
            if ((manifest.values.grants & static_cast<u32>(CompositionGrant::pool_rest)) == 0) continue;
            if (rest != nullptr) {
                error(manifest.place, "both '{}' and '{}' take the rest of the memory", rest->name,
                      manifest.name);
            }
            rest = &manifest;
        }
        if (system_.memory_pages != 0 && sum > system_.memory_pages) {
            error(system_.memory_place,
                  "memory is over-committed: the components' quotas are {} KiB, the system has {} KiB",
                  sum * 4, system_.memory_pages * 4);
        }
    }

    /// A Budget with capacity below its period is a promise; those of one CPU can't be more than all of it.
    void check_cpu() const {
        for (u32 cpu = 0; cpu < abi::kMaxCpus; ++cpu) {
            u64 promised = 0;  // in parts of a million
            for (const ResolvedComponent& component : result_.components) {
                const CompositionComponent& values = component.manifest->values;
                if ((values.cpus >> cpu & 1) == 0 || values.capacity == values.period) continue;
                promised += static_cast<u64>(static_cast<double>(values.capacity) * 1e6 /
                                             static_cast<double>(values.period));
            }
            if (promised > 1'000'000) {
                error(system_.place, "CPU {} is over-committed: its components' budgets are {} % of it", cpu,
                      promised / 10'000);
            }
        }
    }

    void check_devices() const {
        std::vector<std::pair<const Device*, const Manifest*>> seen;
        for (const ResolvedComponent& component : result_.components) {
            for (const Device& device : component.manifest->devices) {
                const bool pci = device.kind == DeviceKind::pci;
                const auto is_device = [](const Need& need) { return need.protocol == Devices::kName; };
                if (pci && std::ranges::none_of(component.manifest->needs, is_device)) {
                    error(device.place, "a PCI device is had through protocol '{}': '{}' must need it",
                          Devices::kName, component.manifest->name);
                }
                for (const auto& [other, owner] : seen) {
                    const u64 size = pci ? 1 : device.size, other_size = pci ? 1 : other->size;
                    const bool overlap = other->kind == device.kind &&
                                         device.base < other->base + other_size &&
                                         other->base < device.base + size;
                    if (overlap) {
                        error(device.place, "device '{}' is also '{}' of '{}'", device.name, other->name,
                              owner->name);
                    }
                }
                seen.emplace_back(&device, component.manifest);
            }
        }
        for (u32 index = 0; index < result_.components.size(); ++index) check_dma(index);
    }

    /// Memory for DMA comes out of the keep Pool of who provides the devices.
    void check_dma(u32 supplier) const {
        u64 bytes = 0;
        for (const ResolvedComponent& component : result_.components) {
            const auto supplied = [supplier](const Link& link) {
                return link.supplier == supplier && link.need->protocol == Devices::kName;
            };
            if (std::ranges::none_of(component.links, supplied)) continue;
            for (const Device& device : component.manifest->devices)
                if (device.kind == DeviceKind::pci) bytes += device.size;
        }
        const Manifest& manifest = *result_.components[supplier].manifest;
        if (bytes > u64{manifest.values.keep_pages} * abi::kPageSize) {
            error(manifest.place,
                  "memory for DMA is over-committed: '{}' keeps {} KiB, its clients may have {} KiB",
                  manifest.name, manifest.values.keep_pages * 4, bytes / 1024);
        }
    }

    const System& system_;
    const Catalogue& catalogue_;
    Resolved result_;
};

}  // namespace

void leave_out(System& system, const std::vector<std::string>& names) {
    const auto named = [&names](const std::string& name) {
        return std::ranges::find(names, name) != names.end();
    };
    std::erase_if(system.components, [&](const ComponentUse& use) { return named(use.name); });
    std::erase_if(system.routes,
                  [&](const Route& route) { return named(route.client) || named(route.supplier); });
    std::erase_if(system.parameters, [&](const auto& entry) { return named(entry.first); });
}

Resolved resolve(const System& system, const Catalogue& catalogue) {
    return Resolver(system, catalogue).resolve();
}

}  // namespace pith::tools
