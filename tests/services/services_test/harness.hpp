// SPDX-License-Identifier: MIT
// What the tests of root and supervisor share.
#pragma once

#include "protocol/log.hpp"
#include "tests/guest.hpp"
#include "tests/services/victim.hpp"

namespace pith::test {

extern Client<Victim> victim;
extern Client<Log> log_client;
extern u64 next_id;
extern u64 expected_sum;

bool state_becomes(std::string_view name, ComponentState state, u32 restarts);
/// The victim serves, and its sum is what it has to be.
bool add_works();
/// Has the victim die, and come back.
bool dies(Death how);

// healing.cpp
bool deaths_are_reported();
bool hang_is_found();
bool violations_have_an_end();
bool update_takes_over();
bool bad_updates_are_undone();
bool updates_outlive_the_supervisor();

}  // namespace pith::test
