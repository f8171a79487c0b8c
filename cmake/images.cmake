# The image layouts that are installed with hull: build/<preset>/images, where hull finds them beside itself.
find_package(Python3 COMPONENTS Interpreter QUIET)
if(Python3_FOUND)
  add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/images/busybox/index.json
    COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/images/build-busybox ${CMAKE_BINARY_DIR}/images
    DEPENDS ${CMAKE_SOURCE_DIR}/images/build-busybox ${CMAKE_SOURCE_DIR}/images/oci.py ${CMAKE_SOURCE_DIR}/images/debian.py
    COMMENT "Building the image busybox:latest" VERBATIM)
  add_custom_target(hull_images ALL DEPENDS ${CMAKE_BINARY_DIR}/images/busybox/index.json)
endif()
