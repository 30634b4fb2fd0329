// SPDX-License-Identifier: MIT
#include <format>
#include <map>

#include "tools/manifest/resolve.hpp"

namespace pith::tools {

namespace {

/// A node's label: what it may use that is not another component's.
std::string describe(const Manifest& manifest) {
    const CompositionComponent& values = manifest.values;
    const auto granted = [&values](CompositionGrant grant) {
        return (values.grants & static_cast<u32>(grant)) != 0;
    };
    std::string text = std::format("<b>{}</b><br/>{}{} KiB", manifest.name,
                                   granted(CompositionGrant::pool_rest) ? "at least " : "",
                                   values.memory_pages * 4);
    if (values.keep_pages != 0) text += std::format(" + {} KiB kept", values.keep_pages * 4);
    text += std::format("<br/>priority {}", values.priority);
    if (values.capacity != values.period)
        text += std::format(", {} % CPU", values.capacity * 100 / values.period);
    std::string grants;
    const std::pair<CompositionGrant, const char*> kNames[] = {
        {CompositionGrant::bundle, "bundle"},       {CompositionGrant::machine_info, "machine"},
        {CompositionGrant::shutdown, "shutdown"},   {CompositionGrant::jit, "jit"},
        {CompositionGrant::debug_console, "debug"}, {CompositionGrant::budget_manage, "budget"},
        {CompositionGrant::devices, "devices"},
    };
    for (const auto& [grant, name] : kNames) {
        if (granted(grant)) grants += (grants.empty() ? "" : ", ") + std::string(name);
    }
    if (!grants.empty()) text += std::format("<br/><i>{}</i>", grants);
    for (const Device& device : manifest.devices) {
        switch (device.kind) {
            case DeviceKind::interrupt:
                text += std::format("<br/>{}: interrupt {}", device.name, device.base);
                break;
            case DeviceKind::ports:
                text += std::format("<br/>{}: ports {:#x}..{:#x}", device.name, device.base,
                                    device.base + device.size - 1);
                break;
            case DeviceKind::memory:
                text += std::format("<br/>{}: memory {:#x}, {} KiB", device.name, device.base,
                                    device.size / 1024);
                break;
            case DeviceKind::pci:
                if ((device.base & 0xffff) == kAnyVendor)
                    text += std::format("<br/>{}: PCI class {:06x}", device.name, device.base >> 16);
                else
                    text += std::format("<br/>{}: PCI {:04x}:{:04x}", device.name, device.base & 0xffff,
                                        device.base >> 16);
                break;
        }
    }
    return text;
}

}  // namespace

std::string draw(const Resolved& system) {
    std::string dot = std::format(
        "digraph \"{}\" {{\n  rankdir=LR;\n  node [shape=box, style=rounded, fontname=\"sans-serif\", "
        "fontsize=11];\n"
        "  edge [fontname=\"sans-serif\", fontsize=9];\n",
        system.name);
    dot += "  \"supervisor\" [label=<<b>supervisor</b>>];\n";
    for (const ResolvedComponent& component : system.components) {
        dot += std::format("  \"{}\" [label=<{}>];\n", component.manifest->name,
                           describe(*component.manifest));
    }
    for (const ResolvedComponent& component : system.components) {
        for (const Link& link : component.links) {
            if (link.supplier == kSupplierNone) continue;
            const std::string supplier = link.supplier == kSupplierSupervisor
                                             ? "supervisor"
                                             : system.components[link.supplier].manifest->name;
            const std::string label = link.need->as == link.need->protocol
                                          ? link.need->as
                                          : std::format("{} ({})", link.need->as, link.need->protocol);
            dot += std::format("  \"{}\" -> \"{}\" [label=\"{}\"];\n", component.manifest->name, supplier,
                               label);
        }
    }
    return dot + "}\n";
}

}  // namespace pith::tools
