// SPDX-License-Identifier: MIT
#include "servers/linux/crash_reports.hpp"

#include <algorithm>

#include "servers/linux/services.hpp"
#include "servers/linux/user_memory.hpp"
#include "servers/linux/vfs/dev/kmsg.hpp"
#include "servers/linux/vfs/vfs.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr u64 kLongestReport = 64 << 10;
constexpr i64 kLongestFile = 1 << 20;  ///< of the file: it begins anew then

/// The entry `name` of a directory, made if there is none. `mode`: its type and permissions.
Task<SysResult<Path>> enter(Vfs& vfs, Path directory, std::string name, u32 mode) {
    if (Ref<Dentry> known = vfs.dentries.find(*directory.dentry, name); known && known->current())
        co_return Path{directory.mount, known};
    SysResult<Ref<Inode>> inode = PITH_AWAIT(directory.inode().lookup(name));
    if (inode.error() == Errno::ENOENT) inode = PITH_AWAIT(directory.inode().create(name, {mode, 0, 0, 0}));
    if (!inode.ok()) co_return inode.error();
    if (inode.value()->type() != (mode & S_TYPE)) co_return Errno::ENOTDIR;
    vfs.dentries.forget_absent(*directory.dentry, name);
    co_return Path{directory.mount, vfs.dentries.add(directory.dentry, name, inode.value())};
}

Task<SysResult<Path>> enter_file(Vfs& vfs) {
    Path place = vfs.root();
    for (const char* name : {"var", "log", "pith"})
        place = PITH_CO_TRY(co_await enter(vfs, place, name, S_DIRECTORY | 0755));
    co_return co_await enter(vfs, place, "crashes", S_REGULAR | 0644);
}

/// The first line of the file's last report, with its newline; empty: there is none.
Task<SysResult<std::string>> last_in_file(Vfs& vfs, Thread& thread) {
    constexpr std::string_view kBegin = "crash ";
    const Path place = PITH_CO_TRY(co_await enter_file(vfs));
    const i64 size = place.inode().size();
    const auto length = static_cast<usize>(std::min<i64>(size, kLongestReport));
    const Ref<File> file = PITH_CO_TRY(
        PITH_AWAIT(place.inode().open(thread, place, O_READ_ONLY | O_LARGE_FILE)));
    std::string text(length, '\0');
    for (usize at = 0; at < length;) {
        const usize count = PITH_CO_TRY(PITH_AWAIT(file->read(
            thread, UserIo::kernel(text.data() + at, length - at), size - static_cast<i64>(length - at))));
        if (count == 0) break;
        at += count;
    }
    usize at = text.rfind('\n' + std::string(kBegin));
    if (at != text.npos) at++;
    else if (text.starts_with(kBegin)) at = 0;
    else co_return std::string();
    co_return text.substr(at, text.find('\n', at) + 1 - at);
}

Task<SysResult<>> add_to_file(Vfs& vfs, Thread& thread, std::string text) {
    const Path place = PITH_CO_TRY(co_await enter_file(vfs));
    Inode& inode = place.inode();
    if (inode.size() > kLongestFile) PITH_CO_CHECK(PITH_AWAIT(inode.truncate(0)));
    const Ref<File> file = PITH_CO_TRY(
        PITH_AWAIT(inode.open(thread, place, O_WRITE_ONLY | O_APPENDING | O_LARGE_FILE)));
    for (usize at = 0; at < text.size();) {
        const usize written = PITH_CO_TRY(PITH_AWAIT(
            file->write(thread, UserIo::kernel(text.data() + at, text.size() - at), inode.size())));
        if (written == 0) co_return Errno::ENOSPC;
        at += written;
    }
    co_return PITH_AWAIT(inode.synchronise(false));
}

/// The number behind that of the report which begins with `line`; 0: there is none.
u64 number_behind(const Zone& zone, std::string_view line) {
    for (u64 sequence = 0;;) {
        const auto part = zone.services->process.call(pith::Process::Crash{sequence, 0});
        if (line.empty() || !part.ok() || part.value().length > sizeof part.value().text) return 0;
        sequence = part.value().sequence + 1;
        if (std::string_view(part.value().text, part.value().length).starts_with(line)) return sequence;
    }
}

/// Adds what is new, one time after the other.
class CrashKeeper {
  public:
    /// There is an init.
    explicit CrashKeeper(Zone& zone) : zone_(zone), actor_(*zone.init, zone.init->pid) {
        EventLoop& loop = zone.services->loop;
        bit_ = loop.allocate_signal_bit();
        if (bit_ == 0) return;
        loop.on_signal(bit_, [this](u64) { look(); });
        loop.on_signal(kSignalReborn, [this](u64) { watch(); });
        watch();
    }

  private:
    /// The log has to be asked again when it was restarted; it may have been what crashed.
    void watch() {
        ReceivedHandles none;
        HandleList handles;
        handles.add(zone_.services->loop.signal(), rights(abi::SignalRight::notify));
        static_cast<void>(zone_.services->log.call(Log::Watch{bit_, static_cast<u64>(Severity::crash)},
                                                   handles, none, zone_.now() + kSecond));
        look();
    }
    void look() {
        again_ = true;
        if (!busy_ && !spawn(add_new())) again_ = false;
    }
    Task<void> add_new() {
        busy_ = true;
        // What an earlier life of this server has added is there.
        if (std::exchange(first_, false) && zone_.reborn) {
            const SysResult<std::string> last = co_await last_in_file(*zone_.vfs, actor_);
            if (last.ok()) next_ = number_behind(zone_, last.value());
        }
        while (std::exchange(again_, false)) {
            u64 next = next_;
            std::string text = crash_reports(zone_, next);
            if (text.empty()) continue;
            const SysResult<> done = co_await add_to_file(*zone_.vfs, actor_, std::move(text) + '\n');
            if (done.ok()) next_ = next;
            else if (!std::exchange(told_, true))
                write_kernel_log(zone_, "<4>/var/log/pith/crashes cannot be written: error " +
                                            std::to_string(static_cast<i32>(done.error())));
        }
        busy_ = false;
    }
    Zone& zone_;
    Thread actor_;  ///< init's, for the file: it never runs, and nobody else knows of it
    u64 bit_ = 0;
    u64 next_ = 0;  ///< what is older is in the file
    bool first_ = true, busy_ = false, again_ = false, told_ = false;
};

}  // namespace

std::string crash_reports(Zone& zone, u64& sequence) {
    std::string text;
    while (true) {
        pith::Process::Crash request{sequence, 0};
        std::string report;
        while (true) {
            auto part = zone.services->process.call(request);
            if (!part.ok() || part->length > sizeof part->text || part->total > kLongestReport) return text;
            if (request.offset != 0 && part->sequence != request.sequence) break;  // it went meanwhile
            request.sequence = part->sequence;
            report.append(part->text, part->length);
            request.offset += part->length;
            if (part->length == 0 || request.offset >= part->total) break;
        }
        sequence = request.sequence + 1;
        if (!text.empty()) text += '\n';
        text += report;
    }
}

void keep_crash_reports(Zone& zone) {
    if (zone.services->log.valid() && zone.init != nullptr)
        new CrashKeeper(zone);  // for as long as the zone lives
}

}  // namespace pith::lx
