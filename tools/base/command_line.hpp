// SPDX-License-Identifier: MIT
// The command line of a host program: options are bound to variables, then parsed. A thin front of CLI11, which takes
// long to compile, so that one file of ours includes it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "abi/types.hpp"

namespace pith::tools {

class CommandLine {
  public:
    explicit CommandLine(const std::string& description);
    ~CommandLine();
    CommandLine(const CommandLine&) = delete;
    CommandLine& operator=(const CommandLine&) = delete;

    /// An option with a value; of several the last one counts. A name without dashes is a positional argument.
    CommandLine& option(const std::string& name, std::string& value, const std::string& help,
                        bool required = false);
    /// A number from `least` to `most`.
    CommandLine& number(const std::string& name, u32& value, u32 least, u32 most, const std::string& help);
    /// A number of seconds above 0.
    CommandLine& seconds(const std::string& name, double& value, const std::string& help);
    /// An option that may be repeated, each time with one value. Without dashes: all further arguments.
    CommandLine& list(const std::string& name, std::vector<std::string>& values, const std::string& help);
    CommandLine& flag(const std::string& name, bool& value, const std::string& help);

    /// Parses; what follows "--" is returned as it is. Fails with kUsage and one line; --help ends the program.
    std::vector<std::string> parse(int argc, char** argv);

  private:
    struct Parser;
    std::unique_ptr<Parser> parser_;
};

}  // namespace pith::tools
