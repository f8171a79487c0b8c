# hull_default_seccomp(): compiles profiles/default-seccomp.json to BPF when hull is built, so that no start has to.
# The tool is the seccomp compiler itself with a main; room_kernel then includes what it wrote.
function(hull_default_seccomp)
  set(kernel ${CMAKE_SOURCE_DIR}/src/kernel)
  set(profile ${CMAKE_SOURCE_DIR}/profiles/default-seccomp.json)
  set(generated ${CMAKE_BINARY_DIR}/generated/seccomp_default.inc)
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/generated)
  add_executable(hull-seccomp-gen ${kernel}/seccomp_gen/main.cpp ${kernel}/seccomp.cpp ${kernel}/seccomp_rules.cpp
    ${kernel}/seccomp_profile.cpp ${kernel}/bpf.cpp ${kernel}/syscalls.cpp ${kernel}/capabilities.cpp)
  target_link_libraries(hull-seccomp-gen PRIVATE room_base room_oci)
  add_custom_command(OUTPUT ${generated} COMMAND hull-seccomp-gen ${profile} ${generated} DEPENDS hull-seccomp-gen ${profile}
    VERBATIM)
  add_custom_target(seccomp_default DEPENDS ${generated})
  add_dependencies(room_kernel seccomp_default)
  set_property(SOURCE ${kernel}/seccomp_default.cpp APPEND PROPERTY OBJECT_DEPENDS ${generated})
endfunction()
