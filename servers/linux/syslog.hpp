// SPDX-License-Identifier: MIT
// The text form of a log record, as dmesg shows it: "<6>[    0.012345] name: text".
#pragma once

#include <string>

#include "protocol/log.hpp"

namespace pith::lx {

void append_log_line(std::string& text, const Log::Read::Reply& record);

}  // namespace pith::lx
