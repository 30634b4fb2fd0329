// SPDX-License-Identifier: MIT
// Suites kernel and system: what runs in QEMU and reports its tests itself, in every configuration.
//   kernel: each component below tests/kernel is run as root, without any server; it reports on the debug console. kernel_test is run once
//           more where time is counted in instructions: only there does it compare times
//   system: each systems/*_test.toml is booted, and a component of it reports on the debug console; each script tests/system/*.sh is run on the host and boots what it needs
#include <algorithm>
#include <filesystem>
#include <set>

#include "tools/base/host.hpp"
#include "tools/suites/process.hpp"
#include "tools/suites/suite.hpp"

namespace pith::tools {

namespace {

namespace fs = std::filesystem;
constexpr unsigned kGuestTimeout = 180;
constexpr double kScriptTimeout = 400;

/// Boots a bundle that reports "ok NAME" and "FAIL NAME" on the debug console.
std::vector<TestResult> boot_bare(const TestTree& tree, const std::string& suite, const std::string& name,
                                  const std::string& bundle, const Configuration& on) {
    Command command{boot_command(tree, on, kGuestTimeout), kGuestTimeout + 10, "", false, {}};
    command.arguments.insert(command.arguments.end(), {"--bare", "--bundle", bundle});
    const Finished finished = run_command(command);
    write_log(tree, std::format("{}/{} {}", suite, name, on.text()), finished.output);
    return parse_results(suite, on.text(), name, finished.output, finished.status);
}

std::vector<TestResult> run_kernel_test(const TestTree& tree, const std::string& component,
                                        const Configuration& on) {
    const std::string build = tree.build(on.type);
    const std::string bundle = std::format("{}/test-{}.bundle", build, component);
    const Finished packed = run_command({{build + "/tools/pith_bundle", "--output", bundle, "--component",
                                          std::format("root={}/{}.elf", build, component)},
                                         60,
                                         "",
                                         false,
                                         {}});
    if (packed.status != 0) return {{"kernel/" + component + " " + on.text(), false, packed.output}};
    return boot_bare(tree, "kernel", component, bundle, on);
}

/// Scripts that take long, and so run in three configurations: debug with two CPUs, release with one and four.
bool on_fewer(const std::string& script) {
    static const std::set<std::string> scripts = {
        "block_devices", "disks",     "ethernet",  "ext4",     "ext4_linux", "iommu",
        "memory",        "net_http",  "net_iperf", "net_load", "net_redis",  "net_ssh",
        "net_tools",     "nvme",      "power_cut", "recovery", "restarts",   "share",
        "share_linux",   "slow_disk", "streams",   "zone"};
    return scripts.contains(script);
}

std::vector<TestResult> run_script(const TestTree& tree, const fs::path& script, const Configuration& on) {
    const std::string name = script.stem();
    const Finished finished = run_command(
        {{"bash", script.string()},
         kScriptTimeout,
         "",
         false,
         {"PITH_TREE=" + tree.root, "PITH_TYPE=" + on.type, "PITH_SMP=" + std::to_string(on.cpus)}});
    write_log(tree, std::format("system/{} {}", name, on.text()), finished.output);
    return parse_results("system", on.text(), name, finished.output, finished.status);
}

/// Packs a system whose own component tests it, and runs it without a console.
std::vector<TestResult> run_system(const TestTree& tree, const std::string& system, const Configuration& on) {
    const std::string build = tree.build(on.type);
    const std::string stem = std::format("{}/{}-smp{}", build, system, on.cpus);
    const Finished compiled = run_command({{build + "/tools/pith_manifest", "compile", "--tree", tree.root,
                                            "--system", system, "--output", stem + ".composition"},
                                           60,
                                           "",
                                           false,
                                           {}});
    if (compiled.status != 0) return {{"system/" + system + " " + on.text(), false, compiled.output}};
    const Finished packed = run_command({{build + "/tools/pith_bundle", "--output", stem + ".bundle",
                                          "--composition", stem + ".composition", "--components", build},
                                         60,
                                         "",
                                         false,
                                         {}});
    if (packed.status != 0) return {{"system/" + system + " " + on.text(), false, packed.output}};
    return boot_bare(tree, "system", system, stem + ".bundle", on);
}

}  // namespace

std::vector<Job> kernel_jobs(const TestTree& tree) {
    std::vector<std::string> components;
    for (const fs::directory_entry& entry : fs::directory_iterator(tree.root + "/tests/kernel")) {
        if (fs::exists(entry.path() / "manifest.toml")) components.push_back(entry.path().filename());
    }
    std::ranges::sort(components);
    std::vector<Job> jobs;
    for (Configuration on : configurations()) {
        on.icount = true;
        jobs.push_back({"kernel/kernel_test " + on.text(), 1,
                        [tree, on] { return run_kernel_test(tree, "kernel_test", on); }, 20u});
        on.icount = false;
        for (const std::string& component : components) {
            jobs.push_back({std::format("kernel/{} {}", component, on.text()), std::min(on.cpus, tree.cpus),
                            [tree, component, on] { return run_kernel_test(tree, component, on); }});
        }
    }
    return jobs;
}

std::vector<Job> system_jobs(const TestTree& tree) {
    std::vector<fs::path> scripts;
    for (const fs::directory_entry& entry : fs::directory_iterator(tree.root + "/tests/system")) {
        const std::string name = entry.path().filename();
        if (name.ends_with(".sh") && !name.ends_with("lib.sh")) scripts.push_back(entry.path());
    }
    std::ranges::sort(scripts);
    std::vector<std::string> systems;
    for (const fs::directory_entry& entry : fs::directory_iterator(tree.root + "/systems")) {
        const std::string name = entry.path().stem();
        if (entry.path().extension() == ".toml" && name.ends_with("_test")) systems.push_back(name);
    }
    std::ranges::sort(systems);
    std::vector<Job> jobs;
    for (const Configuration& on : configurations()) {
        for (const std::string& system : systems) {
            jobs.push_back({std::format("system/{} {}", system, on.text()), 1,
                            [tree, system, on] { return run_system(tree, system, on); }});
        }
        for (const fs::path& script : scripts) {
            // What is about the command, and not about what runs in the machine, is the same in each configuration.
            const bool once = script.stem().string().starts_with("command");
            if (once && (on.type != "release" || on.cpus != 1)) continue;
            if (on_fewer(script.stem()) && (on.type == "debug" ? on.cpus != 2 : on.cpus == 2)) continue;
            jobs.push_back({std::format("system/{} {}", script.stem().string(), on.text()), 1,
                            [tree, script, on] { return run_script(tree, script, on); },
                            on_fewer(script.stem()) ? 40u : 15u});
        }
    }
    return jobs;
}

}  // namespace pith::tools
