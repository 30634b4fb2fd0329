// SPDX-License-Identifier: MIT
// Random callers of a client, what they expect, and a server that dies at any moment. What is expected follows from the order in which the
// changes begin, whatever happens to the server: each is carried out exactly once, in that order.
#pragma once

#include <deque>
#include <list>
#include <map>
#include <random>

#include "tests/host/fs/rig.hpp"

namespace pith::fs_test {

/// Data of a write; what a later truncation has cut off is not there any more.
struct CutData : Data {
    CutData(std::string content, u64 of, u64 at) : Data(std::move(content)), node(of), offset(at) {}
    void cut(u64 size) { bytes.resize(std::min<u64>(bytes.size(), size > offset ? size - offset : 0)); }
    u64 node;  ///< as expected
    u64 offset;
};

class World {
  public:
    World(u32 seed, u32 deaths_in_1000, u32 downs_in_1000 = 0);
    /// Some steps of everybody's.
    void run(u32 steps);
    /// Without deaths, until all is answered; then the server has what is expected. With `commit`, its disk too.
    void settle(bool commit);
    u32 deaths() const { return deaths_; }
    u32 compared() const { return compared_; }
    Rig& rig() { return rig_; }

  private:
    struct Operation : Call {
        Fs::Submission entry{};
        std::string name;  ///< and other_name, as in the window
        Outcome expected;
        CutData* data = nullptr;
        u64 version = 0;    ///< changes that had begun
        std::string bytes;  ///< that are read
    };
    /// A change that has begun, in order.
    struct Step {
        const Operation* operation;  ///< null: a release
        Fs::Submission entry;
        std::string name;
        std::string data;
        bool done;
        Error error;
    };
    Fs::FileId known(u64 number) const;
    u64 any(bool directory);
    std::string any_name() {
        return std::string(random_() % 20 == 0 ? 200 : 1, static_cast<char>('a' + random_() % 6));
    }
    Operation& begin(Fs::Operation what, u64 node);
    void begin_change();
    void begin_names(Operation& operation);
    void begin_rename(Operation& operation);
    void begin_exchange(Operation& operation);
    void begin_unnamed(Operation& operation);
    void begin_data(Operation& operation);
    void begin_look();
    void release_one();
    void expect(Operation& operation, std::string_view data = {});
    void check(Operation& operation);
    void collect();
    void go_down();
    void confirm();

    std::list<CutData> data_;  // before rig_: outlives the client
    std::mt19937 random_;
    Rig rig_;
    Tree expected_;
    Tree confirmed_;                 ///< what of it was answered
    std::deque<Step> steps_;         ///< what was not
    std::map<u64, Fs::FileId> ids_;  ///< the server's, by those here; of generations here, as they are unique
    std::list<Operation> operations_;
    std::vector<Fs::FileId> held_;  ///< as expected
    u32 deaths_in_1000_;
    u32 downs_in_1000_;
    bool dead_ = false;
    u32 deaths_ = 0;
    u32 compared_ = 0;
    u64 begun_ = 0;
    i64 time_ = 0;
};

}  // namespace pith::fs_test
