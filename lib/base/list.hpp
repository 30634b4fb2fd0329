// SPDX-License-Identifier: MIT
// List<T, &T::link>: a doubly linked list through a member. It owns nothing and allocates nothing; an element
// is in at most one list through one link. All operations take constant time. The caller locks.
#pragma once

#include <stddef.h>

namespace pith {

struct ListLink {
    ListLink* next = nullptr;
    ListLink* previous = nullptr;
    bool linked() const { return next != nullptr; }
};

template <typename T, ListLink T::* Member>
class List {
  public:
    constexpr List() { reset(); }
    List(const List&) = delete;
    List& operator=(const List&) = delete;

    bool empty() const { return head_.next == &head_; }
    T* front() { return empty() ? nullptr : object(head_.next); }
    T* back() { return empty() ? nullptr : object(head_.previous); }
    /// The element after `item`, or null.
    T* next(T& item) { return (item.*Member).next == &head_ ? nullptr : object((item.*Member).next); }
    T* previous(T& item) {
        return (item.*Member).previous == &head_ ? nullptr : object((item.*Member).previous);
    }
    void push_back(T& item) { insert(item.*Member, *head_.previous); }
    void push_front(T& item) { insert(item.*Member, head_); }
    void insert_after(T& item, T& position) { insert(item.*Member, position.*Member); }
    T* pop_front() {
        T* item = front();
        if (item != nullptr) remove(*item);
        return item;
    }
    /// Takes `item` out of whatever list it is in through Member.
    static void remove(T& item) {
        ListLink& link = item.*Member;
        link.previous->next = link.next;
        link.next->previous = link.previous;
        link.next = link.previous = nullptr;
    }
    static bool linked(const T& item) { return (item.*Member).linked(); }
    /// Forgets all elements without touching them.
    constexpr void reset() { head_.next = head_.previous = &head_; }

  private:
    static void insert(ListLink& link, ListLink& after) {
        link.previous = &after;
        link.next = after.next;
        after.next->previous = &link;
        after.next = &link;
    }
    static T* object(ListLink* link) {
        T* const at = reinterpret_cast<T*>(kFake);
        const auto offset = reinterpret_cast<size_t>(&(at->*Member)) - kFake;
        return reinterpret_cast<T*>(reinterpret_cast<char*>(link) - offset);
    }
    static constexpr size_t kFake = 4096;  ///< an address to measure offsets from
    ListLink head_;
};

}  // namespace pith
