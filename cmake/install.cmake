# SPDX-License-Identifier: MIT
# Headers, CMake package and pkg-config file. Nothing but the optional library depends on the architecture, so all but the headers goes
# under share/.
include(CMakePackageConfigHelpers)

set(gavel_cmake_dir "${CMAKE_INSTALL_DATADIR}/cmake/gavel")
set(gavel_pkgconfig_dir "${CMAKE_INSTALL_DATADIR}/pkgconfig")

install(TARGETS gavel EXPORT gavelTargets)
set(gavel_architecture ARCH_INDEPENDENT)
if(GAVEL_INSTALL_COMPILED)
  install(TARGETS gavel_compiled EXPORT gavelTargets ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
  set(gavel_architecture "")
endif()
install(
  EXPORT gavelTargets
  NAMESPACE gavel::
  DESTINATION "${gavel_cmake_dir}")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/gavel" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.hpp")

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/gavelConfig.cmake.in" "${PROJECT_BINARY_DIR}/gavelConfig.cmake"
                              INSTALL_DESTINATION "${gavel_cmake_dir}" NO_SET_AND_CHECK_MACRO)
# Before 1.0 a new minor version may break its users; from 1.0 on this becomes SameMajorVersion.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/gavelConfigVersion.cmake" COMPATIBILITY SameMinorVersion ${gavel_architecture})
install(FILES "${PROJECT_BINARY_DIR}/gavelConfig.cmake" "${PROJECT_BINARY_DIR}/gavelConfigVersion.cmake" DESTINATION "${gavel_cmake_dir}")

# The prefix is found from the place of gavel.pc itself, so that an installed tree can be moved.
if(IS_ABSOLUTE "${gavel_pkgconfig_dir}")
  set(gavel_pc_prefix "${CMAKE_INSTALL_PREFIX}")
else()
  file(RELATIVE_PATH gavel_pc_up "/prefix/${gavel_pkgconfig_dir}" "/prefix")
  string(REGEX REPLACE "/$" "" gavel_pc_up "${gavel_pc_up}")
  set(gavel_pc_prefix "\${pcfiledir}/${gavel_pc_up}")
endif()
if(IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  set(gavel_pc_includedir "${CMAKE_INSTALL_INCLUDEDIR}")
else()
  set(gavel_pc_includedir "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
configure_file("${PROJECT_SOURCE_DIR}/cmake/gavel.pc.in" "${PROJECT_BINARY_DIR}/gavel.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/gavel.pc" DESTINATION "${gavel_pkgconfig_dir}")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/gavel")
