// SPDX-License-Identifier: MIT
#include "servers/linux/timer.hpp"

namespace pith::lx {

void Timer::arm(TimerQueue& queue, Time deadline) {
    cancel();
    queue_ = &queue;
    deadline_ = deadline;
    queue.insert(*this);
}

void Timer::cancel() {
    if (queue_ != nullptr) queue_->erase(*this);
}

void TimerQueue::place(usize index, Timer* timer) {
    heap_[index] = timer;
    timer->index_ = index;
}

void TimerQueue::insert(Timer& timer) {
    heap_.push_back(&timer);
    timer.index_ = heap_.size() - 1;
    sift_up(timer.index_);
}

void TimerQueue::erase(Timer& timer) {
    const usize index = timer.index_;
    timer.queue_ = nullptr;
    Timer* last = heap_.back();
    heap_.pop_back();
    if (last == &timer) return;
    place(index, last);
    sift_up(index);
    sift_down(last->index_);
}

void TimerQueue::sift_up(usize index) {
    Timer* timer = heap_[index];
    while (index > 0) {
        const usize parent = (index - 1) / 2;
        if (heap_[parent]->deadline_ <= timer->deadline_) break;
        place(index, heap_[parent]);
        index = parent;
    }
    place(index, timer);
}

void TimerQueue::sift_down(usize index) {
    Timer* timer = heap_[index];
    while (true) {
        usize child = 2 * index + 1;
        if (child >= heap_.size()) break;
        if (child + 1 < heap_.size() && heap_[child + 1]->deadline_ < heap_[child]->deadline_) ++child;
        if (timer->deadline_ <= heap_[child]->deadline_) break;
        place(index, heap_[child]);
        index = child;
    }
    place(index, timer);
}

void TimerQueue::expire(Time now) {
    while (!heap_.empty() && heap_.front()->deadline_ <= now) {
        Timer& timer = *heap_.front();
        erase(timer);
        timer.callback_(timer);
    }
}

}  // namespace pith::lx
