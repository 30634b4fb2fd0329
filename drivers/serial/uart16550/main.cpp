// SPDX-License-Identifier: MIT
// Driver of a 16550A behind ports: interrupts both ways, a buffer each way, protocol/serial.hpp towards the
// client.
//
// One thread. What arrives is buffered until the client's next Transfer; with a full buffer the receive
// interrupt is off and the FIFO fills, which stops the sender where the line has flow control (QEMU's has).
// What is to be sent goes out 16 bytes for each time that the transmitter is empty; the interrupt for that is
// on only while something waits. The interrupt is an edge: it is acknowledged first and the device is served
// after, until it has no cause left, so that no edge is lost.
#include <algorithm>
#include <cstring>

#include "drivers/serial/uart16550/registers.hpp"
#include "lib/driver/device.hpp"
#include "lib/os/protocol.hpp"
#include "lib/os/trace.hpp"
#include "protocol/serial.hpp"

namespace pith::uart {
namespace {

/// Bytes in order, first in first out.
template <u32 kSize>
class Buffer {
  public:
    u32 used() const { return head_ - tail_; }
    u32 room() const { return kSize - used(); }
    void put(u8 byte) { bytes_[head_++ % kSize] = byte; }
    u8 take() { return bytes_[tail_++ % kSize]; }

  private:
    u32 head_ = 0;
    u32 tail_ = 0;
    u8 bytes_[kSize];
};

struct Record {
    enum Kind : u32 { interrupt = 1, transfer = 2, open = 3 } kind;
    u32 a, b;
    const char* trace_name() const {
        switch (kind) {
            case interrupt: return "irq";
            case transfer: return "transfer";
            case open: return "open";
        }
        return "?";
    }
    u64 trace_value() const { return a; }
};

class Uart {
  public:
    explicit Uart(IoBlock ports) : ports_(ports) {}

    /// False: there is no such device at the ports.
    bool initialise();
    /// The line's interrupt, on `loop`. After that the device is polled once.
    Result<> attach(EventLoop& loop);

    Result<Serial::Transfer::Reply> handle(const Serial::Transfer& request, Badge);
    void handle(const Serial::Open& request, Request<Serial::Open> call);

  private:
    template <typename R>
    u8 read() const {
        return ports_.read<R>().value;
    }
    template <typename R>
    void write(u8 value) const {
        R r;
        r.value = value;
        ports_.write(r);
    }
    void serve();
    void receive();
    void transmit();
    void enable_interrupts();
    void notify() {
        if (client_.valid() && !notified_) static_cast<void>(client_.notify(client_bits_));
        notified_ = true;
    }

    const IoBlock ports_;
    const u64 instance_ = start_info().generation + 1;
    Handle<Interrupt> interrupt_;
    Handle<Signal> client_;
    u64 client_bits_ = 0;
    u8 enabled_ = 0;
    bool notified_ = false;     // since its last Transfer
    bool room_wanted_ = false;  // the last Transfer was not taken whole
    u64 overruns_ = 0;          // bytes that the device lost
    Buffer<8192> received_;
    Buffer<2 * Serial::kMaxData> outgoing_;  // small: sending it all must not take long
    TraceRing<Record> trace_;
};

bool Uart::initialise() {
    write<InterruptEnable>(0);
    write<Scratch>(0x5a);
    if (read<Scratch>() != 0x5a) return false;
    write<LineControl>(LineControl::kDivisorAccess);
    write<Data>(1);  // divisor 1: 115200 baud
    write<InterruptEnable>(0);
    write<LineControl>(LineControl::k8n1);
    // The FIFOs keep what they hold: a predecessor may have left received bytes. QEMU hands over as many
    // bytes at once as the trigger level says.
    write<FifoControl>(FifoControl::kEnable | FifoControl::kTrigger14);
    write<ModemControl>(ModemControl::kReady | ModemControl::kRequestToSend | ModemControl::kInterruptsOut);
    return get_field<InterruptIdentity::FifosOn>(ports_.read<InterruptIdentity>()) == 3;
}

Result<> Uart::attach(EventLoop& loop) {
    interrupt_ = take_start_handle<Interrupt>("irq.uart");
    if (!interrupt_.valid()) return Error::not_found;
    const u64 bit = loop.allocate_signal_bit();
    if (bit == 0) return Error::no_slot;
    loop.on_signal(bit, [this](u64) {
        static_cast<void>(interrupt_.acknowledge());
        serve();
        if (received_.used() > 0 || (room_wanted_ && outgoing_.room() >= Serial::kMaxData)) notify();
    });
    PITH_CHECK(interrupt_.bind(loop.signal(), bit));
    PITH_CHECK(interrupt_.acknowledge());
    serve();
    return {};
}

void Uart::serve() {
    const u32 before = received_.used();
    do {
        receive();
        transmit();
        // Reading the identity clears a transmitter interrupt; what else is pending is served by the next
        // round.
    } while (get_field<InterruptIdentity::None>(ports_.read<InterruptIdentity>()) == 0 &&
             (get_field<LineStatus::Received>(ports_.read<LineStatus>()) != 0 ? received_.room() > 0
                                                                              : outgoing_.used() > 0));
    enable_interrupts();
    trace_.add({Record::interrupt, received_.used() - before, outgoing_.used()});
}

void Uart::receive() {
    while (received_.room() > 0) {
        const LineStatus status = ports_.read<LineStatus>();
        if (get_field<LineStatus::Overrun>(status) != 0) ++overruns_;
        if (get_field<LineStatus::Received>(status) == 0) return;
        received_.put(read<Data>());
    }
}

void Uart::transmit() {
    while (outgoing_.used() > 0) {
        if (get_field<LineStatus::HoldingEmpty>(ports_.read<LineStatus>()) == 0) return;
        const u32 count = std::min<u32>(outgoing_.used(), kFifoSize);
        for (u32 i = 0; i < count; ++i) write<Data>(outgoing_.take());
    }
}

void Uart::enable_interrupts() {
    u8 enable = 0;
    if (received_.room() > 0) enable |= InterruptEnable::kReceived;
    if (outgoing_.used() > 0) enable |= InterruptEnable::kTransmitterEmpty;
    if (enable == enabled_) return;
    enabled_ = enable;
    write<InterruptEnable>(enable);
}

void Uart::handle(const Serial::Open& request, Request<Serial::Open> call) {
    auto signal = call.handles().take<Signal>(0);
    if (!signal.ok()) return call.fail(signal.error());
    client_ = std::move(*signal);
    client_bits_ = request.bits;
    notified_ = false;
    trace_.add({Record::open, 0, 0});
    call.reply({instance_});
    if (received_.used() > 0) notify();
}

Result<Serial::Transfer::Reply> Uart::handle(const Serial::Transfer& request, Badge) {
    if (request.instance != instance_) return Error::bad_state;
    if (request.length > Serial::kMaxData) return Error::invalid;
    Serial::Transfer::Reply reply;
    notified_ = false;
    receive();
    reply.length = std::min<u32>(received_.used(), Serial::kMaxData);
    for (u32 i = 0; i < reply.length; ++i) reply.data[i] = received_.take();
    reply.taken = std::min(static_cast<u32>(request.length), outgoing_.room());
    for (u32 i = 0; i < reply.taken; ++i) outgoing_.put(request.data[i]);
    transmit();
    room_wanted_ = reply.taken < request.length;
    enable_interrupts();
    trace_.add({Record::transfer, reply.taken, reply.length});
    return reply;
}

}  // namespace
}  // namespace pith::uart

int main() {
    using namespace pith;
    auto ports = device_ports("uart");
    if (!ports.ok()) panic("no ports");
    static uart::Uart driver(*ports);
    if (!driver.initialise()) panic("no 16550A at the ports");
    static EventLoop loop;
    static Server<Serial, uart::Uart> server(loop, driver);
    if (!driver.attach(loop).ok()) panic("no interrupt");
    loop.run();
}
