// SPDX-License-Identifier: MIT
#include "tests/storage/ext4/compare.hpp"

#include <sys/stat.h>

namespace pith::test {

std::string compare(ext4::FileSystem& system, ext4::FileId id, const Script& script, u32 handle,
                    std::map<u32, u32>& seen) {
    const Made& made = script.made()[handle];
    const std::string what = "handle " + std::to_string(handle) + ": ";
    auto attributes = system.attributes(id);
    if (!attributes.ok()) return what + "no attributes";
    if (handle != 0 && attributes->mode != made.mode) return what + "another mode";
    if (handle != 0 && (attributes->user != 1000 || attributes->group != 70'000))
        return what + "another owner";
    if (const auto [at, first] = seen.emplace(handle, id.inode); !first)
        return at->second == id.inode ? std::string() : what + "two files";
    if (S_ISDIR(made.mode)) {
        usize count = 0;
        static_cast<void>(system.list(id, 0, [&](const ext4::Listed& entry) {
            count += entry.name != "." && entry.name != ".." && entry.name != "lost+found";
            return true;
        }));
        if (count != made.entries.size()) return what + "another number of entries";
        for (const auto& [name, entry] : made.entries) {
            const auto found = system.lookup(id, name);
            if (!found.ok()) return what + "'" + name + "' is not there";
            if (std::string wrong = compare(system, found.value(), script, entry, seen); !wrong.empty())
                return wrong;
        }
        return {};
    }
    if (attributes->links != made.links) return what + "another number of links";
    std::string content(made.content.size() + 1, '?');
    if (S_ISREG(made.mode)) {
        const auto length = system.read(id, 0, {reinterpret_cast<u8*>(content.data()), content.size()});
        content.resize(length.ok() ? length.value() : 0);
    } else if (S_ISLNK(made.mode)) {
        const auto length = system.read_link(id, content);
        content.resize(length.ok() ? length.value() : 0);
    } else {
        return {};
    }
    return content == made.content ? std::string() : what + "other content";
}

}  // namespace pith::test
