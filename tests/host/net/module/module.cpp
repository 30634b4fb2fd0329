// SPDX-License-Identifier: MIT
#include "tests/host/net/module/module.hpp"

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "servers/net/stack/stack.hpp"

namespace pith {

[[noreturn]] void assertion_failed(const char* text);
void assertion_failed(const char* text) {
    std::fprintf(stderr, "assertion failed: %s\n", text);
    std::abort();
}

namespace stack {
namespace {

class Loaded final : public AnyStack {
  public:
    Loaded(Port& port, u8* link, u8* records)
        : stack_(std::make_unique<Stack>(port, std::span<u8>(link, Net::kLinkSize),
                                         std::span<u8>(records, Records::kSize))) {}
    void open(u64 session) override { stack_->open(session); }
    void attach(const InterfaceSetup& setup) override { stack_->attach(setup); }
    void set_link(bool up) override { stack_->set_link(up); }
    void receive(u64 id, std::span<u8> frame, bool good) override { stack_->receive(id, frame, good); }
    void round() override { stack_->round(); }
    u64 deadline() const override { return stack_->deadline(); }
    bool sleep() override { return stack_->sleep(); }
    Net::Statistics::Reply statistics() override { return stack_->statistics(); }

  private:
    std::unique_ptr<Stack> stack_;
};

}  // namespace
}  // namespace stack
}  // namespace pith

extern "C" __attribute__((visibility("default"))) pith::stack::AnyStack* pith_make_stack(
    pith::stack::Port& port, pith::u8* link, pith::u8* records);
pith::stack::AnyStack* pith_make_stack(pith::stack::Port& port, pith::u8* link, pith::u8* records) {
    return new pith::stack::Loaded(port, link, records);
}
