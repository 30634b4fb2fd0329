// SPDX-License-Identifier: MIT
// Start of the console server: its preserved state, or a fresh one from what this run is to be.
#include "lib/os/bundle.hpp"
#include "lib/os/mapping.hpp"
#include "protocol/run.hpp"
#include "servers/console/service.hpp"

namespace pith::console {
namespace {

struct RunConfig {
    Setup setup{};
    tty::WindowSize window{24, 80, 0, 0};
};

u16 number(std::string_view text, u16 otherwise) {
    u32 value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9' || value > 6553) return otherwise;
        value = value * 10 + static_cast<u32>(c - '0');
    }
    return text.empty() || value > 0xffff ? otherwise : static_cast<u16>(value);
}

void apply(RunConfig& config, const run::Record& record) {
    const u8 tty = record.value == "tty" ? 1 : 0;
    if (record.key == "stdin") config.setup.ttys |= tty;
    else if (record.key == "stdout") config.setup.ttys |= static_cast<u8>(tty << 1);
    else if (record.key == "stderr") config.setup.ttys |= static_cast<u8>(tty << 2);
    else if (record.key == "log") config.setup.log = record.value == "1" ? 1 : 0;
    else if (record.key == "rows") config.window.rows = number(record.value, 24);
    else if (record.key == "columns") config.window.columns = number(record.value, 80);
}

/// From the bundle's run/config. Without one, this is a machine without `./pith`: the plain line is its
/// terminal.
RunConfig read_config() {
    RunConfig config;
    bool found = false;
    const NamedHandle* entry = find_start_handle("bundle");
    const Handle<Memory> memory = take_start_handle<Memory>("bundle");
    if (entry != nullptr && memory.valid()) {
        const u64 length = (entry->value + abi::kPageSize - 1) / abi::kPageSize * abi::kPageSize;
        auto mapping = Mapping::create(memory, 0, length, abi::kMapRead);
        auto bundle = mapping.ok() ? Bundle::open(mapping->bytes()) : Result<Bundle>(mapping.error());
        auto file = bundle.ok() ? bundle->find(run::kConfigName) : Result<BundleFile>(bundle.error());
        if (file.ok()) {
            found = true;
            std::string_view rest(reinterpret_cast<const char*>(file->content.data()), file->content.size());
            while (auto record = run::next_record(rest)) apply(config, *record);
        }
    }
    if (!found || start_parameter("line") == "plain") {
        config.setup.plain = 1;
        config.setup.ttys = 7;
    }
    return config;
}

/// Different for every boot.
u64 new_epoch() {
    const u64 epoch = static_cast<u64>(wall_clock()) ^ __builtin_ia32_rdtsc();
    return epoch != 0 ? epoch : 1;
}

void initialise(Store& store) {
    const RunConfig config = read_config();
    tty::reset(store.state().tty, tty::kDefaultTermios, config.window);
    store.core().setup = config.setup;
    store.core().link.epoch = new_epoch();
    store.commit();
}

}  // namespace
}  // namespace pith::console

int main() {
    using namespace pith;
    const Handle<Memory> preserved = take_start_handle<Memory>("preserved");
    if (!preserved.valid()) panic("no preserved memory");
    auto info = preserved.memory_info();
    if (!info.ok()) panic("preserved memory has no size");
    auto mapping = Mapping::create(preserved, 0, info->size);
    if (!mapping.ok()) panic("preserved memory cannot be mapped");
    static console::Store store;
    if (!store.open(mapping->bytes()).ok()) panic("preserved memory is too small");
    if (store.fresh()) console::initialise(store);

    static EventLoop loop;
    static console::Service service(store, loop, loop.allocate_signal_bit(), loop.allocate_signal_bit());
    static Server<Console, console::Service> server(loop, service);
    EventLoop::note_serving();
    for (;;) {
        service.pump();
        loop.run_once(service.deadline());
    }
}
