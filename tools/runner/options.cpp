// SPDX-License-Identifier: MIT
#include "tools/runner/options.hpp"

#include <CLI/CLI.hpp>

#include "abi/types.hpp"
#include "tools/base/host.hpp"
#include "tools/bundle/builder.hpp"

namespace pith::tools {

namespace {

/// FILE, or FILE:GUESTPATH. Without a guest path, or where it ends in '/', the file keeps its name.
Added parse_added(const std::string& text) {
    const usize colon = text.rfind(':');
    Added added{text.substr(0, colon), colon == std::string::npos ? "/root/" : text.substr(colon + 1)};
    if (added.guest_path.empty() || added.guest_path.front() != '/') {
        fail(kUsage, "--add {}: the guest path must begin with '/'", text);
    }
    if (added.guest_path.back() == '/') {
        std::string name = added.host_path;
        while (name.size() > 1 && name.back() == '/') name.pop_back();
        added.guest_path += name.substr(name.rfind('/') + 1);
    }
    added.guest_path = guest_path(added.guest_path);
    return added;
}

}  // namespace

Options parse_options(int argc, char** argv) {
    Options options;
    std::vector<std::string> added;
    CLI::App app("Boots Pith in QEMU");
    app.add_option("--kernel", options.kernel, "The kernel's ELF file")->required();
    app.add_option("--bundle", options.bundle, "The system's boot bundle")->required();
    app.add_option("--symbols", options.symbols, "Where the components' ELF files are");
    app.add_option("--mem", options.memory, "Memory, with a suffix M or G");
    app.add_option("--smp", options.cpus, "CPUs")->check(CLI::Range(u32{1}, u32{abi::kMaxCpus}));
    app.add_option("--timeout", options.timeout, "Seconds")->check(CLI::PositiveNumber);
    app.add_option("--add", added, "FILE[:GUESTPATH]")->allow_extra_args(false);
    app.add_option("--env", options.environment, "NAME=VALUE")->allow_extra_args(false);
    for (const char* name : {"--kernel", "--bundle", "--mem", "--smp", "--timeout"}) {
        app.get_option(name)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    }
    app.add_option("--ready-file", options.ready_file, "Gets the time of the command's first instruction");
    app.add_flag("--icount", options.icount, "Deterministic: one virtual nanosecond an instruction");
    app.add_flag("--log", options.log, "System log to stderr");
    app.add_flag("--debug", options.debug, "Stop at the first instruction, with gdb on it");
    app.add_flag("--bare", options.bare, "A system without a console server: its debug console is stdout");
    // What follows "--" is the command's, whatever it looks like.
    int own = 1;
    while (own < argc && std::string_view(argv[own]) != "--") ++own;
    for (int index = own + 1; index < argc; ++index) options.command.emplace_back(argv[index]);
    try {
        app.parse(own, argv);
    } catch (const CLI::CallForHelp&) {
        std::fputs(app.help().c_str(), stdout);
        std::exit(0);
    } catch (const CLI::ParseError& error) { fail(kUsage, "{}", error.what()); }
    for (const std::string& text : added) options.added.push_back(parse_added(text));
    return options;
}

}  // namespace pith::tools
