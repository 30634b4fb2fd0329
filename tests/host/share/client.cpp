// SPDX-License-Identifier: MIT
#include "tests/host/share/client.hpp"

#include <cstdio>
#include <cstdlib>

#include "lib/os/panic.hpp"

namespace pith {
void panic(std::string_view message) {
    std::fprintf(stderr, "panic: %.*s\n", static_cast<int>(message.size()), message.data());
    std::abort();
}
}  // namespace pith

namespace pith::test {

using virtio_9p::Session;

Fixture::Fixture()
    : preserved_(Session::kPreserved / 8),
      link_((kWindowOffset + kWindow) / 8),
      window_(reinterpret_cast<u8*>(link_.data()) + kWindowOffset) {
    host.set_window({window_, kWindow});
    die();
}

Fixture::~Fixture() { session_->cancel(); }

void Fixture::die() {
    if (session_ != nullptr) session_->cancel();
    host.reset();
    session_ = std::make_unique<Session>(
        host, std::span(reinterpret_cast<u8*>(preserved_.data()), preserved_.size() * 8));
    session_->set_device({true, 1 << 20, "label"});
}

/// The intent stays: it was written before the answer.
void Fixture::uncommit(const std::vector<u64>& before) {
    virtio_9p::State now({reinterpret_cast<u8*>(preserved_.data()), virtio_9p::State::kSize});
    std::vector<u64> copy = before;
    const virtio_9p::State then({reinterpret_cast<u8*>(copy.data()), virtio_9p::State::kSize});
    virtio_9p::Content content = *now;
    content.committed = then->committed;
    now.set(content);
}

Error Fixture::open(u64 session, u64 flags) {
    session_->cancel();
    host.reset();
    const std::span<u8> link(reinterpret_cast<u8*>(link_.data()), link_.size() * 8);
    if (const auto opened = session_->open(session, link, kWindowOffset, Handle<Signal>(), 1); !opened.ok())
        return opened.error();
    static_cast<void>(queue_.attach(link.data(), kWindowOffset, Fs::kEntries, Handle<Signal>(), 1));
    queue_.reset();
    const Fs::Attach where{0, 0, 0, flags};
    std::memcpy(window_, &where, sizeof(where));
    const Error error = run(request(Fs::Operation::attach, {}));
    std::memcpy(&attached_, window_, sizeof(attached_));
    changes = error == Error::ok ? attached_.committed : 0;
    return error;
}

void Fixture::submit(Fs::Submission request, u64 number) {
    request.id = number;
    request.place = number * kPlace;
    if (request.place_size == 0) request.place_size = kPlace;
    static_cast<void>(queue_.submit(request));
    session_->serve();
}

std::optional<Fs::Completion> Fixture::poll() {
    Fs::Completion completion{};
    if (!queue_.poll(completion)) return std::nullopt;
    return last = completion;
}

std::optional<Fs::Completion> Fixture::work(u64 messages) {
    for (;; messages--) {
        session_->serve();
        if (const auto completion = poll()) return completion;
        if (host.waiting() == 0 || messages == 0) return std::nullopt;
        FakeHost::Answer answer = host.answer(shuffled ? random() % host.waiting() : 0);
        if (spoil) spoil(answer);
        session_->completed(answer.slot, answer.written);
    }
}

Fs::Submission Fixture::request(Fs::Operation operation, Fs::FileId file, std::string_view name,
                                std::string_view other) {
    Fs::Submission r{};
    r.operation = static_cast<u32>(operation);
    r.file = file;
    r.name_size = static_cast<u16>(name.size());
    r.other_size = static_cast<u16>(other.size());
    std::ranges::copy(name, window_);
    std::ranges::copy(other, window_ + name.size());
    return r;
}

Error Fixture::run(const Fs::Submission& request) {
    submit(request);
    const auto completion = work();
    return completion ? static_cast<Error>(completion->error) : Error::timed_out;
}

Fs::Attributes Fixture::found() {
    Fs::Attributes attributes;
    std::memcpy(&attributes, window_, sizeof(attributes));
    return attributes;
}

Fs::FileId Fixture::lookup(Fs::FileId directory, std::string_view name) {
    return run(request(Fs::Operation::lookup, directory, name)) == Error::ok ? found().id : Fs::FileId{};
}

std::string Fixture::read(Fs::FileId file) {
    Fs::Submission r = request(Fs::Operation::read, file);
    r.length = kPlace;
    if (run(r) != Error::ok) return "?";
    return {reinterpret_cast<char*>(window_), last.value};
}

std::vector<std::string> Fixture::list(Fs::FileId directory, u32 size) {
    std::vector<std::string> names;
    for (u64 cookie = 0;;) {
        Fs::Submission r = request(Fs::Operation::list, directory);
        r.offset = cookie;
        r.place_size = size;
        if (run(r) != Error::ok || last.value == 0) return names;
        for (u64 at = 0; at < last.value;) {
            Fs::Entry entry;
            std::memcpy(&entry, window_ + at, sizeof(entry));
            names.emplace_back(reinterpret_cast<char*>(window_ + at + sizeof(entry)), entry.length);
            cookie = entry.next;
            at += entry.size;
        }
    }
}

}  // namespace pith::test
