// SPDX-License-Identifier: MIT
// pith_bundle: packs a system's bundle (abi/boot.hpp) from its compiled composition, components and root file system.
//
//   pith_bundle --output FILE [--composition FILE --components DIR] [--component NAME=ELF]... [--busybox FILE]
//               [--skeleton DIR] [--programs DIR]
//
// With a composition its components are taken from DIR/NAME.elf, and root and supervisor, which are in every system; --component puts others in
// their place.
#include "protocol/composition.hpp"
#include "tools/base/command_line.hpp"
#include "tools/base/host.hpp"
#include "tools/bundle/builder.hpp"
#include "tools/bundle/rootfs.hpp"

namespace {

using namespace pith;
using namespace pith::tools;

struct Options {
    std::string output, composition, component_directory, busybox, skeleton, programs;
    std::vector<std::string> components;
};

void add_system(BundleBuilder& bundle, const Options& options) {
    const std::vector<u8> bytes = read_file(options.composition);
    const auto composition = Composition::parse(bytes);
    if (!composition.ok()) fail(kUsage, "{}: not a compiled system", options.composition);
    const auto add = [&](std::string_view name) {
        bundle.add_component(name, std::format("{}/{}.elf", options.component_directory, name));
    };
    add("root");
    add("supervisor");
    const Composition& system = composition.value();
    for (const CompositionComponent& component : system.components()) add(system.string(component.name));
    bundle.add_data("system", bytes);
}

int pack(const Options& options) {
    BundleBuilder bundle;
    if (!options.composition.empty()) add_system(bundle, options);
    for (const std::string& component : options.components) {
        const usize equals = component.find('=');
        if (equals == 0 || equals == std::string::npos)
            fail(kUsage, "--component {}: not NAME=ELF", component);
        bundle.add_component(component.substr(0, equals), component.substr(equals + 1));
    }
    if (!options.busybox.empty() || !options.skeleton.empty() || !options.programs.empty()) {
        add_root_file_system(bundle, options.skeleton, options.programs, options.busybox);
    }
    write_file(options.output, bundle.finish());
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    return guarded_main("pith_bundle", [&] {
        Options options;
        CommandLine line("Packs a boot bundle");
        line.option("--output", options.output, "The bundle to write", true)
            .option("--composition", options.composition, "Compiled composition")
            .option("--components", options.component_directory, "Where the composition's components are")
            .list("--component", options.components, "NAME=ELF")
            .option("--busybox", options.busybox, "A static busybox")
            .option("--skeleton", options.skeleton, "Directory with files of the root file system")
            .option("--programs", options.programs, "Directory with programs that the build made for it");
        line.parse(argc, argv);
        return pack(options);
    });
}
