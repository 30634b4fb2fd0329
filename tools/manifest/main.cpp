// SPDX-License-Identifier: MIT
// pith_manifest: checks a system's manifests, and compiles them (protocol/composition.hpp) or draws their graph.
//
//   pith_manifest compile --tree DIR --system NAME --output FILE     written only if it differs from what is there
//   pith_manifest check --tree DIR --system NAME
//   pith_manifest graph --tree DIR --system NAME                     DOT on stdout
//
// Each with --without COMPONENT..., which leaves components out that the system lists, and --with COMPONENT..., which adds some as
// the first to be started.
#include <unistd.h>

#include "tools/base/command_line.hpp"
#include "tools/base/host.hpp"
#include "tools/manifest/resolve.hpp"

namespace {

using namespace pith;
using namespace pith::tools;

int act(const std::string& action, const std::string& tree, const std::string& name,
        const std::vector<std::string>& with, const std::vector<std::string>& without,
        const std::string& output) {
    if (action != "compile" && action != "check" && action != "graph") {
        fail(kUsage, "'{}' is not one of compile, check, graph", action);
    }
    const std::string shown = "systems/" + name + ".toml";
    System system = read_system(tree + "/" + shown, shown);
    for (const std::string& component : with)
        system.components.insert(system.components.begin(), {component, {"--with " + component, 0}});
    if (system.name != name) fail(kUsage, "{}:1: the name '{}' is not that of the file", shown, system.name);
    leave_out(system, without);
    const Catalogue catalogue = read_catalogue(tree);
    const Resolved resolved = resolve(system, catalogue);
    if (action == "graph") {
        std::fputs(draw(resolved).c_str(), stdout);
    } else if (action == "compile") {
        const std::vector<u8> bytes = compile(resolved);
        if (::access(output.c_str(), R_OK) != 0 || read_file(output) != bytes) write_file(output, bytes);
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    return guarded_main("pith", [&] {
        std::string action, tree, system, output;
        std::vector<std::string> with, without;
        CommandLine line("Checks, compiles and draws a system");
        line.option("action", action, "compile, check or graph", true)
            .option("--tree", tree, "The source tree", true)
            .option("--system", system, "systems/NAME.toml", true)
            .list("--with", with, "A further component")
            .list("--without", without, "A component that is left out")
            .option("--output", output, "Compiled system");
        line.parse(argc, argv);
        return act(action, tree, system, with, without, output);
    });
}
