# hull-init, hull-shim and hull-port: C++ without its library, on musl, static: 0.14 ms from exec to exit and a few tens of KB.
# In two segments instead of four: each is mapped at every start.
# hull-init's bytes are linked into hull (HULL_INIT_PATH in sandbox/init_image.cpp) and run from a sealed memfd.
find_program(GCC_FOR_MUSL NAMES gcc REQUIRED)  # the C driver: it compiles C++ and links no libstdc++
set(MUSL_SPECS /usr/lib/x86_64-linux-musl/musl-gcc.specs CACHE FILEPATH "gcc specs of musl-tools")
set(FREESTANDING_FLAGS -std=c++20 -Os -g0 -D_GNU_SOURCE -I${CMAKE_SOURCE_DIR}/src -I${CMAKE_BINARY_DIR}/generated
  -specs=${MUSL_SPECS} -nostdinc++ -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-asynchronous-unwind-tables
  -fno-stack-protector -ffunction-sections -fdata-sections -Wall -Wextra -Wshadow -Wno-missing-field-initializers)
set(FREESTANDING_LINK -static -Wl,--gc-sections,-z,noexecstack,-z,norelro,-z,noseparate-code,--build-id=none -s)

# hull_freestanding(NAME FOLDER): links src/FOLDER/*.cpp into ${CMAKE_BINARY_DIR}/NAME.
function(hull_freestanding NAME FOLDER)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${FOLDER}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")
  if(NOT sources)
    return()
  endif()
  file(GLOB headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${FOLDER}/*.h ${CMAKE_SOURCE_DIR}/src/sandbox/*.h
    ${CMAKE_SOURCE_DIR}/src/shim/*.h ${CMAKE_SOURCE_DIR}/src/net/forward/*.h)
  add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/${NAME}
    COMMAND ${GCC_FOR_MUSL} ${FREESTANDING_FLAGS} ${sources} ${FREESTANDING_LINK} -o ${CMAKE_BINARY_DIR}/${NAME}
    DEPENDS ${sources} ${headers} VERBATIM)
  add_custom_target(${NAME}_program ALL DEPENDS ${CMAKE_BINARY_DIR}/${NAME})
endfunction()

hull_freestanding(hull-init sandbox/init)
hull_freestanding(hull-shim shim)
hull_freestanding(hull-port net/forward)

# init_image.cpp includes hull-init's bytes, so it is compiled again when they change.
set_source_files_properties(${CMAKE_SOURCE_DIR}/src/sandbox/init_image.cpp PROPERTIES
  OBJECT_DEPENDS ${CMAKE_BINARY_DIR}/hull-init COMPILE_DEFINITIONS HULL_INIT_PATH="${CMAKE_BINARY_DIR}/hull-init")
