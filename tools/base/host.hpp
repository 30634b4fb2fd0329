// SPDX-License-Identifier: MIT
// What every host program of ours shares: failing with one line and a status, and reading and writing whole files.
#pragma once

#include <format>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "abi/types.hpp"

namespace pith::tools {

/// Ends the program with one line on stderr and an exit status: 2 for what the user got wrong, 1 for the rest.
struct Failure : std::runtime_error {
    Failure(int exit_status, const std::string& message) : std::runtime_error(message), status(exit_status) {}
    int status;
};

inline constexpr int kUsage = 2;

template <typename... Arguments>
[[noreturn]] void fail(int status, std::format_string<Arguments...> format, Arguments&&... arguments) {
    throw Failure(status, std::format(format, std::forward<Arguments>(arguments)...));
}

/// Runs `body`; a Failure becomes the line "PROGRAM: message" on stderr and its status.
int guarded_main(const char* program, const std::function<int()>& body);

/// "what: why" of errno, as the text of a Failure.
std::string error_text(std::string_view what);

/// The whole content of a regular file. Fails with kUsage and the path when it can't be read.
std::vector<u8> read_file(const std::string& path);
std::string read_text(const std::string& path);

/// Writes to a temporary file beside `path` and renames it, so that a reader sees the old or the new content.
void write_file(const std::string& path, std::string_view content);
void write_file(const std::string& path, const std::vector<u8>& content);

}  // namespace pith::tools
