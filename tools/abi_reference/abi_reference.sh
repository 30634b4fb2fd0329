#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Writes docs/abi.md's text to standard output from the comments of abi/*.hpp, which are its only source.
# A lint compares the two: run `tools/abi_reference/abi_reference.sh > docs/abi.md` after changing abi/.
set -euo pipefail
cd "$(dirname "$0")/../.."

cat <<'EOF'
# The kernel's interface

Generated from `abi/*.hpp` by `tools/abi_reference/abi_reference.sh`; change those, not this.

## System calls

EOF
# The convention: the comment that opens abi/syscall.hpp, without its SPDX line.
awk '/^\/\/ SPDX/ {next} /^\/\// {sub(/^\/\/ ?/, ""); print; next} {exit}' abi/syscall.hpp
echo

# The table: enumerators (a number may be on a line of its own) with their trailing comments, continued on lines that hold only
# `///<`.
sed '/^ *[a-z_]* =$/ {N; s/\n */ /}' abi/syscall.hpp | awk '
function flush() { if (name != "") printf "| %s | `%s` | %s |\n", number, name, text; name = "" }
function section(title) { flush(); printf "\n### %s\n\n| number | call | object: arguments -> results |\n| --- | --- | --- |\n", title }
/enum class Syscall/ { inside = 1; section("General"); next }
!inside { next }
/^};/ { flush(); exit }
/^ *\/\/ [A-Z]/ { line = $0; sub(/^ *\/\/ /, "", line); section(line); next }
match($0, /^ *[a-z_]+ = [0-9]+,/) {
    flush(); line = $0; sub(/^ */, "", line); name = line; sub(/ =.*/, "", name)
    number = line; sub(/^[a-z_]+ = /, "", number); sub(/,.*/, "", number)
    text = ""; if (index(line, "///<")) { text = line; sub(/.*\/\/\/< ?/, "", text) } ; gsub(/\|/, "\\|", text); next }
/^ *\/\/\/</ { line = $0; sub(/^ *\/\/\/< ?/, "", line); gsub(/\|/, "\\|", line); text = text (text == "" ? "" : " ") line; next }
/^ *$/ { if (name != "") { flush(); } next }
'
echo

# Every other enumeration and structure, as declared.
for header in error types message thread memory boot info trace; do
    printf '## abi/%s.hpp\n\n' "$header"
    awk '/^\/\/ SPDX/ {next} /^\/\// {sub(/^\/\/ ?/, ""); print; next} {exit}' "abi/$header.hpp"
    printf '\n```cpp\n'
    awk 'started || /^(enum|struct|class|inline|using|\/\/\/)/ { started = 1 }
         started && !/^}  \/\/ namespace/ && !/^namespace/ && !/^static_assert/ { print }' "abi/$header.hpp" | cat -s
    printf '```\n\n'
done
