// SPDX-License-Identifier: MIT
// memcpy of components (lib/base/string.cpp, built here under another name): every size and alignment that takes another way, and nothing beside them.
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

extern "C" void* pith_tested_memcpy(void* to, const void* from, size_t size);

namespace {

TEST(String, MemcpyCopiesWhatItIsToldAndNothingElse) {
    constexpr size_t kMost = 300, kMargin = 16;
    for (size_t size = 0; size <= kMost; size++) {
        for (size_t shift = 0; shift < 8; shift++) {
            std::vector<unsigned char> from(size), to(size + 2 * kMargin, 0xee);
            for (size_t i = 0; i < size; i++) from[i] = static_cast<unsigned char>(i * 7 + size);
            unsigned char* const at = to.data() + shift;
            ASSERT_EQ(pith_tested_memcpy(at, from.data(), size), at);
            if (size > 0) ASSERT_EQ(std::memcmp(at, from.data(), size), 0) << size << " at " << shift;
            for (size_t i = 0; i < to.size(); i++)
                if (i < shift || i >= shift + size) ASSERT_EQ(to[i], 0xee) << size << " at " << shift;
        }
    }
}

}  // namespace
