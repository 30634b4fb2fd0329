// SPDX-License-Identifier: MIT
// devpts: a file for each pseudo-terminal, and ptmx.
#include "servers/linux/vfs/format.hpp"
#include "servers/linux/vfs/tty/pty.hpp"
#include "servers/linux/vfs/vfs.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr u64 kDevptsMagic = 0x1cd1;

class DevPts;

class PtsInode : public Inode {
  public:
    PtsInode(FileSystem& of, u64 inode_number, u32 file_mode, u64 device, Ref<PtyTty> slave)
        : Inode(of, inode_number, S_CHARACTER | file_mode), keeps_(&of), slave_(std::move(slave)) {
        device_number = device;
    }
    bool valid() const override { return !slave_ || !slave_->hung_up; }

  private:
    Ref<FileSystem> keeps_;
    Ref<PtyTty> slave_;
};

class PtsDirectory : public Inode {
  public:
    PtsDirectory(FileSystem& of, PtyTable& table) : Inode(of, 1, S_DIRECTORY | 0755), table_(table) { links = 2; }
    Async<Ref<Inode>> lookup(std::string_view name) override {
        if (name == "ptmx") {
            if (!ptmx_) ptmx_ = Ref<PtsInode>::make(file_system(), u64{2}, 0666u, make_device(5, 2), nullptr);
            return ptmx_;
        }
        u64 number;
        if (!parse_decimal(name, number) || number >= 1u << 20 || decimal(number) != name) return Errno::ENOENT;
        PtyTty* slave = table_.find(static_cast<u32>(number));
        if (slave == nullptr) return Errno::ENOENT;
        Ref<Inode>& inode = inodes_[slave->number];
        if (!inode || !inode->valid()) {
            inode = Ref<PtsInode>::make(file_system(), number + 3, 0620u, slave->device, Ref<PtyTty>(slave));
            inode->gid = 5;
        }
        return inode;
    }
    Async<> read_directory(u64& position, DirectorySink& sink) override {
        if (position <= 2) {
            if (!sink.add("ptmx", 2, S_CHARACTER, 3)) return {};
            position = 3;
        }
        for (auto place = table_.all().lower_bound(static_cast<u32>(position - 3)); place != table_.all().end(); ++place) {
            if (!sink.add(decimal(place->first), place->first + 3, S_CHARACTER, place->first + 4)) break;
            position = place->first + 4;
        }
        return {};
    }
    /// Lets go of what belongs to terminals that are gone.
    void forget_gone() {
        std::erase_if(inodes_, [](const auto& item) { return !item.second->valid(); });
    }

  private:
    PtyTable& table_;
    Ref<Inode> ptmx_;
    std::map<u32, Ref<Inode>> inodes_;
};

class DevPts : public FileSystem {
  public:
    DevPts(Zone& of, u64 number) : FileSystem(of, number), root_(Ref<PtsDirectory>::make(*this, *of.vfs->ptys)) {}
    std::string_view type() const override { return "devpts"; }
    Ref<Inode> root() override { return root_; }
    bool cacheable() const override { return false; }
    u64 block_size() const override { return 1024; }
    Async<FileSystemUsage> usage() override {
        FileSystemUsage usage;
        usage.magic = kDevptsMagic;
        return usage;
    }

  private:
    Ref<PtsDirectory> root_;
};

}  // namespace

Ref<FileSystem> make_devpts(Zone& zone, u64 device) { return Ref<DevPts>::make(zone, device); }

}  // namespace pith::lx
