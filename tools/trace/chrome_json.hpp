// SPDX-License-Identifier: MIT
// Writes a timeline in the JSON that ui.perfetto.dev and chrome://tracing open (the Trace Event Format): slices with a
// beginning and an end on tracks, instants, and arrows ("flows") from slice to slice. Streams to a file.
#pragma once

#include <cstdio>
#include <format>
#include <memory>
#include <string>
#include <string_view>

#include "abi/types.hpp"

namespace pith::tools {

/// Where an event is shown. Tracks of one process are shown together.
struct Track {
    u64 process;
    u64 thread;
};

/// Text as a JSON string, with its quotes. What is not ASCII becomes '?'.
std::string json_string(std::string_view text);

class ChromeJson {
  public:
    /// Fails with kUsage if the file can't be written. It gets its name when everything has been.
    explicit ChromeJson(const std::string& path);
    ~ChromeJson();
    ChromeJson(const ChromeJson&) = delete;
    ChromeJson& operator=(const ChromeJson&) = delete;

    // Times are in nanoseconds. `arguments` is the inside of a JSON object, or empty.
    void begin(Track track, u64 time, std::string_view category, std::string_view name,
               std::string_view arguments = {});
    void end(Track track, u64 time, std::string_view arguments = {});
    void instant(Track track, u64 time, std::string_view category, std::string_view name,
                 std::string_view arguments = {});
    /// An arrow with the number `id`, from the slice that is open on one track to that on another.
    void flow_start(Track track, u64 time, std::string_view name, u64 id);
    void flow_end(Track track, u64 time, std::string_view name, u64 id);
    void name_process(u64 process, std::string_view name, i64 order);
    void name_thread(Track track, std::string_view name, i64 order);
    /// The end of the document, with remarks on the whole.
    void finish(std::string_view remarks);

  private:
    void event(char phase, Track track, u64 time, std::string_view rest);
    void write(std::string_view text);
    std::string path_, temporary_;
    std::FILE* file_ = nullptr;
    bool first_ = true;
};

}  // namespace pith::tools
