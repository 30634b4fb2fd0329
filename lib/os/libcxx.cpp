// SPDX-License-Identifier: MIT
// What libc++'s headers declare as compiled elsewhere: no library of it is linked, so it is here.
#include <algorithm>
#include <string>

namespace std {

template class basic_string<char>;
template string operator+ <char, char_traits<char>, allocator<char>>(const char*, const string&);

inline namespace __1 {

template <class Compare, class Iterator>
void __sort(Iterator first, Iterator last, Compare) {
    __introsort<_ClassicAlgPolicy, ranges::less, Iterator, false>(first, last, ranges::less(),
                                                                  2 * __log2i(last - first));
}
template void __sort<__less<int>&, int*>(int*, int*, __less<int>&);
template void __sort<__less<unsigned>&, unsigned*>(unsigned*, unsigned*, __less<unsigned>&);
template void __sort<__less<long>&, long*>(long*, long*, __less<long>&);
template void __sort<__less<unsigned long>&, unsigned long*>(unsigned long*, unsigned long*,
                                                             __less<unsigned long>&);

}  // namespace __1

namespace {

string digits(unsigned long long value, bool negative) {
    char buffer[24];
    char* at = buffer + sizeof buffer;
    do {
        *--at = static_cast<char>('0' + value % 10);
        value /= 10;
    } while (value != 0);
    if (negative) *--at = '-';
    return string(at, static_cast<size_t>(buffer + sizeof buffer - at));
}

string signed_digits(long long value) {
    return value < 0 ? digits(0ull - static_cast<unsigned long long>(value), true)
                     : digits(static_cast<unsigned long long>(value), false);
}

}  // namespace

inline namespace __1 {

string to_string(int value) { return signed_digits(value); }
string to_string(long value) { return signed_digits(value); }
string to_string(long long value) { return signed_digits(value); }
string to_string(unsigned value) { return digits(value, false); }
string to_string(unsigned long value) { return digits(value, false); }
string to_string(unsigned long long value) { return digits(value, false); }

}  // namespace __1

}  // namespace std
