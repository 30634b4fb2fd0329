// SPDX-License-Identifier: MIT
#include "servers/console/line.hpp"

#include <algorithm>
#include <cstring>

#include "lib/os/clock.hpp"

namespace pith::console {

bool Line::open() {
    if (instance_ != 0) return true;
    const abi::Time present = now();
    if (present < retry_time_) return false;
    ReceivedHandles unwanted;
    HandleList handles;
    handles.add(signal_, rights(abi::SignalRight::notify));
    auto reply = client_.call_once(Serial::Open{bits_}, handles, unwanted, present + kPatience);
    if (!reply.ok() || reply->instance == 0) {
        retry_time_ = now() + kRetry;
        return false;
    }
    instance_ = reply->instance;
    retry_time_ = 0;
    return true;
}

Result<Line::Exchange> Line::exchange(std::span<const u8> out, std::span<u8> in) {
    Serial::Transfer request;
    request.instance = instance_;
    request.length = std::min(out.size(), Serial::kMaxData);
    memcpy(request.data, out.data(), request.length);
    ReceivedHandles unwanted;
    auto reply = client_.call_once(request, HandleList(), unwanted, now() + kPatience);
    if (!reply.ok()) {
        forget();
        return reply.error();
    }
    if (reply->taken > request.length || reply->length > Serial::kMaxData) {
        forget();
        return Error::protocol;
    }
    memcpy(in.data(), reply->data, reply->length);
    return Exchange{reply->taken, reply->length};
}

}  // namespace pith::console
