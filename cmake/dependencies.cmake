# SPDX-License-Identifier: MIT
# Where the optional pieces come from: find_package first (Debian's packages serve), a download for those who have a network.
include_guard()

# Eigen 3.4 or 5.x, quietly absent otherwise.
function(gavel_find_eigen)
  if(NOT TARGET Eigen3::Eigen)
    find_package(Eigen3 3.4 QUIET CONFIG)
    if(NOT Eigen3_FOUND)
      find_package(Eigen3 5 QUIET CONFIG)
    endif()
  endif()
  set(Eigen3_VERSION "${Eigen3_VERSION}" PARENT_SCOPE)
  if(PROJECT_IS_TOP_LEVEL)
    if(TARGET Eigen3::Eigen)
      message(STATUS "gavel: Eigen ${Eigen3_VERSION} found")
    else()
      message(STATUS "gavel: Eigen (>= 3.4) not found; headers, tests and examples that need it are left out (Debian: libeigen3-dev)")
    endif()
  endif()
endfunction()

# gavel_dependency(NAME target [VERSION v] PACKAGE deb REPOSITORY url TAG tag [SETTINGS VAR=value...])
# Afterwards `target` exists, or configuration has stopped with a sentence that says what to install.
macro(gavel_dependency name target)
  cmake_parse_arguments(dependency "" "VERSION;PACKAGE;REPOSITORY;TAG" "SETTINGS" ${ARGN})
  if(NOT TARGET ${target})
    find_package(${name} ${dependency_VERSION} QUIET)
  endif()
  if(TARGET ${target})
    message(STATUS "gavel: ${name} ${${name}_VERSION} found")
  elseif(NOT GAVEL_FETCH_DEPENDENCIES)
    message(FATAL_ERROR "gavel: ${name} not found. Install it (Debian: ${dependency_PACKAGE}), or set GAVEL_FETCH_DEPENDENCIES=ON to "
                        "download ${dependency_REPOSITORY} ${dependency_TAG}.")
  else()
    message(STATUS "gavel: ${name} not found; downloading ${dependency_REPOSITORY} ${dependency_TAG} "
                   "(Debian: install ${dependency_PACKAGE} to avoid this)")
    include(FetchContent)
    foreach(setting IN LISTS dependency_SETTINGS)
      string(REGEX MATCH "^([^=]+)=(.*)$" setting_match "${setting}")
      set(${CMAKE_MATCH_1} "${CMAKE_MATCH_2}" CACHE BOOL "set by gavel for its download of ${name}")
    endforeach()
    FetchContent_Declare(
      ${name}
      GIT_REPOSITORY "${dependency_REPOSITORY}"
      GIT_TAG "${dependency_TAG}"
      GIT_SHALLOW ON)
    FetchContent_MakeAvailable(${name})
  endif()
endmacro()

# Catch2 2.13 (Debian 12) or 3.x. Sets gavel_catch_major.
macro(gavel_find_catch)
  gavel_dependency(Catch2 Catch2::Catch2 PACKAGE catch2 REPOSITORY https://github.com/catchorg/Catch2.git TAG v3.5.4)
  if(Catch2_VERSION AND Catch2_VERSION VERSION_LESS 3)
    set(gavel_catch_major 2)
  else()
    set(gavel_catch_major 3)  # also when it was downloaded
  endif()
endmacro()

macro(gavel_find_json)
  gavel_dependency(
    nlohmann_json nlohmann_json::nlohmann_json VERSION 3.2 PACKAGE nlohmann-json3-dev REPOSITORY https://github.com/nlohmann/json.git TAG
    v3.11.3 SETTINGS JSON_BuildTests=OFF)
endmacro()

macro(gavel_find_cli11)
  gavel_dependency(
    CLI11 CLI11::CLI11 PACKAGE libcli11-dev REPOSITORY https://github.com/CLIUtils/CLI11.git TAG v2.4.1 SETTINGS
    CLI11_BUILD_TESTS=OFF CLI11_BUILD_EXAMPLES=OFF)
endmacro()

macro(gavel_find_benchmark)
  gavel_dependency(
    benchmark benchmark::benchmark PACKAGE libbenchmark-dev REPOSITORY https://github.com/google/benchmark.git TAG v1.8.3 SETTINGS
    BENCHMARK_ENABLE_TESTING=OFF BENCHMARK_ENABLE_INSTALL=OFF)
endmacro()

# libtorch, quietly absent otherwise: the target gavel_torch, and gavel_torch_version. Found by hand: libtorch's own CMake package
# brings compile flags along. TORCH_ROOT names an unpacked archive.
macro(gavel_find_torch)
  if(NOT TARGET gavel_torch)
    find_path(GAVEL_TORCH_INCLUDE_DIR NAMES ATen/ATen.h PATHS "${TORCH_ROOT}/include")
    find_library(GAVEL_TORCH_CPU_LIBRARY NAMES torch_cpu PATHS "${TORCH_ROOT}/lib")
    find_library(GAVEL_TORCH_C10_LIBRARY NAMES c10 PATHS "${TORCH_ROOT}/lib")
    mark_as_advanced(GAVEL_TORCH_INCLUDE_DIR GAVEL_TORCH_CPU_LIBRARY GAVEL_TORCH_C10_LIBRARY)
    if(GAVEL_TORCH_INCLUDE_DIR AND GAVEL_TORCH_CPU_LIBRARY AND GAVEL_TORCH_C10_LIBRARY)
      add_library(gavel_torch INTERFACE IMPORTED GLOBAL)
      target_include_directories(gavel_torch SYSTEM INTERFACE "${GAVEL_TORCH_INCLUDE_DIR}"
                                                              "${GAVEL_TORCH_INCLUDE_DIR}/torch/csrc/api/include")
      target_link_libraries(gavel_torch INTERFACE "${GAVEL_TORCH_CPU_LIBRARY}" "${GAVEL_TORCH_C10_LIBRARY}")
    endif()
  endif()
  set(gavel_torch_version "")
  if(TARGET gavel_torch AND EXISTS "${GAVEL_TORCH_INCLUDE_DIR}/torch/csrc/api/include/torch/version.h")
    file(STRINGS "${GAVEL_TORCH_INCLUDE_DIR}/torch/csrc/api/include/torch/version.h" gavel_torch_version
         REGEX "TORCH_VERSION_(MAJOR|MINOR|PATCH) [0-9]")
    string(REGEX REPLACE "[^0-9;]" "" gavel_torch_version "${gavel_torch_version}")
    string(REPLACE ";" "." gavel_torch_version "${gavel_torch_version}")
  endif()
endmacro()
