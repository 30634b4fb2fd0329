// SPDX-License-Identifier: MIT
#include "tools/base/command_line.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>

#include "tools/base/host.hpp"

namespace pith::tools {

struct CommandLine::Parser {
    explicit Parser(const std::string& description) : app(description) {}
    CLI::App app;
};

CommandLine::CommandLine(const std::string& description) : parser_(std::make_unique<Parser>(description)) {}
CommandLine::~CommandLine() = default;

CommandLine& CommandLine::option(const std::string& name, std::string& value, const std::string& help,
                                 bool required) {
    CLI::Option* option = parser_->app.add_option(name, value, help)->required(required);
    if (name.front() == '-') option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    return *this;
}

CommandLine& CommandLine::number(const std::string& name, u32& value, u32 least, u32 most,
                                 const std::string& help) {
    parser_->app.add_option(name, value, help)
        ->check(CLI::Range(least, most))
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    return *this;
}

CommandLine& CommandLine::seconds(const std::string& name, double& value, const std::string& help) {
    parser_->app.add_option(name, value, help)
        ->check(CLI::PositiveNumber)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    return *this;
}

CommandLine& CommandLine::list(const std::string& name, std::vector<std::string>& values,
                               const std::string& help) {
    CLI::Option* option = parser_->app.add_option(name, values, help);
    if (name.front() == '-') option->allow_extra_args(false);
    return *this;
}

CommandLine& CommandLine::flag(const std::string& name, bool& value, const std::string& help) {
    parser_->app.add_flag(name, value, help);
    return *this;
}

std::vector<std::string> CommandLine::parse(int argc, char** argv) {
    int own = 1;
    while (own < argc && std::string_view(argv[own]) != "--") ++own;
    std::vector<std::string> rest;
    for (int index = own + 1; index < argc; ++index) rest.emplace_back(argv[index]);
    try {
        parser_->app.parse(own, argv);
    } catch (const CLI::CallForHelp&) {
        std::fputs(parser_->app.help().c_str(), stdout);
        std::exit(0);
    } catch (const CLI::ParseError& error) { fail(kUsage, "{}", error.what()); }
    return rest;
}

}  // namespace pith::tools
