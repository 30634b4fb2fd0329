// SPDX-License-Identifier: MIT
// The requests, as coroutines wait for them.
#include "lib/fs/call.hpp"
#include "lib/os/clock.hpp"

namespace pith {

namespace {

constexpr i64 kNanoseconds = 1'000'000'000;

Result<> as_nothing(Error error) {
    if (error == Error::ok) return {};
    return error;
}

Result<usize> as_count(const FsCaller& caller) {
    if (caller.error != Error::ok) return caller.error;
    return caller.value;
}

Result<Fs::Attributes> as_attributes(const FsCaller& caller) {
    if (caller.error != Error::ok) return caller.error;
    return caller.attributes;
}

}  // namespace

Task<Result<Fs::Statistics>> FsClient::statistics() {
    Fs::Statistics found{};
    Call call(*this);
    call.to = {reinterpret_cast<u8*>(&found), sizeof(found)};
    requests_.statistics(call);
    if (const Error error = co_await call; error != Error::ok) co_return error;
    co_return found;
}

Task<Result<Fs::Attributes>> FsClient::lookup(Fs::FileId directory, std::string_view name) {
    Call call(*this);
    requests_.lookup(call, directory, name);
    co_await call;
    co_return as_attributes(call);
}

Task<Result<Fs::Attributes>> FsClient::attributes(Fs::FileId file) {
    Call call(*this);
    requests_.get_attributes(call, file);
    co_await call;
    co_return as_attributes(call);
}

Task<Result<usize>> FsClient::read(Fs::FileId file, u64 offset, std::span<u8> to) {
    Call call(*this);
    call.to = to;
    requests_.read(call, file, offset, to.size());
    co_await call;
    co_return as_count(call);
}

Task<Result<usize>> FsClient::read(Fs::FileId file, u64 offset, usize length, Take take) {
    struct TakingCall : Call {
        TakingCall(FsClient& client, Take& to_whom) : Call(client), function(to_whom) {
            bytes = [](FsCaller& caller, std::span<const u8> there) {
                auto& self = static_cast<TakingCall&>(caller);
                self.taken = true;
                self.function(there);
            };
        }
        Take& function;
        bool taken = false;
    };
    TakingCall call(*this, take);
    requests_.read(call, file, offset, length);
    co_await call;
    if (call.error != Error::ok) take(call.error);
    else if (!call.taken) take(std::span<const u8>());
    co_return as_count(call);
}

Task<Result<usize>> FsClient::list(Fs::FileId directory, u64 cookie, std::span<u8> to) {
    Call call(*this);
    call.to = to;
    requests_.list(call, directory, cookie);
    co_await call;
    co_return as_count(call);
}

Task<Result<usize>> FsClient::read_link(Fs::FileId file, std::span<char> to) {
    Call call(*this);
    call.to = {reinterpret_cast<u8*>(to.data()), to.size()};
    requests_.read_link(call, file);
    co_await call;
    co_return as_count(call);
}

Task<Result<u64>> FsClient::seek(Fs::FileId file, u64 offset, bool hole) {
    Call call(*this);
    requests_.seek(call, file, offset, hole);
    if (const Error error = co_await call; error != Error::ok) co_return error;
    co_return call.value;
}

Task<Result<Fs::Attributes>> FsClient::create(Fs::FileId directory, std::string_view name,
                                              const FsNewFile& file, Fs::Time time) {
    Call call(*this);
    requests_.create(call, directory, name, file, time);
    co_await call;
    co_return as_attributes(call);
}

Task<Result<Fs::Attributes>> FsClient::create_link(Fs::FileId directory, std::string_view name,
                                                   std::string_view target, const FsNewFile& file,
                                                   Fs::Time time) {
    Call call(*this);
    requests_.create_link(call, directory, name, target, file, time);
    co_await call;
    co_return as_attributes(call);
}

Task<Result<Fs::Attributes>> FsClient::create_unnamed(Fs::FileId directory, const FsNewFile& file,
                                                      Fs::Time time) {
    Call call(*this);
    requests_.create_unnamed(call, directory, file, time);
    co_await call;
    co_return as_attributes(call);
}

Task<Result<Fs::Attributes>> FsClient::link(Fs::FileId file, Fs::FileId directory, std::string_view name,
                                            Fs::Time time) {
    Call call(*this);
    requests_.link(call, file, directory, name, time);
    co_await call;
    co_return as_attributes(call);
}

Task<Result<>> FsClient::unlink(Fs::FileId directory, std::string_view name, Fs::FileId file, bool hold,
                                Fs::Time time) {
    Call call(*this);
    requests_.unlink(call, directory, name, file, hold, time);
    co_return as_nothing(co_await call);
}

Task<Result<>> FsClient::remove_directory(Fs::FileId directory, std::string_view name, Fs::Time time) {
    Call call(*this);
    requests_.remove_directory(call, directory, name, time);
    co_return as_nothing(co_await call);
}

Task<Result<>> FsClient::rename(Fs::FileId from, std::string_view name, Fs::FileId to,
                                std::string_view new_name, Fs::FileId replaced, bool hold, Fs::Time time) {
    Call call(*this);
    requests_.rename(call, from, name, to, new_name, replaced, hold, time);
    co_return as_nothing(co_await call);
}

Task<Result<>> FsClient::exchange(Fs::FileId from, std::string_view name, Fs::FileId to,
                                  std::string_view other, Fs::Time time) {
    Call call(*this);
    requests_.exchange(call, from, name, to, other, time);
    co_return as_nothing(co_await call);
}

Task<Result<>> FsClient::set_attributes(Fs::FileId file, const FsAttributeChange& change, Fs::Time time) {
    Call call(*this);
    requests_.set_attributes(call, file, change, time);
    co_return as_nothing(co_await call);
}

Task<Result<usize>> FsClient::write(Fs::FileId file, u64 offset, usize length, FsData& data, Fs::Time time) {
    Task<Result<usize>> task = write_data(file, offset, length, data, time);
    if (!task.valid()) data.settled(Error::no_memory);
    return task;
}

Task<Result<usize>> FsClient::write_data(Fs::FileId file, u64 offset, usize length, FsData& data,
                                         Fs::Time time) {
    Call call(*this);
    requests_.write(call, file, offset, length, data, time);
    co_await call;
    co_return as_count(call);
}

Task<Result<>> FsClient::truncate(Fs::FileId file, u64 size, Fs::Time time) {
    Call call(*this);
    requests_.truncate(call, file, size, time);
    co_return as_nothing(co_await call);
}

Task<Result<>> FsClient::allocate(Fs::FileId file, u64 offset, u64 length, bool keep_size, Fs::Time time) {
    Call call(*this);
    requests_.allocate(call, file, offset, length, keep_size, time);
    co_return as_nothing(co_await call);
}

Task<Result<>> FsClient::punch(Fs::FileId file, u64 offset, u64 length, Fs::Time time) {
    Call call(*this);
    requests_.punch(call, file, offset, length, time);
    co_return as_nothing(co_await call);
}

void FsClient::release(Fs::FileId file) {
    const i64 time = wall_clock();
    requests_.release(file, {time / kNanoseconds, static_cast<u32>(time % kNanoseconds), 0});
    settle();
}

Task<Result<>> FsClient::commit() {
    Call call(*this);
    requests_.commit(call);
    co_return as_nothing(co_await call);
}

}  // namespace pith
