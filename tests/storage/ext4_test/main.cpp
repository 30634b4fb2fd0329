// SPDX-License-Identifier: MIT
// Tests the ext4 server from inside: prints a line a test on the debug console and ends the machine. tests/system/ext4.sh makes the disk
// (a file system of 64 MiB), and looks at it afterwards.
#include "lib/os/clock.hpp"
#include "tests/storage/ext4_test/files.hpp"
#include "tests/storage/ext4_test/tests.hpp"

namespace pith {

/// What becomes of a broken invariant in lib/fs.
[[noreturn]] void assertion_failed(const char* text);
void assertion_failed(const char* text) { panic(text); }

}  // namespace pith

namespace pith::test {

Client<Fs>& server() {
    static Client<Fs> client = Client<Fs>::from_start();
    return client;
}

}  // namespace pith::test

int main() {
    using namespace pith;
    using namespace pith::test;
    begin_tests();
    run("mounts", mounts);
    if (failures == 0) {
        run("files_are_made_and_read", files_are_made_and_read);
        run("changes_are_committed_some_time", changes_are_committed_some_time);
        run("large_file_comes_and_goes", large_file_comes_and_goes);
        run("deaths_lose_nothing", deaths_lose_nothing);
        run("many_work_at_once", many_work_at_once);
    }
    return end_tests("ext4");
}
