// SPDX-License-Identifier: MIT
// Words that two processes share: each is read and written once, as a whole.
#pragma once

#include <atomic>

#include "abi/types.hpp"

namespace pith::shared {

template <typename T>
T load(const T& from) {
    return std::atomic_ref<T>(const_cast<T&>(from)).load(std::memory_order_acquire);
}
template <typename T>
void store(T& to, T value) {
    std::atomic_ref<T>(to).store(value, std::memory_order_release);
}
/// Sets it; what it was.
inline u32 exchange(u32& word, u32 value) {
    return std::atomic_ref<u32>(word).exchange(value, std::memory_order_seq_cst);
}
/// What was written before it is seen before what is read behind it.
inline void fence() { std::atomic_thread_fence(std::memory_order_seq_cst); }

}  // namespace pith::shared
