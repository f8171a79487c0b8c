# Compiler and linker flags for everything but the freestanding programs (cmake/freestanding.cmake).

add_library(hull_flags INTERFACE)
target_include_directories(hull_flags INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_BINARY_DIR}/generated)
target_compile_definitions(hull_flags INTERFACE _GNU_SOURCE HULL_VERSION="${HULL_VERSION}")
target_compile_options(hull_flags INTERFACE -Wall -Wextra -Wshadow -Wno-missing-field-initializers
  -fno-strict-overflow -fno-delete-null-pointer-checks -fvisibility=hidden)

if(HULL_SANITIZE)
  target_compile_options(hull_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(hull_flags INTERFACE -fsanitize=address,undefined)
else()
  target_compile_options(hull_flags INTERFACE -fPIE -fstack-protector-strong -fstack-clash-protection
    -ffunction-sections -fdata-sections
    $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2> -D_GLIBCXX_ASSERTIONS)
  target_link_options(hull_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code,-z,pack-relative-relocs,--gc-sections)
endif()
