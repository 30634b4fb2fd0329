// SPDX-License-Identifier: MIT
// Which component may have which devices, as the supervisor tells it (servers/supervisor/build.cpp): parameters "pci.N" =
// "COMPONENT:VENDOR:DEVICE:PAGES:NAME", the numbers in hexadecimal. A grant is for every device of that kind; with kAnyVendor
// for a vendor, of that class.
#pragma once

#include <string_view>

#include "protocol/composition.hpp"
#include "servers/devices/state.hpp"

namespace pith::devices {

struct Grant {
    u32 owner;
    u16 vendor;
    u32 id;
    u64 dma_pages;
    std::string_view name;
    bool of_class() const { return vendor == kAnyVendor; }
    bool covers(const Function& f) const {
        return of_class() ? f.class_code == id : f.vendor == vendor && f.id == id;
    }
};

/// False: malformed.
inline bool parse_grant(std::string_view text, Grant& grant) {
    u64 numbers[4] = {};
    for (u64& number : numbers) {
        const usize end = text.find(':');
        if (end == std::string_view::npos || end == 0 || end > 8) return false;
        for (const char c : text.substr(0, end)) {
            const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
            if (digit < 0) return false;
            number = number << 4 | static_cast<u64>(digit);
        }
        text.remove_prefix(end + 1);
    }
    if (numbers[1] > 0xffff || numbers[2] > (numbers[1] == kAnyVendor ? 0xff'ffff : 0xffff) || text.empty())
        return false;
    grant = {static_cast<u32>(numbers[0]), static_cast<u16>(numbers[1]), static_cast<u32>(numbers[2]),
             numbers[3], text};
    return true;
}

}  // namespace pith::devices
