// SPDX-License-Identifier: MIT
// That the specification is complete: each system call of abi/syscall.hpp is one that it handles, or docs/specification.md
// says why not ("- `name`: why", below "Not specified").
#include <gtest/gtest.h>

#include <fstream>
#include <regex>

#include "tests/host/kernel/twin.hpp"

namespace pith::test {
namespace {

std::string text_of(const std::string& path) {
    std::ifstream file(std::string(PITH_TREE) + "/" + path);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// Names and numbers of the enumerators of abi::Syscall, as its header has them.
std::map<std::string, u32> system_calls() {
    std::string text = std::regex_replace(text_of("abi/syscall.hpp"), std::regex("//[^\n]*"), "");
    text.erase(0, text.find("enum class Syscall"));
    text.erase(text.find('}'));
    static const std::regex kEnumerator("([a-z_]+)\\s*=\\s*([0-9]+)\\s*,");
    std::map<std::string, u32> result;
    for (std::sregex_iterator match(text.begin(), text.end(), kEnumerator), end; match != end; ++match)
        result[(*match)[1]] = static_cast<u32>(std::stoul((*match)[2]));
    return result;
}

std::set<std::string> excused() {
    std::string text = text_of("docs/specification.md");
    text.erase(0, std::min(text.size(), text.find("## Not specified")));
    static const std::regex kItem("\n- `([a-z_]+)`: ");
    std::set<std::string> result;
    for (std::sregex_iterator match(text.begin(), text.end(), kItem), end; match != end; ++match)
        result.insert((*match)[1]);
    return result;
}

/// Whether the specification has a rule for the call: if it has none, it refuses the number.
bool specified(u32 number) {
    spec::System system(1000, 1);
    auto outcome = system.call(system.root_thread,
                               {.number = static_cast<Syscall>(number), .handle = abi::kMaxSlots - 1}, {});
    return !outcome.errors.contains(Error::bad_syscall);
}

TEST(Specification, HandlesEachSystemCall) {
    const auto calls = system_calls();
    EXPECT_EQ(calls.at("null"), static_cast<u32>(Syscall::null));
    EXPECT_EQ(calls.at("machine_log"), static_cast<u32>(Syscall::machine_log));
    const auto excuses = excused();
    for (const auto& [name, number] : calls)
        EXPECT_NE(specified(number), excuses.contains(name))
            << name << ": must be handled by tests/host/spec, or be excused by docs/specification.md";
    for (const auto& name : excuses) EXPECT_TRUE(calls.contains(name)) << name << " is no system call";
}

TEST(Specification, RefusesOtherNumbers) {
    std::set<u32> numbers;
    for (const auto& [name, number] : system_calls()) numbers.insert(number);
    for (u32 number = 0; number < 256; number++)
        if (!numbers.contains(number)) EXPECT_FALSE(specified(number)) << number;
}

}  // namespace
}  // namespace pith::test
