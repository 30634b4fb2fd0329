// SPDX-License-Identifier: MIT
#include "servers/fs/ext4/disk.hpp"

#include <algorithm>
#include <cstring>

namespace pith::ext4fs {

namespace {

constexpr u64 kSector = Block::kSectorSize;

bool is_write(const BlockRequest& request) { return request.operation == Block::Operation::write; }

}  // namespace

void Disk::Transfer::answered(BlockRequest& request) {
    auto& self = static_cast<Transfer&>(request);
    self.disk.answered(self);
}

void Disk::PlaceWait::granted(BlockPlaceRequest& request) {
    auto& self = static_cast<PlaceWait&>(request);
    self.answered = true;
    self.disk.sleeper_.wake();
}

void Disk::answered(Transfer& transfer) {
    if (is_write(transfer)) {
        writes_--;
        if (transfer.error != Error::ok) write_error_ = Error::io;
    }
    Batch* const batch = transfer.batch;
    if (batch != nullptr) {
        if (transfer.error != Error::ok) batch->error = Error::io;
        else if (!transfer.to.empty())
            std::memcpy(transfer.to.data(), transfer.where.bytes().data() + transfer.skip,
                        transfer.to.size());
    }
    std::ranges::find_if(transfers_, [&](const auto& one) { return one && &*one == &transfer; })->reset();
    sleeper_.wake();
    if (batch != nullptr && --batch->left == 0 && batch->done != nullptr) batch->done(*batch);
}

bool Disk::wait() {
    if (aborted()) return false;
    submit();
    sleeper_.sleep();
    return !aborted();
}

template <typename Condition>
bool Disk::wait_until(Condition&& condition) {
    while (!condition())
        if (!wait()) return false;
    return !aborted();
}

void Disk::submit() {
    if (client_ != nullptr) client_->submit();
}

bool Disk::use(BlockClient& client, u64 first, u64 count) {
    // Only writes can be left.
    if (!wait_until([&] { return writes_ == 0; })) return false;
    client_ = &client;
    first_ = first;
    count_ = count;
    write_error_ = Error::ok;
    used_ = true;
    return true;
}

void Disk::abort() {
    aborted_ = true;
    for (auto& transfer : transfers_)
        if (transfer && !is_write(*transfer)) transfer.reset();
}

bool Disk::writing(u64 first, u64 count) const {
    if (writes_ == 0) return false;
    return std::ranges::any_of(
        transfers_, [&](const auto& one) { return one && is_write(*one) && one->overlaps(first, count); });
}

std::optional<Disk::Transfer>* Disk::free_transfer() {
    const auto free = std::ranges::find_if(transfers_, [](const auto& one) { return !one; });
    return free == std::end(transfers_) ? nullptr : free;
}

/// A transfer with a place, which has not been submitted yet.
Result<std::optional<Disk::Transfer>*> Disk::begin(Block::Operation operation, u64 sector, u64 bytes) {
    const u64 sectors = bytes / kSector;
    if (!wait_until([&] { return free_transfer() != nullptr && !writing(sector, sectors); }))
        return Error::io;
    PlaceWait place(*this, bytes);
    client_->add(place);
    if (!wait_until([&] { return place.answered; }) || place.error != Error::ok) return Error::io;
    std::optional<Transfer>* const free = free_transfer();
    free->emplace(*this, operation, sector, static_cast<u32>(sectors), std::move(place.place));
    return free;
}

bool Disk::begin_read(u64 offset, std::span<u8> to, Batch& batch) {
    while (!to.empty()) {
        const usize skip = offset % kSector;
        const usize most = u64{client_->max_sectors()} * kSector - skip;
        const auto part = to.first(std::min(to.size(), most));
        const u64 bytes = (skip + part.size() + kSector - 1) / kSector * kSector;
        batch.left++;
        const auto begun = begin(Block::Operation::read, first_ + offset / kSector, bytes);
        if (!begun.ok()) {
            batch.left--;
            batch.error = Error::io;
            return !aborted();
        }
        Transfer& transfer = **begun.value();
        transfer.to = part;
        transfer.skip = skip;
        transfer.batch = &batch;
        client_->add(transfer);
        offset += part.size();
        to = to.subspan(part.size());
    }
    return true;
}

Result<> Disk::read(u64 offset, void* to, usize size) {
    Batch batch;
    if (!begin_read(offset, {static_cast<u8*>(to), size}, batch)) return Error::io;
    if (!wait_until([&] { return batch.left == 0; })) return Error::io;
    return as_result(batch.error);
}

Result<> Disk::write(u64 offset, const void* from, usize size) {
    if (aborted()) return Error::io;
    const auto* bytes = static_cast<const u8*>(from);
    while (size != 0) {
        const usize part = std::min<usize>(size, u64{client_->max_sectors()} * kSector);
        auto* begun = PITH_TRY(begin(Block::Operation::write, first_ + offset / kSector, part));
        Transfer& transfer = **begun;
        std::memcpy(transfer.where.bytes().data(), bytes, part);
        writes_++;
        client_->add(transfer);
        bytes += part;
        offset += part;
        size -= part;
    }
    return {};
}

Result<> Disk::flush() {
    if (!wait_until([&] { return writes_ == 0; })) return Error::io;
    if (std::exchange(write_error_, Error::ok) != Error::ok) return Error::io;
    Batch batch{nullptr, 1, Error::ok};
    if (!wait_until([&] { return free_transfer() != nullptr; })) return Error::io;
    auto* const free = free_transfer();
    free->emplace(*this, Block::Operation::flush, 0, 0, BlockPlace());
    (*free)->batch = &batch;
    client_->add(**free);
    if (!wait_until([&] { return batch.left == 0; })) return Error::io;
    return as_result(batch.error);
}

}  // namespace pith::ext4fs
