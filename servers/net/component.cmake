# SPDX-License-Identifier: MIT
target_link_libraries(${name}.elf PRIVATE pith_lwip)
