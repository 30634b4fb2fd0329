// SPDX-License-Identifier: MIT
// devpts: a file for each pseudo-terminal, and ptmx.
#include "servers/linux/vfs/format.hpp"
#include "servers/linux/vfs/tty/pty.hpp"
#include "servers/linux/vfs/vfs.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr u64 kDevptsMagic = 0x1cd1;

class PtsInode : public Inode {
  public:
    /// `slave`: null for ptmx.
    PtsInode(FileSystem& of, u64 inode_number, u32 file_mode, u64 device, const PtyTty* slave)
        : Inode(of, inode_number, S_CHARACTER | file_mode),
          keeps_(&of),
          pty_(slave != nullptr ? slave->number : 0),
          generation_(slave != nullptr ? slave->generation : 0) {
        device_number = device;
    }
    bool valid() const override {
        if (generation_ == 0) return true;
        const PtyTty* slave = file_system().zone.vfs->ptys->find(pty_);
        return slave != nullptr && slave->generation == generation_;
    }

  private:
    Ref<FileSystem> keeps_;
    u32 pty_;
    u64 generation_;
};

class PtsDirectory : public Inode {
  public:
    PtsDirectory(FileSystem& of, PtyTable& table) : Inode(of, 1, S_DIRECTORY | 0755), table_(table) {
        links = 2;
    }
    Async<Ref<Inode>> lookup(std::string_view name) override {
        if (name == "ptmx") {
            if (!ptmx_)
                ptmx_ = Ref<PtsInode>::make(file_system(), u64{2}, 0666u, make_device(5, 2),
                                            static_cast<const PtyTty*>(nullptr));
            return ptmx_;
        }
        u64 number;
        if (!parse_decimal(name, number) || number >= 1u << 20 || decimal(number) != name)
            return Errno::ENOENT;
        PtyTty* slave = table_.find(static_cast<u32>(number));
        if (slave == nullptr) return Errno::ENOENT;
        Ref<Inode>& inode = inodes_[slave->number];
        if (!inode || !inode->valid()) {
            inode = Ref<PtsInode>::make(file_system(), number + 3, 0620u, slave->device, slave);
            inode->gid = 5;
        }
        return inode;
    }
    Async<> read_directory(u64& position, DirectorySink& sink) override {
        if (position <= 2) {
            if (!sink.add("ptmx", 2, S_CHARACTER, 3)) return {};
            position = 3;
        }
        for (auto place = table_.all().lower_bound(static_cast<u32>(position - 3));
             place != table_.all().end(); ++place) {
            if (!sink.add(decimal(place->first), place->first + 3, S_CHARACTER, place->first + 4)) break;
            position = place->first + 4;
        }
        return {};
    }

  private:
    PtyTable& table_;
    Ref<Inode> ptmx_;
    std::map<u32, Ref<Inode>> inodes_;
};

class DevPts : public FileSystem {
  public:
    DevPts(Zone& of, u64 number)
        : FileSystem(of, number), root_(Ref<PtsDirectory>::make(*this, *of.vfs->ptys)) {}
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
