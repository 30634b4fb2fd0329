// SPDX-License-Identifier: MIT
// Store: pages, and the trees in which a file's hang.
#include <algorithm>

#include "servers/fs/memory/store/store.hpp"

namespace pith::memory_fs {

namespace {
constexpr u64 reach(u32 height) { return u64{1} << (kFanBits * height); }
}  // namespace

void Store::mark(u32 page, bool now_used) {
    if (used(page) == now_used) return;
    used_[page / 64] ^= u64{1} << page % 64;
    free_ = now_used ? free_ - 1 : free_ + 1;
}

u32 Store::take() {
    if (free_ == 0) return 0;
    while (used(next_page_))
        if (++next_page_ == geometry_.pages) next_page_ = static_cast<u32>(geometry_.first);
    mark(next_page_, true);
    taken_.push_back(next_page_);
    return next_page_;
}

u32 Store::child(u32 page, u64 index) {
    const u32 number = image_.at<u32>(at(page) + index % kFan * sizeof(u32));
    if (number == 0 || possible(number)) return number;
    broken_ = true;
    return 0;
}

/// 0: a hole.
u32 Store::find(const Node& file, u64 index) {
    if (index >= reach(file.height)) return 0;
    u32 page = file.root;
    for (u32 height = file.height; height != 0 && page != 0; height--)
        page = child(page, index >> kFanBits * (height - 1));
    return page;
}

Result<u32> Store::make_page(Node& file, bool zeroed) {
    const u32 page = take();
    if (page == 0) return Error::no_space;
    if (zeroed) image_.zero(at(page), kPage);
    file.pages++;
    return page;
}

/// The page with that index, made if it is not there. `file` is to be saved.
Result<u32> Store::make(Node& file, u64 index, bool zeroed) {
    while (index >= reach(file.height)) {
        if (file.root != 0) {
            const u32 node = PITH_TRY(make_page(file, true));
            image_.set32(at(node), file.root);
            file.root = node;
        }
        file.height++;
    }
    if (file.root == 0) file.root = PITH_TRY(make_page(file, zeroed || file.height != 0));
    u32 page = file.root;
    for (u32 height = file.height; height != 0; height--) {
        const u64 slot = index >> kFanBits * (height - 1);
        u32 next = child(page, slot);
        if (broken_) return Error::io;
        if (next == 0) {
            next = PITH_TRY(make_page(file, zeroed || height != 1));
            image_.set32(at(page) + slot % kFan * sizeof(u32), next);
        }
        page = next;
    }
    return page;
}

u32 Store::count(Tree tree) {
    u32 pages = 1;
    for (u32 i = 0; tree.height != 0 && i < kFan; i++)
        if (const u32 page = child(tree.page, i); page != 0) pages += count({page, tree.height - 1});
    return pages;
}

void Store::drop(Node& file, Tree tree) {
    dropped_.push_back(tree);
    file.pages -= count(tree);
}

void Store::give_back(Tree tree) {
    for (u32 i = 0; tree.height != 0 && i < kFan; i++)
        if (const u32 page = child(tree.page, i); page != 0) give_back({page, tree.height - 1});
    mark(tree.page, false);
}

/// Cuts pages from `first` to `last` off a tree, counted from its beginning; what is left of it, or 0.
u32 Store::cut(Node& file, Tree tree, u64 first, u64 last) {
    const u64 size = reach(tree.height);
    if (first == 0 && last >= size) {
        drop(file, tree);
        return 0;
    }
    const u64 part = size / kFan;  // it is no page: there is something to be kept
    bool empty = true;
    for (u32 i = 0; i < kFan; i++) {
        u32 page = child(tree.page, i);
        const u64 begin = i * part, end = begin + part;
        if (page != 0 && begin < last && first < end) {
            page = cut(file, {page, tree.height - 1}, std::max(first, begin) - begin,
                       std::min(last, end) - begin);
            if (page == 0) image_.set32(at(tree.page) + i * sizeof(u32), 0);
        }
        empty &= page == 0;
    }
    if (!empty) return tree.page;
    drop(file, {tree.page, 0});
    return 0;
}

void Store::cut(Node& file, u64 first, u64 last) {
    last = std::min(last, reach(file.height));
    if (file.root == 0 || first >= last) return;
    file.root = cut(file, {file.root, file.height}, first, last);
    if (file.root == 0) file.height = 0;
}

/// Pages that have to be made for those from `first` to `last` to be there, at most. `last - first` is not more than there are.
u64 Store::missing(const Node& file, u64 first, u64 last) {
    u64 pages = 0;
    for (u64 i = first; i < last; i++) pages += find(file, i) == 0 ? 1 : 0;
    return pages == 0 ? 0 : pages + (last - first) / kFan + 2 * u64{kMaxHeight};
}

/// Makes a file longer: what was behind its end in the last page becomes zeros. It can't be seen before that.
bool Store::grow(Node& file, u64 size) {
    if (size <= file.size) return false;
    if (const u64 end = file.size % kPage; end != 0)
        if (const u32 page = find(file, file.size / kPage); page != 0)
            image_.zero(at(page) + end, kPage - end);
    file.size = size;
    return true;
}

}  // namespace pith::memory_fs
