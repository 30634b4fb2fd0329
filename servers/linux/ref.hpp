// SPDX-License-Identifier: MIT
// Ref<T>: a counted reference to an object that derives from RefCounted. One thread, so plain counts.
#pragma once

#include <utility>

#include "abi/types.hpp"

namespace pith::lx {

/// Base of objects that Refs hold. They are made with `Ref<T>::make(...)` and deleted with their last Ref.
class RefCounted {
  public:
    RefCounted() = default;
    RefCounted(const RefCounted&) = delete;
    RefCounted& operator=(const RefCounted&) = delete;
    u32 ref_count() const { return refs_; }

  protected:
    virtual ~RefCounted() = default;

  private:
    template <typename>
    friend class Ref;
    u32 refs_ = 0;
};

template <typename T>
class Ref {
  public:
    Ref() = default;
    Ref(decltype(nullptr)) {}  // NOLINT(google-explicit-constructor)
    explicit Ref(T* object) : object_(object) { take(); }
    Ref(const Ref& other) : object_(other.object_) { take(); }
    Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
    template <typename U>
        requires(__is_convertible_to(U*, T*))
    Ref(const Ref<U>& other) : object_(other.get()) {  // NOLINT(google-explicit-constructor)
        take();
    }
    Ref& operator=(Ref other) noexcept {
        std::swap(object_, other.object_);
        return *this;
    }
    ~Ref() { drop(); }

    template <typename... Args>
    static Ref make(Args&&... args) {
        return Ref(new T(std::forward<Args>(args)...));
    }

    T* get() const { return object_; }
    T* operator->() const { return object_; }
    T& operator*() const { return *object_; }
    explicit operator bool() const { return object_ != nullptr; }
    bool operator==(const Ref& other) const { return object_ == other.object_; }
    void reset() { Ref().swap(*this); }
    void swap(Ref& other) { std::swap(object_, other.object_); }

  private:
    void take() {
        if (object_ != nullptr) ++static_cast<RefCounted*>(object_)->refs_;
    }
    void drop() {
        if (object_ == nullptr) return;
        RefCounted* base = static_cast<RefCounted*>(std::exchange(object_, nullptr));
        if (--base->refs_ == 0) delete base;
    }
    T* object_ = nullptr;
};

}  // namespace pith::lx
