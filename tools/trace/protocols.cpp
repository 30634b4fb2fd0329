// SPDX-License-Identifier: MIT
#include "tools/trace/protocols.hpp"

#include <format>

#include "lib/os/bundle.hpp"
#include "protocol/block.hpp"
#include "protocol/composition.hpp"
#include "protocol/console.hpp"
#include "protocol/device.hpp"
#include "protocol/ethernet.hpp"
#include "protocol/log.hpp"
#include "protocol/name.hpp"
#include "protocol/net.hpp"
#include "protocol/process.hpp"
#include "protocol/serial.hpp"

namespace pith::tools {

namespace {

/// "Console::Write" of the type.
template <typename T>
std::string_view type_name() {
    std::string_view text = __PRETTY_FUNCTION__;  // "... [T = pith::Console::Write]"
    text.remove_prefix(text.rfind("pith::") + 6);
    return text.substr(0, text.find(']'));
}

using Visit = void (*)(void* context, u16 opcode, std::string_view name);

template <typename... M>
void visit_methods(MethodList<M...>, void* context, Visit visit) {
    (visit(context, M::kOpcode, type_name<M>()), ...);
}

struct KnownProtocol {
    std::string_view name;
    void (*visit)(void* context, Visit visit);
};

template <typename Protocol>
constexpr KnownProtocol known() {
    return {Protocol::kName,
            [](void* context, Visit visit) { visit_methods(typename Protocol::Methods{}, context, visit); }};
}

/// The protocols there are: a new one is added here.
constexpr KnownProtocol kProtocols[] = {
    known<Block>(), known<Console>(),   known<Devices>(), known<Ethernet>(), known<Log>(),   known<Name>(),
    known<Net>(),   known<Lifecycle>(), known<Process>(), known<Root>(),     known<Serial>()};

}  // namespace

void Protocols::add(u64 component, std::string_view protocol) {
    struct Context {
        Protocols& self;
        u64 component;
    } context{*this, component};
    for (const KnownProtocol& each : kProtocols) {
        if (each.name != protocol) continue;
        each.visit(&context, [](void* raw, u16 opcode, std::string_view name) {
            auto& [self, number] = *static_cast<Context*>(raw);
            const auto [place, fresh] = self.methods_.try_emplace({number, opcode}, name);
            if (!fresh && place->second != name) place->second.clear();
        });
    }
}

Protocols::Protocols(std::span<const u8> bundle) {
    for (const char* protocol : {Process::kName, Lifecycle::kName, Name::kName})
        add(kSupervisorNumber, protocol);
    add(kRootNumber, Root::kName);
    auto opened = Bundle::open(bundle);
    if (!opened.ok()) return;
    auto file = opened->find("system");
    if (!file.ok()) return;
    auto composition = Composition::parse(file->content);
    if (!composition.ok()) return;
    u64 number = 0;
    for (const CompositionComponent& component : composition->components()) {
        for (const CompositionString& protocol : composition->provides(component))
            add(number, composition->string(protocol));
        number++;
    }
}

std::string Protocols::method(u64 component, u32 operation) const {
    const auto found = methods_.find({component, operation});
    if (found == methods_.end() || found->second.empty()) return std::format("#{}", operation);
    std::string name = found->second;
    if (const usize colons = name.find("::"); colons != name.npos) name.replace(colons, 2, ".");
    return name;
}

}  // namespace pith::tools
