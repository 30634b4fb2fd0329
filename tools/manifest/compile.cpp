// SPDX-License-Identifier: MIT
#include <cstring>

#include "tools/base/host.hpp"
#include "tools/manifest/resolve.hpp"

namespace pith::tools {

namespace {

/// Collects the tables and strings, then lays them out.
class Compiler {
  public:
    explicit Compiler(const Resolved& system) {
        header_.magic = kCompositionMagic;
        header_.name = string(system.name);
        for (const ResolvedComponent& component : system.components) add(component);
    }

    std::vector<u8> finish() {
        std::vector<u8> bytes(sizeof(header_));
        header_.components = append(bytes, components_);
        header_.provides = append(bytes, provides_);
        header_.needs = append(bytes, needs_);
        header_.devices = append(bytes, devices_);
        header_.parameters = append(bytes, parameters_);
        header_.strings = append(bytes, strings_);
        header_.size = bytes.size();
        std::memcpy(bytes.data(), &header_, sizeof(header_));
        return bytes;
    }

  private:
    CompositionString string(std::string_view text) {
        const CompositionString result{static_cast<u32>(strings_.size()), static_cast<u32>(text.size())};
        strings_.insert(strings_.end(), text.begin(), text.end());
        return result;
    }

    template <typename T>
    static CompositionTable append(std::vector<u8>& bytes, const std::vector<T>& table) {
        bytes.resize((bytes.size() + 7) / 8 * 8);
        const CompositionTable result{static_cast<u32>(bytes.size()), static_cast<u32>(table.size())};
        bytes.resize(bytes.size() + table.size() * sizeof(T));
        if (!table.empty()) std::memcpy(bytes.data() + result.offset, table.data(), table.size() * sizeof(T));
        return result;
    }

    template <typename T>
    static CompositionRange range(const std::vector<T>& table, usize first) {
        return {static_cast<u32>(first), static_cast<u32>(table.size() - first)};
    }

    void add(const ResolvedComponent& source) {
        CompositionComponent component = source.manifest->values;
        component.name = string(source.manifest->name);
        const usize provides = provides_.size(), needs = needs_.size();
        const usize devices = devices_.size(), parameters = parameters_.size();
        for (const std::string& name : source.manifest->provides) provides_.push_back(string(name));
        for (const Link& link : source.links) {
            needs_.push_back({string(link.need->protocol), string(link.need->as), link.supplier, link.label});
        }
        for (const Device& device : source.manifest->devices) {
            devices_.push_back(
                {string(device.name), static_cast<u32>(device.kind), device.flags, device.base, device.size});
        }
        for (const auto& [key, value] : source.parameters)
            parameters_.push_back({string(key), string(value)});
        component.provides = range(provides_, provides);
        component.needs = range(needs_, needs);
        component.devices = range(devices_, devices);
        component.parameters = range(parameters_, parameters);
        components_.push_back(component);
    }

    CompositionHeader header_{};
    std::vector<CompositionComponent> components_;
    std::vector<CompositionString> provides_;
    std::vector<CompositionNeed> needs_;
    std::vector<CompositionDevice> devices_;
    std::vector<CompositionParameter> parameters_;
    std::vector<char> strings_;
};

}  // namespace

std::vector<u8> compile(const Resolved& system) {
    std::vector<u8> bytes = Compiler(system).finish();
    if (const auto parsed = Composition::parse(bytes); !parsed.ok()) {
        fail(1, "{}: the compiled system is one that the supervisor would refuse", system.name);
    }
    return bytes;
}

}  // namespace pith::tools
