// SPDX-License-Identifier: MIT
// The file server of a folder of the host's: protocol/fs.hpp (as "share") towards its client, protocol/device.hpp towards the devices server. Nothing is
// looked for before a client asks, so a machine without such a device pays for the process alone.
#include <algorithm>

#include "lib/os/trace.hpp"
#include "protocol/share.hpp"
#include "servers/fs/virtio_9p/device.hpp"

namespace pith::virtio_9p {
namespace {

struct Record {
    enum Kind : u32 { opened = 1, submitted, answered } kind;
    u64 value;
    const char* trace_name() const {
        return kind == opened ? "opened" : kind == submitted ? "submit" : "answer";
    }
    u64 trace_value() const { return value; }
};

class FileServer {
  public:
    FileServer(EventLoop& loop, std::span<u8> preserved)
        : loop_(loop),
          submitted_(loop.allocate_signal_bit()),
          device_(
              loop, [this](u32 slot, u32 written) { session_.completed(slot, written); },
              [this] { go_on(Record::answered); }),
          session_(device_, preserved) {
        loop.on_signal(submitted_, [this](u64) { go_on(Record::submitted); });
    }

    void handle(const Fs::Open& request, Request<Fs::Open> call) {
        auto signal = call.handles().take<Signal>(0);
        if (!signal.ok()) return call.fail(signal.error());
        if (request.mount != 0) return call.fail(Error::not_found);
        if (client_ != 0 && client_ != call.badge().client() + u64{1}) return call.fail(Error::occupied);
        if (const auto opened = open(request, std::move(*signal)); !opened.ok())
            return call.fail(opened.error());
        client_ = call.badge().client() + u64{1};
        trace_.add({Record::opened, request.session});
        call.reply({start_info().generation + 1, submitted_, Device::kWindowOffset, Device::kWindowSize},
                   HandleList()
                       .add(device_.link_memory(),
                            rights(abi::MemoryRight::read, abi::MemoryRight::write) | kCopyRight)
                       .add(loop_.signal(), rights(abi::SignalRight::notify) | kCopyRight));
    }

  private:
    Result<> open(const Fs::Open& request, Handle<Signal> client) {
        PITH_CHECK(device_.find());
        session_.cancel();
        PITH_CHECK(device_.start());
        Session::Device device{true, Device::message_size(), {}};
        std::ranges::copy(device_.tag(), device.label);
        session_.set_device(device);
        return session_.open(request.session, device_.link(), Device::kWindowOffset, std::move(client),
                             request.bits);
    }
    void go_on(Record::Kind why) {
        trace_.add({why, session_.committed()});
        const bool tell = session_.serve();
        device_.publish();
        if (tell) session_.notify();
    }

    EventLoop& loop_;
    const u64 submitted_;
    Device device_;
    Session session_;
    u64 client_ = 0;  // its number and one; 0: none yet
    TraceRing<Record> trace_;
};

}  // namespace
}  // namespace pith::virtio_9p

int main() {
    using namespace pith;
    Handle<Memory> preserved = take_start_handle<Memory>("preserved");
    auto info = preserved.valid() ? preserved.memory_info() : Result<abi::MemoryInfo>(Error::not_found);
    if (!info.ok()) panic("no preserved memory");
    static auto mapping = Mapping::create(preserved, 0, info->size);
    if (!mapping.ok() || mapping->size() < virtio_9p::Session::kPreserved)
        panic("the preserved memory is too small");
    static EventLoop loop;
    static virtio_9p::FileServer files(loop, mapping->bytes());
    static Server<Share, virtio_9p::FileServer> server(loop, files);
    loop.run();
}
