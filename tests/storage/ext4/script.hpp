// SPDX-License-Identifier: MIT
// What a client of the ext4 server does in tests: random steps that all succeed (but some that must not), and what is there after all of
// them. Shared by the host and the component that tests it in the machine.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "protocol/fs.hpp"

namespace pith::test {

/// Files and directories have numbers of the script's, called handles; the root's is 0.
struct Step {
    Fs::Operation operation = Fs::Operation::commit;
    u32 file = 0, other = 0;
    u32 makes = 0;   ///< handle of what it makes
    u32 victim = 0;  ///< handle of what loses a name
    u32 loses = 0;   ///< handle of what has no name afterwards, and is held
    std::string name, other_name;
    u64 offset = 0, length = 0;
    u32 mode = 0, seed = 0, flags = 0;
    Error wanted = Error::ok;
};

struct Made {
    u32 mode = 0;
    u32 links = 1;
    std::string content;                 ///< of a file or link
    std::map<std::string, u32> entries;  ///< of a directory
    u32 parent = 0;
    bool held = false;
};

class Script {
  public:
    Script(u64 seed, usize steps);
    const std::vector<Step>& steps() const { return steps_; }
    const std::vector<Made>& made() const { return made_; }
    /// What a write writes.
    static std::string data(const Step& step);

  private:
    u64 random() {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        return state_ ^= state_ << 17;
    }
    u64 below(u64 limit) { return (random() >> 20) % limit; }
    u32 any(u32 type, bool named);
    u32 any_directory() { return any(0040000, true); }
    std::string new_name() { return "n" + std::to_string(below(1000)) + std::string(below(40), 'x'); }
    bool below_itself(u32 directory, u32 moved) const;
    bool step();
    bool make(u32 type);
    bool link();
    bool remove();
    bool rename();
    bool exchange();
    bool make_unnamed();
    bool change_content();
    void lose(u32 file, Step& step);

    u64 state_;
    std::vector<Step> steps_;
    std::vector<Made> made_;
};

}  // namespace pith::test
