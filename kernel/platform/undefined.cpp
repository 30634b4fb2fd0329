// SPDX-License-Identifier: MIT
// The handlers of the sanitizer of undefined behaviour (PITH_SANITIZE): each panics with what and where. The data that
// clang passes starts with the source location for all but a few kinds.
#include <stddef.h>

#include "abi/types.hpp"
#include "kernel/core/entry.hpp"

namespace pith::platform {
namespace {

struct SourceLocation {
    const char* file;
    u32 line, column;
};

class Line {
  public:
    void add(const char* text) {
        while (*text != 0 && length_ < sizeof(text_) - 1) text_[length_++] = *text++;
        text_[length_] = 0;
    }
    void add(u32 number) {
        char digits[12];
        usize at = sizeof(digits);
        digits[--at] = 0;
        do digits[--at] = static_cast<char>('0' + number % 10);
        while ((number /= 10) != 0);
        add(&digits[at]);
    }
    const char* text() const { return text_; }

  private:
    char text_[200] = {};
    usize length_ = 0;
};

[[noreturn]] void report(const char* kind, const SourceLocation* place) {
    Line line;
    line.add("Undefined behaviour: ");
    line.add(kind);
    if (place != nullptr && place->file != nullptr) {
        line.add(" at ");
        line.add(place->file);
        line.add(":");
        line.add(place->line);
        line.add(":");
        line.add(place->column);
    }
    core::panic(line.text());
}

}  // namespace
}  // namespace pith::platform

using pith::platform::SourceLocation;
#define PITH_UNDEFINED(name, kind)                                                            \
    extern "C" [[noreturn]] void __ubsan_handle_##name##_abort(const SourceLocation* place) { \
        pith::platform::report(kind, place);                                                  \
    }                                                                                         \
    static_assert(true)

PITH_UNDEFINED(add_overflow, "addition overflows");
PITH_UNDEFINED(sub_overflow, "subtraction overflows");
PITH_UNDEFINED(mul_overflow, "multiplication overflows");
PITH_UNDEFINED(negate_overflow, "negation overflows");
PITH_UNDEFINED(divrem_overflow, "division overflows or by zero");
PITH_UNDEFINED(shift_out_of_bounds, "shift out of bounds");
PITH_UNDEFINED(out_of_bounds, "index out of bounds");
PITH_UNDEFINED(type_mismatch_v1, "null, misaligned or too small object");
PITH_UNDEFINED(alignment_assumption, "broken alignment assumption");
PITH_UNDEFINED(vla_bound_not_positive, "array bound not positive");
PITH_UNDEFINED(float_cast_overflow, "floating point cast overflows");
PITH_UNDEFINED(load_invalid_value, "invalid value of a bool or enumeration");
PITH_UNDEFINED(invalid_builtin, "invalid argument of a builtin");
PITH_UNDEFINED(function_type_mismatch, "call through the wrong function type");
PITH_UNDEFINED(pointer_overflow, "pointer overflows");
PITH_UNDEFINED(nonnull_arg, "null for a non-null argument");
PITH_UNDEFINED(nullability_arg, "null for a non-null argument");

extern "C" {
// These two have no other form: reaching them is always fatal.
[[noreturn]] void __ubsan_handle_builtin_unreachable(const SourceLocation* place) {
    pith::platform::report("unreachable code reached", place);
}
[[noreturn]] void __ubsan_handle_missing_return(const SourceLocation* place) {
    pith::platform::report("no return value", place);
}
[[noreturn]] void __ubsan_handle_nonnull_return_v1_abort(const void*, const SourceLocation* place) {
    pith::platform::report("null returned", place);
}
}
