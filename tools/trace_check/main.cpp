// SPDX-License-Identifier: MIT
// pith_trace_check: checks a file that `./pith trace` wrote, for tests. One line for each thing that is wrong, status 1.
#include <cstdio>

#include "tools/base/command_line.hpp"
#include "tools/base/host.hpp"
#include "tools/trace_check/check.hpp"

namespace {

using namespace pith;
using namespace pith::tools;

int run(int argc, char** argv) {
    std::string file;
    Wanted wanted;
    CommandLine line("Checks a timeline");
    line.option("file", file, "What ./pith trace wrote", true)
        .list("--process", wanted.processes, "A process that must be there")
        .list("--slice", wanted.slices, "A slice that must be there")
        .list("--instant", wanted.instants, "An event that must be there")
        .number("--open-calls", wanted.open_calls, 0, 1000, "Calls that may be open at the end");
    line.parse(argc, argv);
    const std::vector<u8> bytes = read_file(file);
    const Json document = Json::parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    const std::string complaints = check_timeline(document, wanted);
    std::fputs(complaints.c_str(), stdout);
    return complaints.empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    return guarded_main("pith_trace_check", [&] { return run(argc, argv); });
}
