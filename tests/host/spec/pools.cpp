// SPDX-License-Identifier: MIT
// Pools and the life of objects: creation out of a Pool (I1), destruction (I2, I3).
//
// How many pages a kernel object takes is the kernel's business; so a creation may answer no_memory. What is exact: a
// sub-pool takes its limit, a Memory at least its pages, and what was made in a Pool never takes more than its limit.
#include <algorithm>

#include "tests/host/spec/system.hpp"

namespace pith::spec {

namespace {
constexpr auto kAllocate = static_cast<RightsBits>(abi::PoolRight::allocate);
constexpr u64 kMaxPages = u64{1} << 40;
}  // namespace

Id System::add(ObjectType type, Id pool, decltype(Object::body) body) {
    Id id = next_++;
    objects[id] = {.type = type, .pool = pool, .body = std::move(body)};
    return id;
}

std::set<Id> System::pool_contents(Id pool) const {
    std::set<Id> result;
    for (const auto& [id, object] : objects) {
        Id in = object.type == ObjectType::pool ? std::get<Pool>(object.body).parent : object.pool;
        if (in != pool) continue;
        result.insert(id);
        if (object.type == ObjectType::pool) result.merge(pool_contents(id));
    }
    return result;
}

u64 System::pool_used_at_least(Id pool) const {
    u64 pages = 0;
    for (const auto& [id, object] : objects) {
        if (object.type == ObjectType::memory && object.pool == pool && !std::get<Memory>(object.body).device)
            pages += std::get<Memory>(object.body).pages;
        if (object.type == ObjectType::pool && std::get<Pool>(object.body).parent == pool)
            pages += std::get<Pool>(object.body).limit;
    }
    return pages;
}

u64 System::count(ObjectType type) const {
    return static_cast<u64>(
        std::ranges::count_if(objects, [&](const auto& entry) { return entry.second.type == type; }));
}

/// An object from the Pool that `call` invokes, which needs at least `pages` of it beside the object itself.
Outcome System::create(Id thread, const Call& call, ObjectType type, decltype(Object::body) body, u64 pages) {
    Errors errors;
    const Capability* pool = lookup(thread, call.handle, ObjectType::pool, kAllocate, errors);
    if (pool == nullptr) return {.errors = errors};
    u64 used = pool_used_at_least(pool->object);
    bool must_fail = pages > as<Pool>(pool->object).limit || used + pages > as<Pool>(pool->object).limit;
    if (must_fail) return {.errors = {Error::no_memory}};
    if (observed_.error == Error::no_memory || observed_.error == Error::no_slot)
        return {.errors = {observed_.error}};
    return install(thread, add(type, pool->object, std::move(body)));
}

Outcome System::pool_create(Id thread, const Call& call) {
    Errors errors;
    const Capability* parent = lookup(thread, call.handle, ObjectType::pool, kAllocate, errors);
    if (call.a[0] == 0 || call.a[0] > kMaxPages) errors.insert({Error::invalid, Error::no_memory});
    if (!errors.empty()) return {.errors = errors};
    return create(thread, call, ObjectType::pool, Pool{.parent = parent->object, .limit = call.a[0]},
                  call.a[0]);
}

/// Grows out of the parent, or gives back what is not used.
Outcome System::pool_resize(Id thread, const Call& call) {
    Errors errors;
    const Capability* capability = lookup(thread, call.handle, ObjectType::pool,
                                          static_cast<RightsBits>(abi::PoolRight::manage), errors);
    if (capability == nullptr) return {.errors = errors};
    auto& pool = as<Pool>(capability->object);
    u64 limit = call.a[0];
    if (pool.parent == kNone)
        return {.errors = {Error::invalid, Error::bad_state, Error::no_memory, Error::busy}};
    if (limit > pool.limit) {
        u64 more = limit - pool.limit;
        const auto& parent = as<Pool>(pool.parent);
        if (more > parent.limit || pool_used_at_least(pool.parent) + more > parent.limit)
            return {.errors = {Error::no_memory, Error::invalid}};
    } else if (limit == 0 || limit < pool_used_at_least(capability->object)) {
        return {.errors = {Error::no_memory, Error::invalid, Error::busy}};
    }
    if (observed_.error == Error::no_memory || observed_.error == Error::busy)
        return {.errors = {observed_.error}};
    pool.limit = limit;
    return {};
}

Outcome System::memory_create(Id thread, const Call& call) {
    Errors errors;
    lookup(thread, call.handle, ObjectType::pool, kAllocate, errors);
    if (call.a[0] == 0) errors.insert(Error::invalid);
    if (call.a[0] > kMaxPages * abi::kPageSize) errors.insert({Error::invalid, Error::no_memory});
    if ((call.a[1] & ~u64{abi::kMemoryContiguous}) != 0) errors.insert(Error::invalid);
    if (!errors.empty()) return {.errors = errors};
    u64 pages = (call.a[0] + abi::kPageSize - 1) >> abi::kPageShift;
    return create(thread, call, ObjectType::memory,
                  Memory{.pages = pages, .contiguous = call.a[1] == abi::kMemoryContiguous}, pages);
}

Outcome System::captable_create(Id thread, const Call& call) {
    Errors errors;
    lookup(thread, call.handle, ObjectType::pool, kAllocate, errors);
    if (call.a[0] > abi::kMaxSlots) errors.insert(Error::invalid);
    if (!errors.empty()) return {.errors = errors};
    return create(thread, call, ObjectType::captable, CapTable{}, 0);
}

Outcome System::object_destroy(Id thread, const Call& call) {
    Errors errors;
    const Capability* capability = lookup(thread, call.handle, ObjectType::none, abi::kRightManage, errors);
    if (capability == nullptr) return {.errors = errors};
    // (nor can a Reply: it is the caller's)
    if (objects.at(capability->object).type == ObjectType::reply) return {.errors = {Error::invalid}};
    if (objects.at(capability->object).type == ObjectType::machine) return {.errors = {Error::invalid}};
    if (capability->object == root_pool) return {.errors = {Error::invalid, Error::busy, Error::bad_state}};
    destroy(capability->object);
    // The handle that it was invoked with is consumed.
    if (Id table = as<Thread>(thread).captable; alive(table)) as<CapTable>(table).stale.erase(call.handle);
    return {};
}

/// The object, and for a Pool all that was made in it. After this there is no capability, mapping or queue link to
/// any of it (I2), and its pages are the parent's (I3): a limit that no longer exists is not counted there.
void System::destroy(Id object) {
    std::set<Id> doomed{object};
    if (objects.at(object).type == ObjectType::pool) doomed.merge(pool_contents(object));

    // A Reply does not stand for itself: its caller is told.
    auto of_type = [&](ObjectType type) {
        std::set<Id> result;
        for (Id id : doomed)
            if (objects.at(id).type == type) result.insert(id);
        return result;
    };
    for (Id id : of_type(ObjectType::thread)) kill(id);
    // Threads that have lost what they run in, die.
    for (auto& [id, other] : objects) {
        if (other.type != ObjectType::thread) continue;
        auto& t = std::get<Thread>(other.body);
        if (doomed.contains(t.space) || doomed.contains(t.captable) || doomed.contains(t.buffer)) kill(id);
        if (doomed.contains(t.budget)) t.budget = kNone;
        if (doomed.contains(t.handler)) t.handler = kNone;
        if (doomed.contains(t.buffer)) t.buffer = kNone;
    }
    for (Id id : of_type(ObjectType::endpoint)) {
        auto endpoint = as<Endpoint>(id);
        for (Id receiver : endpoint.registered) as<Thread>(receiver).registered = kNone;
        as<Endpoint>(id).registered.clear();
        for (const auto& queue : {endpoint.senders, endpoint.receivers})
            for (Id waiting : queue) {
                if (as<Thread>(waiting).state == State::event) {
                    abandon(waiting);
                    continue;
                }
                bool receives = as<Thread>(waiting).state == State::receiving;
                finish(waiting, {.errors = {receives ? Error::cancelled : Error::peer_died}});
            }
    }
    for (Id id : of_type(ObjectType::signal)) {
        auto s = as<Signal>(id);
        if (s.waiter != kNone) finish(s.waiter, {.errors = {Error::cancelled}});
        if (s.bound != kNone) as<Thread>(s.bound).bound_signal = kNone;
        for (auto& [other_id, other] : objects)
            if (other.type == ObjectType::budget && std::get<Budget>(other.body).signal == id)
                std::get<Budget>(other.body).signal = kNone;
        for (auto& [other_id, other] : objects)
            if (other.type == ObjectType::interrupt && std::get<Interrupt>(other.body).signal == id)
                std::get<Interrupt>(other.body).signal = kNone;
    }
    for (auto& [id, other] : objects)
        if (other.type == ObjectType::space)
            std::erase_if(std::get<Space>(other.body).ports,
                          [&](Id ports) { return doomed.contains(ports); });
    for (Id id : of_type(ObjectType::memory))
        for (auto& [space_id, space] : objects)
            if (space.type == ObjectType::space)
                std::erase_if(std::get<Space>(space.body).pages,
                              [&](const auto& page) { return page.second.memory == id; });
    for (Id id : of_type(ObjectType::captable)) {
        auto slots = as<CapTable>(id).slots;
        for (auto [slot, capability] : slots)
            if (capabilities.contains(capability)) remove(capability);
    }
    // All capabilities to the doomed, wherever they are.
    for (bool found = true; found;) {
        found = false;
        for (const auto& [id, capability] : capabilities)
            if (doomed.contains(capability.object)) {
                found = true;
                take_away(id);
                break;
            }
    }
    for (Id id : doomed) objects.erase(id);
}

}  // namespace pith::spec
