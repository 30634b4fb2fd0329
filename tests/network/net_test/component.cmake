# SPDX-License-Identifier: MIT
target_sources(${name}.elf PRIVATE ${CMAKE_SOURCE_DIR}/tests/host/net/support/client.cpp)
