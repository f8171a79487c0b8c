# hull_link_static(TARGET): how the release of hull is linked. On x86-64 with musl and src/musl/: glibc's start asks the
# processor forty times for its caches (cpuid), which in a virtual machine takes as long as the rest of a short command.
# Elsewhere, where there is no such question, with glibc.
set(MUSL_LIBRARIES /usr/lib/x86_64-linux-musl CACHE PATH "musl's rcrt1.o and libc.a")

function(hull_link_static TARGET)
  if(NOT CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64" OR NOT EXISTS ${MUSL_LIBRARIES}/rcrt1.o)
    target_link_options(${TARGET} PRIVATE -static-pie)
    return()
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/musl/*.cpp)
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")
  target_sources(${TARGET} PRIVATE ${sources})
  set_source_files_properties(${sources} PROPERTIES COMPILE_OPTIONS "-O2;-U_FORTIFY_SOURCE;-fno-builtin;-fno-stack-protector")
  foreach(name crtbeginS.o crtendS.o libstdc++.a libgcc.a libgcc_eh.a)
    execute_process(COMMAND ${CMAKE_CXX_COMPILER} -print-file-name=${name} OUTPUT_VARIABLE ${name} OUTPUT_STRIP_TRAILING_WHITESPACE)
  endforeach()
  target_link_options(${TARGET} PRIVATE -static-pie -nostdlib -Wl,-e,hull_start
    ${MUSL_LIBRARIES}/rcrt1.o ${MUSL_LIBRARIES}/crti.o ${crtbeginS.o})
  # After the rooms: as what the lowest of them needs, if it is linked into this target.
  set_target_properties(${TARGET} PROPERTIES ON_MUSL ON)
  set(libraries ${libstdc++.a} -Wl,--start-group ${libgcc_eh.a} ${libgcc.a} ${MUSL_LIBRARIES}/libc.a -Wl,--end-group
    ${crtendS.o} ${MUSL_LIBRARIES}/crtn.o)
  target_link_libraries(room_base PUBLIC "$<$<BOOL:$<TARGET_PROPERTY:ON_MUSL>>:${libraries}>")
endfunction()
