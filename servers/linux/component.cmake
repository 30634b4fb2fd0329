# SPDX-License-Identifier: MIT
# The vDSO: built as a shared object for Linux programs, and carried by the server in its own image (vdso_image.S).
add_library(linux_vdso MODULE ${folder}/guest/vdso.cpp)
target_include_directories(linux_vdso PRIVATE ${CMAKE_SOURCE_DIR})
target_compile_options(linux_vdso PRIVATE --target=x86_64-unknown-linux-gnu ${PITH_WARNINGS} -O2
    -ffreestanding -fno-exceptions -fno-rtti -fPIC -fvisibility=hidden -fasynchronous-unwind-tables
    -fomit-frame-pointer -fno-stack-protector -mno-sse -nostdinc++ -nostdlibinc -isystem ${PITH_LIBC_HEADERS})
target_link_options(linux_vdso PRIVATE --target=x86_64-unknown-linux-gnu -nostdlib -fuse-ld=lld-19
    -Wl,-T,${folder}/guest/vdso.ld -Wl,--hash-style=both,-soname=linux-vdso.so.1,-Bsymbolic,--eh-frame-hdr
    -Wl,--build-id=none,-z,norelro,-z,max-page-size=4096,-s)
set_target_properties(linux_vdso PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}
    LINK_DEPENDS ${folder}/guest/vdso.ld)
set(vdso ${CMAKE_BINARY_DIR}/linux_vdso.so)
set_source_files_properties(${folder}/vdso_image.S PROPERTIES OBJECT_DEPENDS ${vdso}
    COMPILE_DEFINITIONS "PITH_VDSO_FILE=\"${vdso}\"")
add_dependencies(${name}.elf linux_vdso)
# What is inlined across its files is only what makes it shorter: all of it that is in use at a time is to take few pages.
target_link_options(${name}.elf PRIVATE $<$<CONFIG:Release>:-Wl,-mllvm,-inline-threshold=0>)
