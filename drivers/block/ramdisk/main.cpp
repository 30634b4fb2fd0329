// SPDX-License-Identifier: MIT
// The ramdisk driver: its parameters, and protocol/block.hpp towards its clients.
#include "drivers/block/ramdisk/disk.hpp"

namespace pith::ramdisk {
namespace {

constexpr abi::Time kNeverReset = ~abi::Time{0};

class Driver {
  public:
    Driver(EventLoop& loop, Disk& disk, DiskKept& kept)
        : submitted_(loop.allocate_signal_bit()),
          server_(disk, disk, loop, kept, {0, submitted_, kNeverReset, Disk::kWindow}) {
        disk.set_server(server_);
        loop.on_signal(submitted_, [this](u64) { server_.serve(); });
    }

    void handle(const Block::Open& request, Request<Block::Open> call) {
        if (request.index != 0) return call.fail(Error::not_found);
        server_.open(request, std::move(call));
    }
    void handle(const Block::Statistics& request, Request<Block::Statistics> call) {
        if (request.index != 0) return call.fail(Error::not_found);
        server_.tell_statistics(std::move(call));
    }

  private:
    const u64 submitted_;
    DiskServer server_;
};

Parameters read_parameters() {
    Parameters parameters;
    parameters.sectors = start_number("size");
    parameters.delay = start_number("delay") * kMicrosecond;
    parameters.bad_first = start_number("bad_first");
    parameters.bad_count = start_number("bad_count");
    parameters.stray = start_number("stray");
    parameters.granularity = static_cast<u32>(start_number("granularity"));
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
    // What is kept of the disk (DiskKept), and behind it the sectors.
    const ramdisk::Parameters parameters = ramdisk::read_parameters();
    const u64 size = parameters.sectors * Block::kSectorSize;
    if (size == 0 || size / Block::kSectorSize != parameters.sectors || size > info->size - abi::kPageSize)
        panic("the size does not fit");
    static ramdisk::Disk disk(mapping->bytes().subspan(abi::kPageSize, size), take_start_handle<Pool>("keep"),
                              take_start_handle<CapTable>("kept"), parameters);
    static EventLoop loop;
    static ramdisk::Driver driver(loop, disk, *mapping->as<DiskKept>());
    static Server<Block, ramdisk::Driver> server(loop, driver);
    loop.run();
}
