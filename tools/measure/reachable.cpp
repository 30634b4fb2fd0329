// SPDX-License-Identifier: MIT
#include "tools/measure/reachable.hpp"

#include <map>

#include "tools/base/host.hpp"

namespace pith::tools {

namespace {

struct Place {
    usize object;
    u32 section;
    auto operator<=>(const Place&) const = default;
};

}  // namespace

std::set<std::string> reachable_functions(const std::vector<ElfImage>& objects, const std::string& from) {
    std::multimap<std::string, Place> definitions;
    std::multimap<Place, const ElfReference*> references;
    std::vector<Place> waiting;
    for (usize object = 0; object < objects.size(); object++) {
        for (const auto& [name, section] : objects[object].definitions())
            definitions.emplace(name, Place{object, section});
        for (const ElfReference& reference : objects[object].references())
            references.emplace(Place{object, reference.from}, &reference);
        const std::vector<std::string>& sections = objects[object].sections();
        for (u32 section = 0; section < sections.size(); section++)
            if (sections[section] == from || sections[section].starts_with(from + "."))
                waiting.push_back({object, section});
    }
    if (waiting.empty()) fail(1, "no object file has a section {}", from);
    std::set<Place> reached(waiting.begin(), waiting.end());
    while (!waiting.empty()) {
        const Place place = waiting.back();
        waiting.pop_back();
        const auto visit = [&](Place next) {
            if (reached.insert(next).second) waiting.push_back(next);
        };
        const auto [first, last] = references.equal_range(place);
        for (auto each = first; each != last; ++each) {
            const ElfReference& reference = *each->second;
            if (reference.to != 0) visit({place.object, reference.to});
            // Also where it is defined here: of an inline function that several files have, any may have been linked.
            const auto [begin, end] = definitions.equal_range(reference.name);
            for (auto definition = begin; definition != end; ++definition) visit(definition->second);
        }
    }
    std::set<std::string> names;
    for (usize object = 0; object < objects.size(); object++)
        for (const ElfFunction& function : objects[object].functions())
            if (reached.contains({object, function.section})) names.insert(function.name);
    return names;
}

}  // namespace pith::tools
