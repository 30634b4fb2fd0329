// SPDX-License-Identifier: MIT
// A coroutine that waits for a request: make a Call, give it to one of FsRequests' operations, and co_await it.
#pragma once

#include "lib/fs/client.hpp"

namespace pith {

class FsClient::Call : public FsCaller {
  public:
    explicit Call(FsClient& client) : FsCaller(&ended), client_(client) {}
    bool await_ready() const { return false; }
    bool await_suspend(std::coroutine_handle<> coroutine) {
        waiter_.coroutine = coroutine;
        const bool waits = suspended_ = !done_;
        client_.settle();
        return waits;
    }
    Error await_resume() const { return error; }

  private:
    static void ended(FsCaller& caller) {
        auto& self = static_cast<Call&>(caller);
        self.done_ = true;
        if (self.suspended_) make_ready(self.waiter_);
    }
    FsClient& client_;
    Waiter waiter_;
    bool done_ = false;
    bool suspended_ = false;
};

}  // namespace pith
