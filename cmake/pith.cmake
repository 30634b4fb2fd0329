# SPDX-License-Identifier: MIT
# How each kind of code is compiled: the kernel, the components (user space, freestanding) and host programs.

set(PITH_WARNINGS -Wall -Wextra -Wconversion -Wshadow -Wold-style-cast -Wthread-safety
    -Wno-gnu-statement-expression -Wno-missing-field-initializers -Wno-invalid-offsetof -Werror)

set(PITH_LIBCXX /usr/lib/llvm-19/include/c++/v1)
set(PITH_LIBC_HEADERS /usr/include/x86_64-linux-musl)

# Freestanding: libc++'s headers only, with musl's headers below them; no library is linked.
add_library(pith_freestanding INTERFACE)
target_compile_options(pith_freestanding INTERFACE
    --target=x86_64-unknown-elf ${PITH_WARNINGS}
    -ffreestanding -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-asynchronous-unwind-tables
    -fomit-frame-pointer -momit-leaf-frame-pointer -fno-common -ffunction-sections -fdata-sections
    -mno-mmx -mno-sse -mno-sse2 -msoft-float
    "SHELL:$<$<COMPILE_LANGUAGE:CXX>:-nostdinc++ -isystem ${CMAKE_SOURCE_DIR}/cmake/libcxx -isystem ${PITH_LIBCXX}>"
    "SHELL:-nostdlibinc -isystem ${PITH_LIBC_HEADERS}")
target_compile_definitions(pith_freestanding INTERFACE
    _LIBCPP_DISABLE_EXTERN_TEMPLATE _LIBCPP_VERBOSE_ABORT_NOT_NOEXCEPT
    $<$<BOOL:${PITH_ASSERTS}>:PITH_ASSERTS=1>)
target_include_directories(pith_freestanding INTERFACE ${CMAKE_SOURCE_DIR})
# A release's components are optimised as a whole, each with what it uses of the libraries (the kernel too: kernel/CMakeLists.txt).
add_library(pith_whole INTERFACE)
target_compile_options(pith_whole INTERFACE $<$<CONFIG:Release>:-flto>)
# Linked as for Linux: for the bare target clang would call gcc to link, which does not know lld-19.
target_link_options(pith_freestanding INTERFACE
    --target=x86_64-unknown-linux-gnu -nostdlib -static -fuse-ld=lld-19 -Wl,--gc-sections -Wl,-z,noexecstack
    -Wl,--build-id=none)

add_library(pith_host INTERFACE)
target_compile_options(pith_host INTERFACE ${PITH_WARNINGS})
target_include_directories(pith_host INTERFACE ${CMAKE_SOURCE_DIR})

# A component: every .cpp and .S below its folder but tests/ and guest/, one ELF named after the folder's manifest. What else
# it takes to build it is in its component.cmake.
function(pith_component folder)
    get_filename_component(name ${folder} NAME)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${folder}/*.cpp ${folder}/*.S)
    list(FILTER sources EXCLUDE REGEX "^${folder}/(.*/)?(tests|guest)/")
    add_executable(${name}.elf ${sources})
    target_link_libraries(${name}.elf PRIVATE pith_freestanding pith_whole pith_os)
    target_compile_options(${name}.elf PRIVATE -fno-pic)
    target_link_options(${name}.elf PRIVATE -Wl,-T,${CMAKE_SOURCE_DIR}/lib/os/component.ld)
    set_target_properties(${name}.elf PROPERTIES LINK_DEPENDS ${CMAKE_SOURCE_DIR}/lib/os/component.ld)
    set_property(GLOBAL APPEND PROPERTY PITH_COMPONENTS ${name})
    include(${folder}/component.cmake OPTIONAL)
endfunction()
