// SPDX-License-Identifier: MIT
// Manifests: what is accepted, and for each mistake one error that names file and line.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tools/base/host.hpp"
#include "tools/manifest/resolve.hpp"

namespace pith::tools {
namespace {

namespace fs = std::filesystem;

/// A source tree with manifests and one system, removed at its end.
class Tree {
  public:
    Tree() {
        char name[] = "/tmp/pith-manifests-XXXXXX";
        if (::mkdtemp(name) == nullptr) std::abort();
        path_ = name;
    }
    ~Tree() { fs::remove_all(path_); }
    void write(const std::string& file, const std::string& text) const {
        fs::create_directories((path_ / file).parent_path());
        std::ofstream(path_ / file) << text;
    }
    void server(const std::string& name, const std::string& provides, const std::string& protocols) const {
        write("servers/" + name + "/manifest.toml",
              std::format("name = \"{}\"\nprovides = [{}]\n[needs]\nprotocols = [{}]\nmemory = \"256K\"\n",
                          name, provides, protocols));
    }
    void system(const std::string& components, const std::string& rest = "") const {
        write("systems/s.toml", std::format("name = \"s\"\ncomponents = [{}]\n{}", components, rest));
    }
    Resolved resolved(const std::vector<std::string>& without = {}) {
        system_ = read_system((path_ / "systems/s.toml").string(), "systems/s.toml");
        leave_out(system_, without);
        catalogue_ = read_catalogue(path_.string());
        return resolve(system_, catalogue_);
    }
    /// The error that reading it gives; "" if it gives none.
    std::string error() {
        try {
            compile(resolved());
            return "";
        } catch (const Failure& failure) {
            EXPECT_EQ(failure.status, kUsage);
            return failure.what();
        }
    }

  private:
    fs::path path_;
    System system_;
    Catalogue catalogue_;
};

/// The error for a manifest of component "a" alone.
std::string manifest_error(const std::string& text) {
    Tree tree;
    tree.write("servers/a/manifest.toml", text);
    tree.system("\"a\"");
    return tree.error();
}

constexpr const char* kHead = "name = \"a\"\n[needs]\nmemory = \"256K\"\n";

TEST(Manifest, Compiles) {
    Tree tree;
    tree.server("log", "\"log\"", "");
    tree.write("drivers/serial/uart/manifest.toml",
               "name = \"uart\"\nprovides = [\"serial\"]\n[needs]\nprotocols = [\"log\"]\nmemory = "
               "\"1M\"\nkeep = \"64K\"\n"
               "preserved = \"32K\"\njit = true\n[cpu]\npriority = 7\ncapacity = \"1ms\"\nperiod = "
               "\"10ms\"\ncpus = [0, 2]\n"
               "[[device]]\nkind = \"irq\"\nname = \"line\"\nline = 4\ntrigger = \"level\"\n"
               "[[device]]\nkind = \"ports\"\nname = \"regs\"\nfirst = 0x3f8\ncount = 8\n"
               "[restart]\npolicy = \"never\"\n[parameters]\nspeed = 115200\nname = \"x\"\n");
    tree.system("\"log\", \"uart\"", "[parameters.uart]\nname = \"y\"\n");
    const std::vector<u8> bytes = compile(tree.resolved());
    const auto parsed = Composition::parse(bytes);
    ASSERT_TRUE(parsed.ok());
    const Composition& system = parsed.value();
    ASSERT_EQ(system.components().size(), 2u);
    const CompositionComponent& uart = system.components()[1];
    EXPECT_EQ(system.string(uart.name), "uart");
    EXPECT_EQ(uart.memory_pages, 256u);
    EXPECT_EQ(uart.preserved_pages, 8u);
    EXPECT_EQ(uart.priority, 7u);
    EXPECT_EQ(uart.capacity, 1'000'000u);
    EXPECT_EQ(uart.cpus, 5u);
    EXPECT_EQ(uart.restart, static_cast<u32>(RestartPolicy::never));
    EXPECT_EQ(uart.grants, static_cast<u32>(CompositionGrant::jit));
    ASSERT_EQ(system.needs(uart).size(), 1u);
    EXPECT_EQ(system.needs(uart)[0].supplier, 0u);
    ASSERT_EQ(system.devices(uart).size(), 2u);
    EXPECT_EQ(system.devices(uart)[0].flags, 1u);
    EXPECT_EQ(system.devices(uart)[1].base, 0x3f8u);
    ASSERT_EQ(system.parameters(uart).size(), 2u);
    EXPECT_EQ(system.string(system.parameters(uart)[0].value), "y");
    EXPECT_NE(draw(tree.resolved()).find("\"uart\" -> \"log\""), std::string::npos);
}

TEST(Manifest, ComponentsAreLeftOut) {
    Tree tree;
    tree.server("log", "\"log\"", "");
    tree.server("net", "\"net\"", "\"log\"");
    tree.server("linux", "", "\"log\", {name = \"net\", optional = true}");
    tree.system("\"log\", \"net\", \"linux\"",
                "[routes]\n\"linux.net\" = \"net\"\n\"net.log\" = \"log\"\n[parameters.net]\nx = \"y\"\n");
    EXPECT_EQ(tree.resolved().components.size(), 3u);
    const Resolved without = tree.resolved({"net", "unknown"});
    ASSERT_EQ(without.components.size(), 2u);
    EXPECT_EQ(without.components[1].manifest->name, "linux");
    EXPECT_EQ(without.components[1].links.back().supplier, kSupplierNone);
    EXPECT_FALSE(compile(without).empty());
    // What can't do without it says so.
    EXPECT_THROW(static_cast<void>(tree.resolved({"log"})), Failure);
}

TEST(Manifest, PciDevicesCompile) {
    Tree tree;
    tree.write("servers/devices/manifest.toml",
               "name = \"devices\"\nprovides = [\"device\"]\n[needs]\nmemory = \"256K\"\nkeep = \"64K\"\n"
               "kept_slots = 64\ncapabilities = [\"devices\"]\n");
    tree.write(
        "drivers/block/disk/manifest.toml",
        "name = \"disk\"\n[needs]\nmemory = \"256K\"\nprotocols = [\"device\"]\n"
        "[[device]]\nkind = \"pci\"\nname = \"disk\"\nvendor = 0x1af4\ndevice = 0x1042\ndma = \"10K\"\n"
        "[[device]]\nkind = \"pci\"\nname = \"other\"\nvendor = 0x1af4\ndevice = 0x1043\n"
        "[[device]]\nkind = \"pci\"\nname = \"any\"\nclass = 0x010802\n");
    tree.system("\"devices\", \"disk\"");
    const std::vector<u8> bytes = compile(tree.resolved());
    const auto parsed = Composition::parse(bytes);
    ASSERT_TRUE(parsed.ok());
    const Composition& system = parsed.value();
    EXPECT_EQ(system.components()[0].kept_slots, 64u);
    EXPECT_EQ(system.components()[0].grants, static_cast<u32>(CompositionGrant::devices));
    const auto devices = system.devices(system.components()[1]);
    ASSERT_EQ(devices.size(), 3u);
    EXPECT_EQ(devices[0].kind, static_cast<u32>(DeviceKind::pci));
    EXPECT_EQ(devices[0].base, 0x1042'1af4u);
    EXPECT_EQ(devices[0].size, 12u * 1024);
    EXPECT_EQ(devices[1].size, 0u);
    EXPECT_EQ(devices[2].base, 0x0001'0802'ffffu);
    EXPECT_NE(draw(tree.resolved()).find("disk: PCI 1af4:1042"), std::string::npos);
}

TEST(Manifest, MistakesNameTheirLine) {
    const std::pair<std::string, std::string> kCases[] = {
        {"name = \"a\"\n[needs]\nmemory = \"256K\"\nmemroy = \"1K\"\n",
         "servers/a/manifest.toml:4: unknown key: [needs] memroy"},
        {"name = \"a\"\nfrob = 1\n[needs]\nmemory = \"256K\"\n", ":2: unknown key: frob"},
        {"name = \"b\"\n[needs]\nmemory = \"256K\"\n", ":1: the name 'b' is not that of its folder, 'a'"},
        {"[needs]\nmemory = \"256K\"\n", ": name is missing"},
        {"name = \"a\"\n[needs]\nslots = 64\n", ":2: [needs] memory is missing"},
        {"name = \"a\"\n[needs]\nmemory = \"many\"\n", ":3: [needs] memory: 'many' is not a size"},
        {"name = \"a\"\n[needs]\nmemory = 256\n", ":3: [needs] memory must be a string"},
        {"name = \"a\"\n[needs]\nmemory = \"0\"\n", ":3: [needs] memory must not be 0"},
        {"name = \"a\"\n[needs]\nmemory = \"99999999999999999999G\"\n", ":3: "},
        {"name = \"a\n", ":1: "},
        {std::string(kHead) + "keep = \"4K\"\npreserved = \"8K\"\n",
         ":5: [needs] preserved must be less than keep"},
        {std::string(kHead) + "slots = 7\n", ":4: [needs] slots must be a number from 32"},
        {std::string(kHead) + "capabilities = [\"all\"]\n", ":4: unknown capability 'all'"},
        {std::string(kHead) + "protocols = [1]\n", ":4: a protocol must be"},
        {std::string(kHead) + "[cpu]\npriority = 256\n", ":5: [cpu] priority must be a number from 1 to 255"},
        {std::string(kHead) + "[cpu]\ncapacity = \"20ms\"\n", ":4: [cpu] capacity must be"},
        {std::string(kHead) + "[cpu]\ncpus = [9]\n", ":5: [cpu] cpus"},
        {std::string(kHead) + "[restart]\npolicy = \"maybe\"\n",
         ":5: [restart] policy: 'maybe' is not one of"},
        {std::string(kHead) + "[restart]\nbackoff = \"10\"\n", ":5: [restart] backoff: '10' is not a time"},
        {std::string(kHead) + "[[device]]\nkind = \"ports\"\nname = \"p\"\nfirst = 70000\ncount = 1\n",
         ":7: "},
        {std::string(kHead) + "[[device]]\nkind = \"memory\"\nname = \"p\"\naddress = 1\nsize = \"4K\"\n",
         ":4: "},
        {std::string(kHead) + "kept_slots = 64\n", ":4: [needs] kept_slots goes with keep only"},
        {std::string(kHead) + "[[device]]\nkind = \"pci\"\nname = \"p\"\nvendor = 0xffff\ndevice = 1\n",
         ":7: "},
        {std::string(kHead) + "[[device]]\nkind = \"pci\"\nname = \"p\"\nvendor = 1\ndevice = 1\n",
         ":4: a PCI device is had through protocol 'device': 'a' must need it"},
        {std::string(kHead) + "[parameters]\nlist = [1]\n", ":5: parameter list must be"},
    };
    for (const auto& [text, wanted] : kCases) {
        const std::string error = manifest_error(text);
        EXPECT_NE(error.find(wanted), std::string::npos) << text << "gave: " << error;
    }
}

TEST(System, MistakesNameTheirLine) {
    struct Case {
        std::string components, rest, wanted;
    };
    const Case kCases[] = {
        {"\"log\", \"nobody\"", "", "systems/s.toml:2: unknown component 'nobody'"},
        {"\"log\", \"log\"", "", ":2: component 'log' is listed twice"},
        {"\"root\"", "", ":2: 'root' is part of every system"},
        {"\"client\"", "", "servers/client/manifest.toml:4: missing route: 'client' needs 'log'"},
        {"", "", "the system has no components"},
        {"\"log\", \"log2\", \"client\"", "",
         "servers/client/manifest.toml:4: 'client' needs 'log', which several"},
        {"\"log\", \"client\"", "[routes]\n\"client.disk\" = \"log\"\n", ":4: 'client' does not need 'disk'"},
        {"\"log\", \"client\"", "[routes]\n\"client.log\" = \"disk\"\n",
         ":4: route to 'disk': no such component"},
        {"\"log\", \"client\"", "[routes]\n\"client.log\" = \"client\"\n",
         ":4: 'client' does not provide 'log'"},
        {"\"log\", \"client\"", "[routes]\n\"nobody.log\" = \"log\"\n",
         ":4: route from 'nobody': no such component"},
        {"\"log\", \"client\"", "[routes]\nclient = \"log\"\n", ":4: [routes] 'client' is not"},
        {"\"log\"", "[parameters.nobody]\nx = 1\n", ":3: [parameters.nobody]: no such component"},
        {"\"log\"", "memory = \"128K\"\n",
         ":3: memory is over-committed: the components' quotas are 256 KiB"},
        {"\"lost\"", "", "servers/lost/manifest.toml:4: unknown protocol 'nothing'"},
        {"\"left\", \"right\"", "", "cycle: left -> right -> left"},
        {"\"log\"", "typo = 1\n", ":3: unknown key: typo"},
        {"\"greedy\", \"greedy2\"", "", "CPU 0 is over-committed"},
        {"\"ports\", \"ports2\"", "", "device 'p' is also 'p' of 'ports'"},
        {"\"devices\", \"disk\", \"disk2\"", "", "device 'p' is also 'p' of 'disk'"},
        {"\"devices\", \"disk\"", "",
         "servers/devices/manifest.toml:1: memory for DMA is over-committed: 'devices' keeps 8 KiB, its "
         "clients may "
         "have 16 KiB"},
        {"\"bare\"", "", "servers/bare/manifest.toml:1: [needs] is missing"},
    };
    for (const Case& each : kCases) {
        Tree tree;
        tree.server("log", "\"log\"", "");
        tree.server("log2", "\"log\"", "");
        tree.server("client", "", "\"log\"");
        tree.server("lost", "", "\"nothing\"");
        tree.server("left", "\"l\"", "\"r\"");
        tree.server("right", "\"r\"", "\"l\"");
        tree.write("servers/bare/manifest.toml", "name = \"bare\"\n");
        for (const std::string name : {"greedy", "greedy2"}) {
            tree.write("servers/" + name + "/manifest.toml",
                       "name = \"" + name +
                           "\"\n[needs]\nmemory = \"256K\"\n[cpu]\ncapacity = \"6ms\"\nperiod = \"10ms\"\n");
        }
        for (const std::string name : {"ports", "ports2"}) {
            tree.write("servers/" + name + "/manifest.toml",
                       "name = \"" + name +
                           "\"\n[needs]\nmemory = \"256K\"\n[[device]]\nkind = \"ports\"\nname = "
                           "\"p\"\nfirst = 16\ncount = 4\n");
        }
        tree.write(
            "servers/devices/manifest.toml",
            "name = \"devices\"\nprovides = [\"device\"]\n[needs]\nmemory = \"256K\"\nkeep = \"8K\"\n");
        for (const std::string name : {"disk", "disk2"}) {
            tree.write("servers/" + name + "/manifest.toml",
                       "name = \"" + name +
                           "\"\n[needs]\nmemory = \"256K\"\nprotocols = [\"device\"]\n[[device]]\nkind = "
                           "\"pci\"\nname = \"p\"\nvendor = 1\ndevice = 2\ndma = \"16K\"\n");
        }
        tree.system(each.components, each.rest);
        const std::string error = tree.error();
        EXPECT_NE(error.find(each.wanted), std::string::npos)
            << each.components << " " << each.rest << " gave: " << error;
    }
}

TEST(System, OptionalNeedMayBeUnrouted) {
    Tree tree;
    tree.server("client", "", "{ name = \"log\", optional = true }");
    tree.system("\"client\"");
    EXPECT_EQ(tree.error(), "");
    EXPECT_EQ(tree.resolved().components[0].links[0].supplier, kSupplierNone);
}

TEST(System, RoutedNeedHasNoSupplierButByRoute) {
    Tree tree;
    tree.server("log", "\"log\"", "");
    tree.server("client", "", "\"log\", { name = \"log\", as = \"other\", optional = true, routed = true }");
    tree.system("\"log\", \"client\"");
    EXPECT_EQ(tree.error(), "");
    EXPECT_EQ(tree.resolved().components[1].links[0].supplier, 0u);
    EXPECT_EQ(tree.resolved().components[1].links[1].supplier, kSupplierNone);
    tree.system("\"log\", \"client\"", "[routes]\n\"client.other\" = \"log\"\n");
    EXPECT_EQ(tree.error(), "");
    EXPECT_EQ(tree.resolved().components[1].links[1].supplier, 0u);
}

TEST(System, SupervisorSuppliesItsProtocols) {
    Tree tree;
    tree.server("client", "", "\"process\"");
    tree.system("\"client\"");
    EXPECT_EQ(tree.error(), "");
    EXPECT_EQ(tree.resolved().components[0].links[0].supplier, kSupplierSupervisor);
}

TEST(System, TwoNeedsOfOneProtocolHaveLabels) {
    Tree tree;
    tree.server("log", "\"log\"", "");
    tree.server("client", "", "\"log\", { name = \"log\", as = \"audit\" }");
    tree.system("\"log\", \"client\"");
    const Resolved resolved = tree.resolved();
    EXPECT_EQ(resolved.components[1].links[0].label, 0u);
    EXPECT_EQ(resolved.components[1].links[1].label, 1u);
}

TEST(Catalogue, TwoComponentsOfOneName) {
    Tree tree;
    tree.server("log", "\"log\"", "");
    tree.write("drivers/x/log/manifest.toml", "name = \"log\"\n[needs]\nmemory = \"256K\"\n");
    tree.system("\"log\"");
    EXPECT_NE(tree.error().find("there is another component 'log'"), std::string::npos);
}

}  // namespace
}  // namespace pith::tools
