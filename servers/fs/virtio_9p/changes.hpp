// SPDX-License-Identifier: MIT
// Requests that change. Each is carried out at once on the host. One that an earlier life of the server may have carried out, without an answer,
// comes again: those that can't be done twice leave an Intent (state.hpp) before they begin, by which it is seen whether they were.
//
// A file that is unlinked while it is held gets a hidden name in the root (Names::kHidden), until it is released: so it stays, with all that can be
// done with it, also across the server's death.
#pragma once

#include "servers/fs/virtio_9p/job.hpp"
#include "servers/fs/virtio_9p/state.hpp"
#include "servers/fs/virtio_9p/tree.hpp"

namespace pith::virtio_9p {

class Changes {
  public:
    Changes(Tree& tree, State& state) : tree_(tree), state_(state) {}
    /// The Completion's value.
    Task<Result<u64>> run(Line& line, const Job& job);
    /// Removes files with a hidden name: those that nobody holds, or `all`.
    Task<Result<>> remove_hidden(Line& line, bool all);

  private:
    using Place = Tree::Found;
    Task<Result<u64>> redo(Line& line, const Job& job);
    Task<Result<u64>> create(Line& line, const Job& job);
    Task<Result<>> make(Line& line, const Job& job, const FidUse& at, FidUse& opened);
    Task<Result<Tree::Found>> own(Line& line, const Job& job, Tree::Found found);
    Task<Result<u64>> link(Line& line, const Job& job);
    Task<Result<u64>> unlink(Line& line, const Job& job);
    Task<Result<u64>> remove_directory(Line& line, const Job& job);
    Task<Result<u64>> rename(Line& line, const Job& job);
    Task<Result<>> move(Line& line, const Job& job, const FidUse& from, const FidUse& to,
                        const Fs::Attributes& source, Result<Tree::Found>& target);
    void moved(const Job& job, u64 file, u32 type, u64 replaced, bool gone);
    Task<Result<u64>> set_attributes(Line& line, const Job& job);
    Task<Result<u64>> truncate(Line& line, const Job& job);
    Task<Result<u64>> write(Line& line, const Job& job);
    Task<Result<u64>> release(Line& line, const Job& job);

    Task<Result<bool>> keep(Line& line, const FidUse& at, std::string_view name, u64 directory,
                            const Tree::Found& found);
    Task<Result<>> remove(Line& line, u64 file);
    Task<Result<>> unlink_at(Line& line, u32 at, std::string_view name, u32 flags);
    bool allowed(Fs::FileId directory, std::string_view name) const;
    bool doubtful(const Job& job) const;
    void intend(const Job& job, u64 subject, u64 replaced);
    void changed(u64 file) { tree_.names().set_unsynced(file, true); }

    Tree& tree_;
    State& state_;
};

}  // namespace pith::virtio_9p
