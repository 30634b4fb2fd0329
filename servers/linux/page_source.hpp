// SPDX-License-Identifier: MIT
// PageSource: what a file mapping maps. Regular files (vfs) and shared anonymous memory derive from it. It knows
// the mappings of its pages, so that whoever changes which frame holds a page, or cuts the file, calls invalidate()
// and all address spaces forget their mappings (they fault anew).
#pragma once

#include "servers/linux/frames.hpp"
#include "servers/linux/ref.hpp"
#include "servers/linux/vfs/async.hpp"

namespace pith::lx {

class AddressSpace;
class Inode;
struct Vma;

class PageSource : public RefCounted {
  public:
    /// The frame that holds page `index` (of 4096 bytes) of the content. With `write` it must be one that may be
    /// written in place (the page cache's own: a bundle page is replaced by a copy first, see invalidate). Never
    /// suspends: EAGAIN if it has to be read from a device; fetch() does that.
    /// EFAULT: beyond the end (the program gets SIGBUS). EIO, ENOMEM, ENOSPC.
    virtual SysResult<FrameRef> page(u64 index, bool write) = 0;
    /// Brings a page in that page() has not, and what is likely to be needed with it.
    virtual Async<> fetch(u64 index) {
        (void)index;
        return {};
    }
    /// The same for who can't wait: the whole server stands still for it.
    virtual SysResult<> fetch_now(u64 index) {
        (void)index;
        return Errno::EIO;
    }
    /// Pages up to the end of the content, for fault-around.
    virtual u64 page_count() const = 0;
    /// The page if it is at hand without any work, else an empty reference: for fault-around.
    virtual FrameRef peek(u64 index) = 0;
    /// Pages were written through a shared mapping: for mtime.
    virtual void written() {}
    /// What has been written to it is durable when it is done.
    virtual Async<> synchronise() { return {}; }
    /// The file whose content it is, for /proc/PID/maps; null: none, or it is gone.
    virtual const Inode* file() const { return nullptr; }

    /// Makes all address spaces forget their mappings of these pages. Private copies stay.
    void invalidate(u64 first, u64 count);
    bool mapped() const { return mappings_ != nullptr; }

  private:
    friend class AddressSpace;
    friend struct Vma;
    Vma* mappings_ = nullptr;  ///< list through Vma::source_next
};

/// A page that has to be fetched before something can go on.
struct MissingPage {
    Ref<PageSource> source;  ///< null: none
    u64 index = 0;
};

}  // namespace pith::lx
