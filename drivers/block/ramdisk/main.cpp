// SPDX-License-Identifier: MIT
// The ramdisk driver: its parameters, and protocol/block.hpp towards its client.
#include "drivers/block/ramdisk/disk.hpp"
#include "lib/os/mapping.hpp"
#include "lib/os/protocol.hpp"
#include "lib/os/trace.hpp"

namespace pith::ramdisk {
namespace {

struct Record {
    enum Kind : u32 { open = 1, submitted = 2 } kind;
    u32 pending;
    const char* trace_name() const { return kind == open ? "open" : "submit"; }
    u64 trace_value() const { return pending; }
};

class Driver {
  public:
    Driver(EventLoop& loop, Disk& disk, Handle<Memory> link, bool read_only)
        : loop_(loop), disk_(disk), link_(std::move(link)), read_only_(read_only) {}
    Result<> start() {
        bit_ = loop_.allocate_signal_bit();
        if (bit_ == 0) return Error::no_slot;
        loop_.on_signal(bit_, [this](u64) { look(); });
        return {};
    }

    void handle(const Block::Open& request, Request<Block::Open> call) {
        auto client = call.handles().take<Signal>(0);
        if (!client.ok()) return call.fail(client.error());
        if (request.index != 0) return call.fail(Error::not_found);
        disk_.open(std::move(*client), request.bits);
        trace_.add({Record::open, 0});
        HandleList handles;
        handles.add(link_, rights(abi::MemoryRight::read, abi::MemoryRight::write));
        handles.add(loop_.signal(), rights(abi::SignalRight::notify));
        call.reply({start_info().generation + 1, disk_.sectors(), bit_, Disk::kWindowOffset,
                    Disk::kWindowSize, Disk::kMaxSectors, read_only_ ? Block::kReadOnly : 0},
                   handles);
    }

  private:
    struct Alarm : Timer {
        explicit Alarm(Driver& of)
            : Timer([](Timer& timer) { static_cast<Alarm&>(timer).driver.look(); }), driver(of) {}
        Driver& driver;
    };
    void look() {
        if (!disk_.take(now())) return;
        trace_.add({Record::submitted, 0});
        if (disk_.work(now())) disk_.notify();
        if (!disk_.idle()) alarm_.arm(disk_.due());
    }

    EventLoop& loop_;
    Disk& disk_;
    Handle<Memory> link_;
    bool read_only_;
    u64 bit_ = 0;
    Alarm alarm_{*this};
    TraceRing<Record> trace_;
};

Parameters read_parameters() {
    Parameters parameters;
    parameters.sectors = start_number("size");
    parameters.delay = start_number("delay") * kMicrosecond;
    parameters.bad_first = start_number("bad_first");
    parameters.bad_count = start_number("bad_count");
    parameters.stray = start_number("stray");
    parameters.read_only = start_parameter("read_only") == "true";
    parameters.shuffled = start_parameter("order") == "shuffled";
    return parameters;
}

}  // namespace
}  // namespace pith::ramdisk

int main() {
    using namespace pith;
    Handle<Memory> preserved = take_start_handle<Memory>("preserved");
    auto info = preserved.valid() ? preserved.memory_info() : Result<abi::MemoryInfo>(Error::not_found);
    if (!info.ok()) panic("no preserved memory");
    auto mapping = Mapping::create(preserved, 0, info->size);
    if (!mapping.ok()) panic("the preserved memory cannot be mapped");
    const ramdisk::Parameters parameters = ramdisk::read_parameters();
    static ramdisk::Disk disk(mapping->bytes(), parameters);
    if (disk.sectors() == 0 || disk.sectors() != parameters.sectors) panic("the size does not fit");
    static EventLoop loop;
    static ramdisk::Driver driver(loop, disk, std::move(preserved), parameters.read_only);
    if (!driver.start().ok()) panic("no signal bit");
    static Server<Block, ramdisk::Driver> server(loop, driver);
    loop.run();
}
