// SPDX-License-Identifier: MIT
// The lints, part of suite host: what STYLE asks for and a machine can see. One test a rule.
#include <algorithm>
#include <filesystem>
#include <map>
#include <regex>
#include <sstream>

#include "tools/base/host.hpp"
#include "tools/suites/process.hpp"
#include "tools/suites/suite.hpp"

namespace pith::tools {

namespace {

namespace fs = std::filesystem;
constexpr usize kMostLines = 600;

struct Source {
    std::string path;  ///< from the tree's root
    std::vector<std::string> lines;
    std::string extension;
    bool cpp() const { return extension == ".cpp" || extension == ".hpp"; }
};

using Sources = std::vector<Source>;

Source read_source(const std::string& root, const fs::path& path) {
    Source source{fs::relative(path, root).string(), {}, path.extension().string()};
    std::istringstream text(read_text(path.string()));
    for (std::string line; std::getline(text, line);) source.lines.push_back(line);
    return source;
}

/// Every source file of ours.
Sources read_sources(const std::string& root) {
    static const char* kFolders[] = {"abi",   "protocol", "kernel", "lib",   "drivers", "servers",
                                     "tools", "tests",    "bench",  "cmake", "systems"};
    static const char* kExtensions[] = {".cpp", ".hpp", ".h", ".c", ".S", ".ld", ".sh", ".cmake", ".pml"};
    Sources sources;
    for (const char* folder : kFolders) {
        if (!fs::is_directory(fs::path(root) / folder)) continue;
        for (const fs::directory_entry& entry : fs::recursive_directory_iterator(fs::path(root) / folder)) {
            const bool known = std::ranges::find(kExtensions, entry.path().extension()) !=
                                   std::end(kExtensions) ||
                               entry.path().filename() == "CMakeLists.txt";
            if (entry.is_regular_file() && known) sources.push_back(read_source(root, entry.path()));
        }
    }
    sources.push_back(read_source(root, fs::path(root) / "pith"));
    std::ranges::sort(sources, {}, &Source::path);
    return sources;
}

using Complaints = std::string;

Complaints check_licence(const Sources& sources) {
    Complaints complaints;
    for (const Source& source : sources) {
        const auto tagged = [&source](usize line) {
            return line < source.lines.size() &&
                   source.lines[line].find("SPDX-License-Identifier: MIT") != std::string::npos;
        };
        const bool script = !source.lines.empty() && source.lines[0].starts_with("#!");
        if (!tagged(script ? 1 : 0))
            complaints += source.path + ":1: does not begin with SPDX-License-Identifier: MIT\n";
    }
    return complaints;
}

Complaints check_length(const Sources& sources) {
    Complaints complaints;
    for (const Source& source : sources) {
        if (source.lines.size() > kMostLines) {
            complaints += std::format("{}: {} lines, {} are allowed\n", source.path, source.lines.size(),
                                      kMostLines);
        }
    }
    return complaints;
}

/// The first folders of a path: "servers/linux/vfs/x.hpp" -> "servers/linux/".
std::string component_of(const std::string& path) {
    const usize levels = path.starts_with("drivers/") ? 3 : 2;
    usize at = 0;
    for (usize level = 0; level < levels && at != std::string::npos; ++level)
        at = path.find('/', at + (level != 0 ? 1 : 0));
    return at == std::string::npos ? path : path.substr(0, at + 1);
}

/// What a file may include, as prefixes of paths from the root; nothing: whatever it likes.
std::vector<std::string> allowed_includes(const std::string& path) {
    if (path.starts_with("abi/")) return {"abi/"};
    if (path.starts_with("protocol/")) return {"protocol/", "abi/", "lib/base/"};
    if (path.starts_with("kernel/core/")) return {"kernel/core/", "arch/", "abi/", "lib/base/"};
    if (path.starts_with("kernel/")) return {"kernel/", "arch/", "abi/", "lib/base/"};
    if (path.starts_with("lib/base/")) return {"lib/base/", "abi/"};
    if (path.starts_with("lib/")) return {"lib/", "protocol/", "abi/"};
    if (path.starts_with("drivers/") || path.starts_with("servers/"))
        return {component_of(path), "protocol/", "lib/", "abi/"};
    return {};
}

Complaints check_includes(const Sources& sources) {
    static const std::regex kInclude("^\\s*#\\s*include\\s*\"([^\"]+)\".*");
    Complaints complaints;
    for (const Source& source : sources) {
        const std::vector<std::string> allowed = allowed_includes(source.path);
        if (!source.cpp() || allowed.empty() || source.path.find("/tests/") != std::string::npos) continue;
        for (usize line = 0; line < source.lines.size(); ++line) {
            std::smatch match;
            if (!std::regex_match(source.lines[line], match, kInclude)) continue;
            const std::string included = match[1];
            const bool fine = std::ranges::any_of(
                allowed, [&](const std::string& prefix) { return included.starts_with(prefix); });
            if (!fine)
                complaints += std::format("{}:{}: may not include {}\n", source.path, line + 1, included);
        }
    }
    return complaints;
}

Complaints check_format(const std::string& root, const Sources& sources) {
    Command command{{"clang-format-19", "--dry-run", "-Werror"}, 120, root, false, {}};
    for (const Source& source : sources) {
        if (source.cpp()) command.arguments.push_back(source.path);
    }
    const Finished finished = run_command(command);
    if (finished.status == 0) return {};
    // One complaint a file is enough.
    static const std::regex kPlace("^([^:]+):(\\d+):\\d+: error: .*");
    std::map<std::string, std::string> first;
    std::istringstream lines(finished.output);
    for (std::string line; std::getline(lines, line);) {
        std::smatch match;
        if (std::regex_match(line, match, kPlace)) first.emplace(match[1], match[2]);
    }
    Complaints complaints;
    for (const auto& [file, line] : first)
        complaints += file + ":" + line + ": not as clang-format-19 writes it\n";
    return complaints.empty() ? finished.output : complaints;
}

/// docs/*.md name code as `file: function`; both must exist.
Complaints check_documents(const std::string& root, const Sources& sources) {
    static const std::regex kReference(
        "`([a-z0-9_/.]+/[a-z0-9_.]+\\.(?:cpp|hpp|S|sh)): ?([A-Za-z0-9_:~]+)(?:\\(\\))?`");
    Complaints complaints;
    for (const fs::directory_entry& entry : fs::directory_iterator(root + "/docs")) {
        if (entry.path().extension() != ".md") continue;
        const Source document = read_source(root, entry.path());
        for (usize line = 0; line < document.lines.size(); ++line) {
            const std::string& text = document.lines[line];
            for (std::sregex_iterator match(text.begin(), text.end(), kReference), end; match != end;
                 ++match) {
                const std::string file = (*match)[1], full = (*match)[2];
                const std::string name = full.substr(
                    full.rfind(':') == std::string::npos ? 0 : full.rfind(':') + 1);
                const auto source = std::ranges::find(sources, file, &Source::path);
                const bool there = source != sources.end() &&
                                   std::ranges::any_of(source->lines, [&name](const std::string& each) {
                                       return each.find(name) != std::string::npos;
                                   });
                if (!there)
                    complaints += std::format("{}:{}: there is no {} in {}\n", document.path, line + 1, full,
                                              file);
            }
        }
    }
    return complaints;
}

/// The code names each model that is of it, "Modelled in tests/models/NAME.pml"; none is named that isn't there.
Complaints check_models(const Sources& sources) {
    static const std::regex kNamed("Modelled in (tests/models/[a-z0-9_]+\\.pml)");
    std::map<std::string, bool> named;  // by path: whether code names it
    for (const Source& source : sources) {
        if (source.extension == ".pml") named.emplace(source.path, false);
    }
    Complaints complaints;
    for (const Source& source : sources) {
        if (!source.path.starts_with("kernel/")) continue;
        for (usize line = 0; line < source.lines.size(); ++line) {
            std::smatch match;
            if (!std::regex_search(source.lines[line], match, kNamed)) continue;
            const auto model = named.find(match[1]);
            if (model == named.end())
                complaints += std::format("{}:{}: there is no {}\n", source.path, line + 1, match[1].str());
            else model->second = true;
        }
    }
    for (const auto& [path, there] : named) {
        if (!there) complaints += path + ": no code in kernel/ says that it is modelled there\n";
    }
    return complaints;
}

Complaints check_systems(const TestTree& tree) {
    Complaints complaints;
    for (const fs::directory_entry& entry : fs::directory_iterator(tree.root + "/systems")) {
        if (entry.path().extension() != ".toml") continue;
        const Finished finished = run_command(
            {{tree.build("debug") + "/tools/pith_manifest", "check", "--tree", tree.root, "--system",
              entry.path().stem().string()},
             60,
             "",
             false,
             {}});
        if (finished.status != 0) complaints += finished.output;
    }
    return complaints;
}

/// docs/abi.md is generated from abi/.
Complaints check_abi_reference(const TestTree& tree) {
    const Finished finished = run_command(
        {{"bash", tree.root + "/tools/abi_reference/abi_reference.sh"}, 60, tree.root, false, {}});
    const std::vector<u8> present = read_file(tree.root + "/docs/abi.md");
    if (finished.status != 0) return finished.output;
    if (finished.output == std::string(present.begin(), present.end())) return {};
    return "docs/abi.md is not what tools/abi_reference/abi_reference.sh writes: run it again\n";
}

}  // namespace

std::vector<Job> lint_jobs(const TestTree& tree) {
    return {{"lint", 1, [tree] {
                 const Sources sources = read_sources(tree.root);
                 std::vector<TestResult> results;
                 const auto add = [&results](const char* name, const Complaints& complaints) {
                     results.push_back({std::string("host/lint_") + name, complaints.empty(), complaints});
                 };
                 add("licence", check_licence(sources));
                 add("length", check_length(sources));
                 add("includes", check_includes(sources));
                 add("format", check_format(tree.root, sources));
                 add("models", check_models(sources));
                 add("documents", check_documents(tree.root, sources));
                 add("abi_reference", check_abi_reference(tree));
                 add("systems", check_systems(tree));
                 return results;
             }}};
}

}  // namespace pith::tools
