// SPDX-License-Identifier: MIT
// Requests that look, and `commit`: the host writes to its disk what was changed since the last one.
#pragma once

#include "servers/fs/virtio_9p/job.hpp"
#include "servers/fs/virtio_9p/tree.hpp"

namespace pith::virtio_9p {

class Looks {
  public:
    explicit Looks(Tree& tree) : tree_(tree) {}
    /// The Completion's value.
    Task<Result<u64>> run(Line& line, const Job& job);
    Task<Result<>> commit(Line& line);

  private:
    Task<Result<u64>> lookup(Line& line, const Job& job);
    Task<Result<u64>> read(Line& line, const Job& job);
    Task<Result<u64>> list(Line& line, const Job& job);
    Task<Result<u64>> read_link(Line& line, const Job& job);
    Task<Result<u64>> seek(Line& line, const Job& job);
    Task<Result<>> sync(Line& line, Fs::FileId file);
    Result<usize> take_entries(Reader entries, bool root, std::span<u8> to, u64& cookie, bool& full) const;
    Tree& tree_;
};

}  // namespace pith::virtio_9p
