// SPDX-License-Identifier: MIT
#include "servers/chaos/settings.hpp"

#include "lib/os/bundle.hpp"
#include "lib/os/mapping.hpp"
#include "lib/os/start_info.hpp"
#include "protocol/run.hpp"

namespace pith::chaos {

namespace {

u64 number(std::string_view text) {
    u64 value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9' || value > ~u64{0} / 20) return 0;
        value = value * 10 + static_cast<u64>(c - '0');
    }
    return value;
}

/// The same 64 bits for the same text.
u64 hash(std::string_view text) {
    u64 value = 14695981039346656037u;
    for (const char c : text) value = (value ^ static_cast<u8>(c)) * 1099511628211u;
    return value;
}

void apply(Settings& settings, const run::Record& record, bool& seeded) {
    if (record.key == "chaos") {
        settings.interval = number(record.value) * kMillisecond;
    } else if (record.key == "chaos_target") {
        settings.targets.emplace_back(record.value);
    } else if (record.key == "chaos_spared") {
        settings.spared.emplace_back(record.value);
    } else if (record.key == "chaos_fault") {
        if (const auto fault = find_fault(record.value)) settings.faults.push_back(*fault);
        else settings.complaint = std::string(record.value);
    } else if (record.key == "chaos_log") {
        settings.log = record.value == "1";
    } else if (record.key == "chaos_seed") {
        settings.seed = number(record.value);
        seeded = true;
    } else if (record.key == "seed" && !seeded) {
        settings.seed = hash(record.value) & 0xffff'ffff;
    }
}

}  // namespace

Settings read_settings() {
    Settings settings;
    const NamedHandle* entry = find_start_handle("bundle");
    const Handle<Memory> memory = take_start_handle<Memory>("bundle");
    if (entry == nullptr || !memory.valid()) return settings;
    const u64 length = (entry->value + abi::kPageSize - 1) / abi::kPageSize * abi::kPageSize;
    auto mapping = Mapping::create(memory, 0, length, abi::kMapRead);
    if (!mapping.ok()) return settings;
    auto bundle = Bundle::open(mapping->bytes());
    if (!bundle.ok()) return settings;
    auto file = bundle->find(run::kConfigName);
    if (!file.ok()) return settings;
    std::string_view rest(reinterpret_cast<const char*>(file->content.data()), file->content.size());
    bool seeded = false;
    while (auto record = run::next_record(rest)) apply(settings, *record, seeded);
    if (settings.faults.empty() && settings.complaint.empty()) settings.faults.push_back(Fault::kill);
    return settings;
}

}  // namespace pith::chaos
