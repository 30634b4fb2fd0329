// SPDX-License-Identifier: MIT
// Process::Reach: what an injector of faults needs of a component. Only for who has the capability `inject`, which only
// systems grant that are made to be hurt.
#include <cstring>

#include "servers/supervisor/services.hpp"

namespace pith::supervisor {

namespace {

constexpr const char* kProbe = "probe";  // a protocol that nobody serves: any component answers `unsupported`
constexpr std::string_view kOwnName = "supervisor";
constexpr u64 kService = 0, kInsides = 1;

void add_insides(HandleList& list, const Handle<Thread>& thread, const Handle<Space>& space,
                 const Handle<Pool>& pool, const Handle<Signal>& signal) {
    using namespace abi;
    list.add(thread, rights(ThreadRight::run, ThreadRight::registers, ThreadRight::info) | abi::kRightManage |
                         kCopyRight);
    list.add(space, rights(SpaceRight::map, SpaceRight::info) | kCopyRight);
    list.add(pool, rights(PoolRight::allocate, PoolRight::info) | kCopyRight);
    list.add(signal, rights(SignalRight::notify) | kCopyRight);
}

Result<Handle<Endpoint>> probe(const Handle<Endpoint>& endpoint) {
    return endpoint.mint(Badge(protocol_number(kProbe), 0, 0).bits(),
                         rights(abi::EndpointRight::send) | kCopyRight);
}

}  // namespace

bool Services::may_inject(Badge badge) const {
    return badge.client() < system_.count() &&
           (system_.component(badge.client()).grants & static_cast<u32>(CompositionGrant::inject)) != 0;
}

Result<> Services::reach_self(u64 what, Request<Process::Reach>& request) {
    HandleList handles;
    Handle<Endpoint> endpoint;
    if (what == kService) {
        endpoint = PITH_TRY(probe(system_.loop().endpoint()));
        handles.add(endpoint);
    } else {
        static_cast<void>(system_.root().call(Root::Forgive{}));
        add_insides(handles, own_thread(), own_space(), own_pool(), system_.loop().signal());
    }
    request.reply({start_info().generation + 1, 0, 0}, handles);
    return {};
}

void Services::handle(const Process::Reach& message, Request<Process::Reach> request) {
    if (!may_inject(request.badge())) return request.fail(Error::access);
    if (message.what > kInsides) return request.fail(Error::invalid);
    const std::string_view name(message.name, strnlen(message.name, kNameSize));
    if (name == kOwnName) {
        if (auto done = reach_self(message.what, request); !done.ok()) request.fail(done.error());
        return;
    }
    auto number = system_.find(name);
    if (!number.ok()) return request.fail(number.error());
    const bool again = policy(*number) != RestartPolicy::never;
    if (!again || *number == request.badge().client()) return request.fail(Error::access);
    const ComponentRecord& r = system_.record(*number);
    HandleList handles;
    Handle<Endpoint> endpoint;
    if (message.what == kService) {
        auto minted = probe(Borrowed<Endpoint>(r.endpoint));
        if (!minted.ok()) return request.fail(minted.error());
        endpoint = std::move(*minted);
        handles.add(endpoint);
    } else {
        if (r.state != ComponentState::running) return request.fail(Error::bad_state);
        system_.forgive(*number);
        add_insides(handles, Borrowed<Thread>(r.thread), Borrowed<Space>(r.space), Borrowed<Pool>(r.run),
                    Borrowed<Signal>(r.signal));
    }
    request.reply({r.generation, r.ended, policy(*number) == RestartPolicy::essential ? u64{1} : u64{0}},
                  handles);
}

}  // namespace pith::supervisor
