// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "protocol/run.hpp"

namespace pith::run {
namespace {

using namespace std::string_view_literals;

TEST(RunConfig, RecordsInOrder) {
    std::string_view bytes = "arg=sh\0arg=-c\0arg=a=b\nc\0env=\0"sv;
    for (const auto& [key, value] :
         {Record{"arg", "sh"}, Record{"arg", "-c"}, Record{"arg", "a=b\nc"}, Record{"env", ""}}) {
        const auto record = next_record(bytes);
        ASSERT_TRUE(record);
        EXPECT_EQ(record->key, key);
        EXPECT_EQ(record->value, value);
    }
    EXPECT_FALSE(next_record(bytes));
}

TEST(RunConfig, MalformedRecordsAreSkipped) {
    std::string_view bytes = "none\0=value\0\0good=1\0cut=of"sv;
    const auto record = next_record(bytes);
    ASSERT_TRUE(record);
    EXPECT_EQ(record->key, "good");
    EXPECT_FALSE(next_record(bytes));
}

}  // namespace
}  // namespace pith::run
