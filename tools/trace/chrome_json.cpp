// SPDX-License-Identifier: MIT
#include "tools/trace/chrome_json.hpp"

#include <unistd.h>

#include "tools/base/host.hpp"

namespace pith::tools {

std::string json_string(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += c >= 0x20 && c < 0x7f ? c : '?';
    }
    return out + '"';
}

ChromeJson::ChromeJson(const std::string& path)
    : path_(path),
      temporary_(std::format("{}.{}", path, ::getpid())),
      file_(std::fopen(temporary_.c_str(), "w")) {
    if (file_ == nullptr) fail(kUsage, "{}", error_text(path));
    write("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n");
}

ChromeJson::~ChromeJson() {
    if (file_ == nullptr) return;
    std::fclose(file_);
    ::unlink(temporary_.c_str());
}

void ChromeJson::write(std::string_view text) {
    if (std::fwrite(text.data(), 1, text.size(), file_) != text.size()) fail(1, "{}", error_text(path_));
}

void ChromeJson::event(char phase, Track track, u64 time, std::string_view rest) {
    write(std::format("{}{{\"ph\":\"{}\",\"pid\":{},\"tid\":{},\"ts\":{}.{:03}{}}}", first_ ? "" : ",\n",
                      phase, track.process, track.thread, time / 1000, time % 1000, rest));
    first_ = false;
}

void ChromeJson::begin(Track track, u64 time, std::string_view category, std::string_view name,
                       std::string_view arguments) {
    event('B', track, time,
          std::format(",\"cat\":\"{}\",\"name\":{},\"args\":{{{}}}", category, json_string(name), arguments));
}

void ChromeJson::end(Track track, u64 time, std::string_view arguments) {
    event('E', track, time, std::format(",\"args\":{{{}}}", arguments));
}

void ChromeJson::instant(Track track, u64 time, std::string_view category, std::string_view name,
                         std::string_view arguments) {
    event('i', track, time,
          std::format(",\"s\":\"t\",\"cat\":\"{}\",\"name\":{},\"args\":{{{}}}", category, json_string(name),
                      arguments));
}

void ChromeJson::flow_start(Track track, u64 time, std::string_view name, u64 id) {
    event('s', track, time, std::format(",\"cat\":\"flow\",\"name\":\"{}\",\"id\":{}", name, id));
}

void ChromeJson::flow_end(Track track, u64 time, std::string_view name, u64 id) {
    event('f', track, time,
          std::format(",\"bp\":\"e\",\"cat\":\"flow\",\"name\":\"{}\",\"id\":{}", name, id));
}

void ChromeJson::name_process(u64 process, std::string_view name, i64 order) {
    event('M', {process, 0}, 0,
          std::format(",\"name\":\"process_name\",\"args\":{{\"name\":{}}}", json_string(name)));
    event('M', {process, 0}, 0,
          std::format(",\"name\":\"process_sort_index\",\"args\":{{\"sort_index\":{}}}", order));
}

void ChromeJson::name_thread(Track track, std::string_view name, i64 order) {
    event('M', track, 0,
          std::format(",\"name\":\"thread_name\",\"args\":{{\"name\":{}}}", json_string(name)));
    event('M', track, 0,
          std::format(",\"name\":\"thread_sort_index\",\"args\":{{\"sort_index\":{}}}", order));
}

void ChromeJson::finish(std::string_view remarks) {
    write(std::format("\n],\"otherData\":{{{}}}}}\n", remarks));
    std::FILE* const file = file_;
    file_ = nullptr;
    const bool written = std::fclose(file) == 0 && ::rename(temporary_.c_str(), path_.c_str()) == 0;
    if (!written) {
        const std::string why = error_text(path_);
        ::unlink(temporary_.c_str());
        fail(1, "{}", why);
    }
}

}  // namespace pith::tools
