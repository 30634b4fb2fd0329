// SPDX-License-Identifier: MIT
// Links lib/ext4 as a component would, so that the build finds what is missing. Nobody runs it.
#include "lib/ext4/file_system.hpp"

namespace {

class NoDisk final : public pith::ext4::BlockDevice {
  public:
    pith::u64 size() const override { return 0; }
    bool read_only() const override { return true; }
    pith::Result<> read(pith::u64, void*, pith::usize) override { return pith::Error::io; }
    pith::Result<> write(pith::u64, const void*, pith::usize) override { return pith::Error::io; }
    pith::Result<> flush() override { return pith::Error::io; }
};

pith::Result<> all(NoDisk& disk) {
    using namespace pith;
    std::unique_ptr<ext4::FileSystem> system = PITH_TRY(ext4::FileSystem::mount(disk, {}));
    const ext4::FileId root = PITH_TRY(system->root());
    u8 data[1];
    char text[1];
    static_cast<void>(PITH_TRY(system->create(root, "a", {})));
    static_cast<void>(PITH_TRY(system->make_directory(root, "b", {})));
    static_cast<void>(PITH_TRY(system->make_link(root, "c", "d", {})));
    static_cast<void>(PITH_TRY(system->read_link(root, text)));
    static_cast<void>(PITH_TRY(system->lookup(root, "a")));
    static_cast<void>(PITH_TRY(system->attributes(root)));
    static_cast<void>(PITH_TRY(system->statistics()));
    static_cast<void>(PITH_TRY(system->read(root, 0, data)));
    static_cast<void>(PITH_TRY(system->write(root, 0, data)));
    PITH_CHECK(system->set_attributes(root, {}));
    PITH_CHECK(system->list(root, 0, [](const ext4::Listed&) { return true; }));
    PITH_CHECK(system->truncate(root, 0));
    PITH_CHECK(system->allocate(root, 0, 1, false));
    PITH_CHECK(system->link(root, root, "e"));
    PITH_CHECK(system->unlink(root, "a"));
    PITH_CHECK(system->remove_directory(root, "b"));
    PITH_CHECK(system->rename(root, "c", root, "d", true));
    PITH_CHECK(system->hold(root));
    PITH_CHECK(system->release(root));
    PITH_CHECK(system->reap_orphans());
    PITH_CHECK(system->sync());
    return system->unmount();
}

}  // namespace

int main() {
    static NoDisk disk;
    return all(disk).ok() ? 0 : 1;
}
