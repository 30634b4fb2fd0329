// SPDX-License-Identifier: MIT
#include "lib/lwip/pools.hpp"

#include <lwip/opt.h>
// What lwIP's own memp.c needs for the sizes of its elements.
#include <lwip/etharp.h>
#include <lwip/igmp.h>
#include <lwip/ip4_frag.h>
#include <lwip/ip6_frag.h>
#include <lwip/memp.h>
#include <lwip/mld6.h>
#include <lwip/pbuf.h>
#include <lwip/priv/nd6_priv.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/raw.h>
#include <lwip/udp.h>

namespace pith {
namespace {

struct Shape {
    usize size;
    usize count;
};

constexpr Shape kShapes[] = {
#define LWIP_MEMPOOL(name, count, size, description) {LWIP_MEM_ALIGN_SIZE(size), count},
#include <lwip/priv/memp_std.h>
};

struct Element {
    Element* next;
};

struct Pool {
    u8* fresh;  ///< elements from here on were never used
    u8* end;
    Element* free;
};

Pool pools[MEMP_MAX];

}  // namespace

usize lwip_pool_bytes() {
    usize bytes = 0;
    for (const Shape& shape : kShapes) bytes += shape.size * shape.count;
    return bytes;
}

}  // namespace pith

extern "C" {

void memp_init() {
    using namespace pith;
    auto* at = static_cast<u8*>(pith_lwip_pools());
    for (usize i = 0; i < MEMP_MAX; i++) {
        u8* const end = at + kShapes[i].size * kShapes[i].count;
        pools[i] = {at, end, nullptr};
        at = end;
    }
}

void* memp_malloc(memp_t type) {
    using namespace pith;
    Pool& pool = pools[type];
    if (Element* element = pool.free; element != nullptr) {
        pool.free = element->next;
        return element;
    }
    u8* const element = pool.fresh;
    if (element == pool.end || pith_lwip_need(element, kShapes[type].size) == 0) return nullptr;
    pool.fresh += kShapes[type].size;
    return element;
}

void memp_free(memp_t type, void* memory) {
    using namespace pith;
    if (memory == nullptr) return;
    auto* element = static_cast<Element*>(memory);
    element->next = pools[type].free;
    pools[type].free = element;
}

}  // extern "C"
