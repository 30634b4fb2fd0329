// SPDX-License-Identifier: MIT
// A page that nobody may touch, and a disk that is written and read all the time.
#include "lib/block/client.hpp"
#include "lib/os/protocol.hpp"
#include "tests/storage/bystander.hpp"
#include "tests/storage/pattern.hpp"

namespace pith::test {

namespace {

constexpr u32 kRequestSectors = 64;
constexpr u32 kPlaces = 64;

class Server {
  public:
    explicit Server(EventLoop& loop) : loop_(loop), server_(loop, *this) {
        auto page = MappedMemory::create(own_pool(), abi::kPageSize, abi::kMemoryContiguous);
        if (!page.ok()) panic("no page");
        page_ = std::move(*page);
        for (u64 i = 0; i < kCanaryWords; i++) page_.as<u64>()[i] = canary(i);
        auto address = machine_.dma_address(page_.memory());
        if (!address.ok()) panic("no address");
        address_ = *address;
        const u64 bit = loop.allocate_signal_bit();
        loop.on_signal(bit, [this](u64) { disk_.look(); });
        loop.on_signal(kSignalReborn, [this](u64) { disk_.reborn(); });
        if (!disk_.open(loop.signal(), bit, now() + 10 * kSecond).ok()) panic("no disk");
        if (!spawn(work())) panic("no memory");
    }
    Result<Bystander::Look::Reply> handle(const Bystander::Look&, Badge) {
        u64 spoilt = 0;
        for (u64 i = 0; i < kCanaryWords; i++)
            if (page_.as<volatile u64>()[i] != canary(i)) spoilt++;
        return Bystander::Look::Reply{address_, spoilt, requests_, errors_};
    }

  private:
    Task<void> work() {
        static u64 words[kRequestSectors * kSectorBytes / sizeof(u64)];
        const std::span bytes(reinterpret_cast<u8*>(words), sizeof(words));
        for (u64 round = 1;; round++) {
            const u64 sector = round % kPlaces * kRequestSectors;
            for (u64 i = 0; i < std::size(words); i++) words[i] = pattern(1, sector, round, i);
            const Result<> written = co_await disk_.write(sector, bytes);
            for (u64& word : words) word = 0;
            const Result<> read = co_await disk_.read(sector, bytes);
            for (u64 i = 0; i < std::size(words); i++)
                if (words[i] != pattern(1, sector, round, i)) errors_++;
            if (!written.ok() || !read.ok()) errors_++;
            requests_ += 2;
            co_await loop_.sleep_until(now() + kMillisecond);
        }
    }

    EventLoop& loop_;
    const Handle<Machine> machine_ = take_start_handle<Machine>("machine");
    const Client<Block> driver_ = Client<Block>::from_start();
    BlockClient disk_{driver_, 0};
    MappedMemory page_;
    u64 address_ = 0;
    u64 requests_ = 0;
    u64 errors_ = 0;
    pith::Server<Bystander, Server> server_;
};

}  // namespace

}  // namespace pith::test

int main() {
    static pith::EventLoop loop;
    static pith::test::Server server(loop);
    loop.run();
}
