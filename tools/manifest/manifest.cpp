// SPDX-License-Identifier: MIT
#include "tools/manifest/manifest.hpp"

#include <algorithm>
#include <filesystem>

#include "tools/manifest/reader.hpp"

namespace pith::tools {

namespace {

namespace fs = std::filesystem;

constexpr u32 kDefaultSlots = 64;

u32 pages(u64 bytes) { return static_cast<u32>((bytes + abi::kPageSize - 1) / abi::kPageSize); }

u32 grant_bit(CompositionGrant grant) { return static_cast<u32>(grant); }

Parameters read_parameters(TableReader& reader, const toml::table& table) {
    Parameters parameters;
    for (const auto& [key, node] : table) {
        const Place place{reader.place().file, key.source().begin.line};
        std::string value;
        if (const auto text = node.value_exact<std::string>()) {
            value = *text;
        } else if (const auto number = node.value_exact<i64>()) {
            value = std::to_string(*number);
        } else if (const auto flag = node.value_exact<bool>()) {
            value = *flag ? "true" : "false";
        } else {
            reader.error(place, "parameter {} must be a string, a whole number, true or false", key.str());
        }
        if (key.str().size() > 63 || value.size() > 1024) {
            reader.error(place, "parameter {} is too long (63 characters for the key, 1024 for the value)",
                         key.str());
        }
        parameters.emplace(key.str(), value);
    }
    return parameters;
}

Need read_need(TableReader& reader, const toml::node& node) {
    Need need;
    need.place = reader.place_of(node);
    if (const auto name = node.value_exact<std::string>()) {
        need.protocol = *name;
        need.as = *name;
    } else if (const toml::table* table = node.as_table()) {
        TableReader entry(*table, need.place.file, "needs.protocols");
        need.protocol = entry.string("name");
        need.as = entry.string("as", need.protocol);
        need.optional = entry.boolean("optional", false);
        need.routed = entry.boolean("routed", false);
        entry.finish();
    } else {
        reader.error(need.place, "a protocol must be a string or a table with a name");
    }
    check_name(need.protocol, need.place);
    check_name(need.as, need.place);
    return need;
}

u32 read_grants(TableReader& reader) {
    struct Named {
        std::string_view name;
        u32 bits;
    };
    static const Named kGrants[] = {
        {"bundle", grant_bit(CompositionGrant::bundle)},
        {"machine", grant_bit(CompositionGrant::machine_info)},
        {"shutdown", grant_bit(CompositionGrant::shutdown)},
        {"debug", grant_bit(CompositionGrant::debug_console) | grant_bit(CompositionGrant::machine_info)},
        {"budget", grant_bit(CompositionGrant::budget_manage)},
        {"devices", grant_bit(CompositionGrant::devices)},
        {"inject", grant_bit(CompositionGrant::inject)},
    };
    u32 grants = 0;
    for (const auto& [name, place] : reader.strings("capabilities")) {
        const auto found = std::ranges::find(kGrants, std::string_view(name), &Named::name);
        if (found == std::end(kGrants)) {
            reader.error(place,
                         "unknown capability '{}' (there are bundle, machine, shutdown, debug, budget, "
                         "devices, inject)",
                         name);
        }
        grants |= found->bits;
    }
    return grants;
}

/// A manifest without [needs] is of what no system lists: root, the supervisor, tests that run as root.
void read_needs(Manifest& manifest, const toml::table* table) {
    if (table == nullptr) return;
    TableReader reader(*table, manifest.place.file, "needs");
    CompositionComponent& values = manifest.values;
    if (const toml::array* protocols = reader.array("protocols")) {
        for (const toml::node& node : *protocols) {
            Need need = read_need(reader, node);
            const auto same = [&need](const Need& other) { return other.as == need.as; };
            if (std::ranges::any_of(manifest.needs, same)) {
                reader.error(need.place, "'{}' is needed twice; give one of them another name with as",
                             need.as);
            }
            manifest.needs.push_back(std::move(need));
        }
    }
    values.grants = read_grants(reader);
    if (reader.boolean("jit", false)) values.grants |= grant_bit(CompositionGrant::jit);
    if (reader.string("memory") == "rest") {
        values.grants |= grant_bit(CompositionGrant::pool_rest);
        values.memory_pages = pages(reader.bytes("least", "1M"));
    } else {
        values.memory_pages = pages(reader.bytes("memory"));
        if (reader.has("least"))
            reader.error(reader.place(), "[needs] least goes with memory = \"rest\" only");
    }
    if (values.memory_pages == 0)
        reader.error(reader.place_of(*reader.find("memory")), "[needs] memory must not be 0");
    values.keep_pages = pages(reader.bytes("keep", "0"));
    values.preserved_pages = pages(reader.bytes("preserved", "0"));
    if (values.preserved_pages != 0 && values.preserved_pages >= values.keep_pages) {
        reader.error(reader.place_of(*reader.find("preserved")), "[needs] preserved must be less than keep");
    }
    values.kept_slots = static_cast<u32>(reader.number("kept_slots", 0, abi::kMaxSlots, 0));
    if (values.kept_slots != 0 && values.keep_pages == 0)
        reader.error(reader.place_of(*reader.find("kept_slots")), "[needs] kept_slots goes with keep only");
    values.stack_pages = pages(reader.bytes("stack", "16K"));
    if (values.stack_pages == 0 || values.stack_pages > 200 || values.stack_pages >= values.memory_pages) {
        reader.error(reader.place(), "[needs] stack must be from 4K to 800K, and less than memory");
    }
    values.slots = static_cast<u32>(reader.number("slots", 32, abi::kMaxSlots, kDefaultSlots));
    reader.finish();
}

u64 read_cpu_set(TableReader& reader) {
    const u64 all = ~u64{0} >> (64 - abi::kMaxCpus);
    const toml::node* node = reader.find("cpus");
    if (node == nullptr || node->value_exact<std::string>() == "all") return all;
    u64 set = 0;
    if (const toml::array* list = node->as_array()) {
        for (const toml::node& entry : *list) {
            const auto cpu = entry.value_exact<i64>();
            if (!cpu || *cpu < 0 || *cpu >= static_cast<i64>(abi::kMaxCpus)) {
                reader.error(reader.place_of(entry), "[cpu] cpus: a CPU is a number from 0 to {}",
                             abi::kMaxCpus - 1);
            }
            set |= u64{1} << *cpu;
        }
    }
    if (set == 0) reader.error(reader.place_of(*node), "[cpu] cpus must be \"all\" or a list of CPUs");
    return set;
}

void read_cpu(Manifest& manifest, const toml::table* table) {
    static const toml::table kEmpty;
    TableReader reader(table != nullptr ? *table : kEmpty, manifest.place.file, "cpu");
    CompositionComponent& values = manifest.values;
    values.priority = static_cast<u32>(reader.number("priority", 1, 255, 100));
    values.period = reader.duration("period", "10ms");
    values.capacity = reader.has("capacity") ? reader.duration("capacity", "") : values.period;
    values.cpus = read_cpu_set(reader);
    if (values.capacity == 0 || values.capacity > values.period) {
        reader.error(reader.place(), "[cpu] capacity must be above 0 and at most the period");
    }
    reader.finish();
}

void read_restart(Manifest& manifest, const toml::table* table) {
    static const toml::table kEmpty;
    TableReader reader(table != nullptr ? *table : kEmpty, manifest.place.file, "restart");
    CompositionComponent& values = manifest.values;
    values.restart = static_cast<u32>(reader.choice("policy", {"always", "never", "essential"}, "always"));
    values.backoff = reader.duration("backoff", "1ms");
    values.ceiling = reader.duration("ceiling", "1s");
    values.hold_after = static_cast<u32>(reader.number("hold_after", 0, 1'000'000, 8));
    values.hold_window = reader.duration("hold_window", "1s");
    values.heartbeat = reader.duration("heartbeat", "0");
    if (values.ceiling < values.backoff)
        reader.error(reader.place(), "[restart] ceiling must not be below backoff");
    reader.finish();
}

Device read_device(const toml::table& table, const std::string& file) {
    TableReader reader(table, file, "[device]");
    Device device;
    device.place = reader.place();
    device.name = reader.string("name");
    check_name(device.name, device.place);
    if (device.name.size() > 23) reader.error(device.place, "a device's name has at most 23 characters");
    device.kind = static_cast<DeviceKind>(reader.choice("kind", {"irq", "ports", "memory", "pci"}, ""));
    if (device.kind == DeviceKind::interrupt) {
        device.base = reader.number("line", 0, 255);
        if (reader.choice("trigger", {"edge", "level"}, "edge") == 1) device.flags |= 1;
        if (reader.choice("polarity", {"high", "low"}, "high") == 1) device.flags |= 2;
    } else if (device.kind == DeviceKind::ports) {
        device.base = reader.number("first", 0, 0xffff);
        device.size = reader.number("count", 1, 0x10000 - device.base);
    } else if (device.kind == DeviceKind::pci) {
        if (reader.has("class")) device.base = kAnyVendor | reader.number("class", 0, 0xff'ffff) << 16;
        else device.base = reader.number("vendor", 0, 0xfffe) | reader.number("device", 0, 0xffff) << 16;
        device.size = u64{pages(reader.bytes("dma", "0"))} * abi::kPageSize;
    } else {
        device.base = reader.number("address", 0, u64{1} << 52);
        device.size = reader.bytes("size");
        if (device.size == 0 || device.base % abi::kPageSize != 0 || device.size % abi::kPageSize != 0) {
            reader.error(device.place, "[[device]] address and size must be whole pages");
        }
    }
    reader.finish();
    return device;
}

}  // namespace

Manifest read_manifest(const std::string& path, const std::string& shown) {
    const toml::table table = parse_toml(path, shown);
    TableReader reader(table, shown, "");
    Manifest manifest;
    manifest.place = {shown, 1};
    manifest.name = reader.string("name");
    const Place named = reader.place_of(*reader.find("name"));
    check_name(manifest.name, named);
    const std::string folder = fs::absolute(path).parent_path().filename().string();
    if (manifest.name != folder)
        reader.error(named, "the name '{}' is not that of its folder, '{}'", manifest.name, folder);
    (void)reader.string("description", "");
    for (const auto& [name, place] : reader.strings("provides")) {
        check_name(name, place);
        if (std::ranges::find(manifest.provides, name) != manifest.provides.end()) {
            reader.error(place, "'{}' is provided twice", name);
        }
        manifest.provides.push_back(name);
    }
    read_needs(manifest, reader.table("needs"));
    read_cpu(manifest, reader.table("cpu"));
    read_restart(manifest, reader.table("restart"));
    if (const toml::array* devices = reader.array("device")) {
        for (const toml::node& node : *devices) {
            if (!node.is_table()) reader.error(reader.place_of(node), "device must be written as [[device]]");
            manifest.devices.push_back(read_device(*node.as_table(), shown));
        }
    }
    if (const toml::table* parameters = reader.table("parameters")) {
        manifest.parameters = read_parameters(reader, *parameters);
    }
    reader.finish();
    return manifest;
}

System read_system(const std::string& path, const std::string& shown) {
    const toml::table table = parse_toml(path, shown);
    TableReader reader(table, shown, "");
    System system;
    system.place = {shown, 1};
    system.name = reader.string("name");
    check_name(system.name, reader.place_of(*reader.find("name")));
    (void)reader.string("description", "");
    if (reader.has("memory")) {
        system.memory_place = reader.place_of(*reader.find("memory"));
        system.memory_pages = pages(reader.bytes("memory"));
    }
    for (auto& [name, place] : reader.strings("components")) system.components.push_back({name, place});
    if (const toml::table* routes = reader.table("routes")) {
        for (const auto& [key, node] : *routes) {
            const Place place{shown, key.source().begin.line};
            const auto supplier = node.value_exact<std::string>();
            const usize dot = key.str().find('.');
            if (!supplier)
                reader.error(place, "[routes] {} must be a string; write \"client.protocol\" = \"supplier\"",
                             key.str());
            if (dot == std::string_view::npos)
                reader.error(place, "[routes] '{}' is not \"client.protocol\"", key.str());
            system.routes.push_back({std::string(key.str().substr(0, dot)),
                                     std::string(key.str().substr(dot + 1)), *supplier, place});
        }
    }
    if (const toml::table* parameters = reader.table("parameters")) {
        for (const auto& [key, node] : *parameters) {
            const Place place{shown, key.source().begin.line};
            if (!node.is_table()) reader.error(place, "[parameters] holds a table for each component");
            system.parameters.emplace(key.str(), read_parameters(reader, *node.as_table()));
            system.parameter_places.emplace(key.str(), place);
        }
    }
    reader.finish();
    return system;
}

Catalogue read_catalogue(const std::string& tree) {
    Catalogue catalogue;
    for (const char* top : {"drivers", "servers", "tests", "bench"}) {
        const fs::path folder = fs::path(tree) / top;
        if (!fs::is_directory(folder)) continue;
        for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
            if (entry.path().filename() != "manifest.toml") continue;
            const std::string shown = fs::relative(entry.path(), tree).string();
            Manifest manifest = read_manifest(entry.path().string(), shown);
            const std::string name = manifest.name;
            const auto [other, fresh] = catalogue.emplace(name, std::move(manifest));
            if (!fresh)
                fail(kUsage, "{}:1: there is another component '{}': {}", shown, name,
                     other->second.place.file);
        }
    }
    return catalogue;
}

}  // namespace pith::tools
